// The stdio client of the TypeScript SDK 1.x in front of a bridge.
//
// `node typescript-1.mjs <command> [argument...]` starts the command as its server, uses it in
// the ways that an application does, and prints what it got as one JSON object.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { ElicitRequestSchema, ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';

const [command, ...args] = process.argv.slice(2);
const client = new Client({ name: 'interop-typescript-client', version: '1.0.0' }, { capabilities: { elicitation: {} } });
client.setRequestHandler(ElicitRequestSchema, async () => ({ action: 'accept', content: { name: 'Ada' } }));
const announced = new Promise((resolve) => {
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => resolve(true));
});
const errors = [];
client.onerror = (error) => errors.push(String(error));

const transport = new StdioClientTransport({ command, args, env: process.env, stderr: 'inherit' });
await client.connect(transport);
const progress = [];
const text = (result) => result.content[0].text;
const tools = (await client.listTools()).tools.map((tool) => tool.name);
const echoes = await Promise.all(
  Array.from({ length: 10 }, (_, n) => client.callTool({ name: 'echo', arguments: { message: String(n) } }).then(text)),
);
// Each step is let go only when the one before has arrived: this SDK forgets the callback with the
// answer, and with it a last step that comes in the same read.
let arrived = () => {};
const paced = client.callTool({ name: 'paced', arguments: { name: 'typescript-client', steps: 3 } }, undefined, {
  onprogress: ({ progress: step }) => {
    progress.push(step);
    arrived();
  },
});
for (let step = 1; step <= 4; step += 1) {
  const next = new Promise((resolve) => (arrived = resolve));
  const release = { name: 'release', arguments: { name: 'typescript-client' } };
  while (text(await client.callTool(release)) !== 'true') await new Promise((resolve) => setTimeout(resolve, 20));
  if (step < 4) await next;
}
const asked = text(await client.callTool({ name: 'ask', arguments: {} }));
const cancel = new AbortController();
const cancelled = client
  .callTool({ name: 'hold', arguments: { name: 'typescript-client-held' } }, undefined, { signal: cancel.signal })
  .then(() => 'answered', () => 'cancelled');
cancel.abort('enough');
await client.callTool({ name: 'announce', arguments: {} });
const output = {
  server: client.getServerVersion(),
  tools,
  echoes,
  paced: text(await paced),
  progress,
  asked,
  cancelled: await cancelled,
  announced: await announced,
  error: await client.request({ method: 'interop/no-such-method' }, ElicitRequestSchema).catch((error) => error.code),
};
await client.close();
console.log(JSON.stringify({ ...output, errors }));
