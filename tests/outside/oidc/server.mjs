// Who signs people in: the certified `oidc-provider`, set as strictly as the strictest vendors.
//
// One public client for everybody: PKCE, redirects to the loopback, refresh tokens for one use
// only, and a refresh token that comes twice ends everything it belongs to. No clock may be wrong.
// The pages to sign in on are the provider's own, for a browser that is a script.
//
// `/rig` is for the tests. Told: /rig/set changes settings, /rig/end ends an access token before its
// time, /rig/reset forgets. Asked: /rig/seen is what the token endpoint was asked, and answered.

import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import { Provider } from "oidc-provider";

console.info = console.warn = () => {}; // the first line on the standard output is the address

const DEVICE = "urn:ietf:params:oauth:grant-type:device_code";
const DEFAULTS = {
  lifetime: 3600, // of access tokens, in seconds
  interval: 0.1, // between the questions of a device, in seconds
  hurried: 0, // how many of those questions are answered with slow_down
};
const settings = { ...DEFAULTS };
const seen = [];

const server = createServer();
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const issuer = `http://127.0.0.1:${server.address().port}`;
const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "desk",
      application_type: "native",
      token_endpoint_auth_method: "none",
      grant_types: ["authorization_code", "refresh_token", DEVICE],
      redirect_uris: ["127.0.0.1", "[::1]", "localhost"].map((host) => `http://${host}/callback`),
    },
  ],
  claims: { email: ["email"], profile: ["name"] },
  clockTolerance: 0,
  cookies: { keys: ["any key will do here"] },
  features: { deviceFlow: { enabled: true }, revocation: { enabled: true } },
  findAccount: (_, sub) => ({
    accountId: sub,
    claims: () => ({ sub, email: `${sub}@example.com`, name: sub }),
  }),
  jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), use: "sig", alg: "RS256" }] },
  pkce: { required: () => true },
  rotateRefreshToken: true,
  ttl: { AccessToken: () => settings.lifetime },
});

provider.use(async (ctx, next) => {
  await next();
  if (ctx.oidc?.route === "device_authorization" && ctx.status === 200) {
    ctx.body.interval = settings.interval;
  }
  if (ctx.oidc?.route !== "token") return;
  if (ctx.body.error === "authorization_pending" && settings.hurried > 0) {
    settings.hurried -= 1;
    ctx.body = { error: "slow_down", error_description: "you ask too often" };
    ctx.status = 400;
  }
  seen.push({
    grant: ctx.oidc.params?.grant_type ?? "",
    at: Date.now() / 1000,
    status: ctx.status,
    answer: ctx.body,
  });
});

const answered = provider.callback();

const orders = {
  "/rig/set": (wanted) => Object.assign(settings, wanted),
  "/rig/end": async ({ token }) => (await provider.AccessToken.find(token)).destroy(),
  "/rig/reset": () => Object.assign(settings, DEFAULTS) && seen.splice(0),
  "/rig/seen": () => {},
};

async function told(request, response) {
  const chunks = await request.toArray();
  await orders[request.url](JSON.parse(Buffer.concat(chunks).toString() || "{}"));
  response.end(JSON.stringify(seen));
}

server.on("request", (request, response) =>
  (request.url.startsWith("/rig/") ? told : answered)(request, response),
);
console.log(issuer);
process.stdin.on("end", () => process.exit()).resume();
