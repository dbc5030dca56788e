// Asks a team over A2A with the SDK for JavaScript, and prints what it has seen as JSON.
import { ClientFactory } from "@a2a-js/sdk/client";
import { SendMessageRequest, TaskState } from "@a2a-js/sdk";

const client = await new ClientFactory().createFromUrl(process.argv[2]);
const seen = { states: [], words: "", question: "", cancelled: "" };
let taskId = "";
let contextId = "";

async function send(text, number) {
  const message = { messageId: `m${number}`, role: "ROLE_USER", parts: [{ text }], taskId, contextId };
  for await (const response of client.sendMessageStream(SendMessageRequest.fromJSON({ message }))) {
    const { $case, value } = response.payload;
    if ($case === "task") {
      taskId = value.id;
      contextId = value.contextId;
    } else if ($case === "statusUpdate") {
      const state = TaskState[value.status.state] ?? value.status.state;
      if (seen.states.at(-1) !== state) seen.states.push(state);
      if (String(state).endsWith("INPUT_REQUIRED")) seen.question = value.status.message.parts[0].content.value;
    } else if ($case === "artifactUpdate") {
      for (const part of value.artifact.parts) seen.words += part.content.value;
    }
  }
}

await send("Foxes?", 1);
await send("the red one", 2);
taskId = "";
contextId = "";
await send("Once more?", 3);
seen.cancelled = TaskState[(await client.cancelTask({ id: taskId })).status.state];
console.log(JSON.stringify(seen));
