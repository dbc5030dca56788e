// Asks a team as a model with the openai package for JavaScript; prints what it gets as JSON.
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.argv.at(-1), apiKey: "any" });
const user = (content) => ({ role: "user", content });
const told = {};

told.models = (await client.models.list()).data.map((model) => model.id);

const plain = await client.chat.completions.create({ model: "story", messages: [user("Go.")] });
told.plain = plain.choices[0].message.content;
told.reasoning = plain.choices[0].message.reasoning_content;

const stream = await client.chat.completions.create({
  model: "story",
  messages: [user("Go.")],
  stream: true,
});
told.streamed = "";
for await (const chunk of stream) told.streamed += chunk.choices[0]?.delta?.content ?? "";

const asked = await client.chat.completions.create({ model: "painter", messages: [user("Paint.")] });
const question = asked.choices[0].message;
told.question = question.content;
const answered = await client.chat.completions.create({
  model: "painter",
  messages: [user("Paint."), question, user("Red")],
});
told.answer = answered.choices[0].message.content;

const first = await client.responses.create({ model: "painter", input: "Paint." });
const second = await client.responses.create({
  model: "painter",
  input: "Blue",
  previous_response_id: first.id,
});
told.response = second.output_text;

try {
  await client.chat.completions.create({ model: "broken", messages: [user("Go.")] });
} catch (error) {
  told.error = [error.status, error.code];
}
try {
  await client.chat.completions.create({ model: "gpt", messages: [user("Go.")] });
} catch (error) {
  told.unknown = [error.status, error.code];
}
console.log(JSON.stringify(told));
