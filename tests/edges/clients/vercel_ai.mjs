// Asks a team as a model with the AI SDK of Vercel; prints what it gets as JSON.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";

const team = createOpenAICompatible({ name: "team", baseURL: process.argv.at(-1), apiKey: "any" });
const told = {};

const plain = await generateText({ model: team("story"), prompt: "Go." });
told.plain = plain.text;
told.reasoning = plain.reasoningText;
told.tokens = plain.usage.totalTokens;

const stream = streamText({ model: team("story"), prompt: "Go." });
told.streamed = "";
for await (const text of stream.textStream) told.streamed += text;

const messages = [{ role: "user", content: "Paint." }];
const asked = await generateText({ model: team("painter"), messages });
messages.push(...asked.response.messages, { role: "user", content: "Red" });
told.answer = (await generateText({ model: team("painter"), messages })).text;

const weather = tool({
  description: "Tells the weather.",
  inputSchema: jsonSchema({ type: "object", properties: { city: { type: "string" } } }),
  execute: async ({ city }) => `sun in ${city}`,
});
const used = await generateText({
  model: team("forecaster"),
  prompt: "Go.",
  tools: { weather },
  stopWhen: stepCountIs(5),
});
told.tool = used.text;

try {
  await generateText({ model: team("broken"), prompt: "Go.", maxRetries: 0 });
} catch (error) {
  told.error = error.statusCode;
}
console.log(JSON.stringify(told));
