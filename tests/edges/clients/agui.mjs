// Runs a team with the client of AG-UI, which checks every event; prints what it gets as JSON.
import { HttpAgent } from "@ag-ui/client";

const url = process.argv.at(-1);
const told = { errors: [] };
const user = (content) => ({ id: crypto.randomUUID(), role: "user", content });

function page(path, messages) {
  const agent = new HttpAgent({ url: `${url}/${path}`, threadId: crypto.randomUUID() });
  agent.messages = messages;
  const types = [];
  agent.subscribe({
    onEvent: ({ event }) => {
      types.push(event.type);
    },
    onRunFailed: ({ error }) => {
      told.errors.push(String(error));
    },
  });
  return { agent, types };
}

const story = page("story", [user("Go.")]);
await story.agent.runAgent();
told.story = story.agent.messages
  .filter((each) => each.role === "assistant" && each.content && !each.subagentRunId)
  .map((each) => each.content);
told.types = [...new Set(story.types)];

const painter = page("asker", [user("Paint.")]);
let interrupts = [];
painter.agent.subscribe({
  onRunFinishedEvent: ({ event }) => {
    interrupts = event.outcome?.interrupts ?? [];
  },
});
await painter.agent.runAgent();
told.question = interrupts[0]?.message;
const [interrupt] = interrupts;
await painter.agent.runAgent({
  resume: [{ interruptId: interrupt.id, status: "resolved", payload: "Red" }],
});
told.answer = painter.agent.messages.filter((each) => !each.subagentRunId).at(-1).content;

const forecaster = page("forecaster", [user("Go.")]);
const weather = { name: "weather", description: "Tells the weather.", parameters: { type: "object" } };
await forecaster.agent.runAgent({ tools: [weather] });
const call = forecaster.agent.messages.at(-1).toolCalls[0];
forecaster.agent.messages = [
  ...forecaster.agent.messages,
  { id: crypto.randomUUID(), role: "tool", toolCallId: call.id, content: "sun" },
];
await forecaster.agent.runAgent({ tools: [weather] });
told.tool = forecaster.agent.messages.at(-1).content;
told.beforeBroken = told.errors.length;

const broken = page("broken", [user("Go.")]);
broken.agent.subscribe({
  onRunErrorEvent: ({ event }) => {
    told.broken = event.code;
  },
});
await broken.agent.runAgent().catch((error) => {
  told.thrown = String(error);
});
console.log(JSON.stringify(told));
