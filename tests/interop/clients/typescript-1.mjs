// The client of the TypeScript SDK 1.x: `node typescript-1.mjs COMMAND [ARGUMENT...]` starts the command
// as its server, takes the tour and prints a report as one JSON object.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  EmptyResultSchema,
  ListRootsRequestSchema,
  LoggingMessageNotificationSchema,
  ResourceUpdatedNotificationSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { Seen, answers, capabilities, given, tour } from './common.mjs';

const { url, command, args } = given();
const client = new Client({ name: 'interop-typescript-client', version: '1.0.0' }, { capabilities });
for (const schema of [ElicitRequestSchema, CreateMessageRequestSchema, ListRootsRequestSchema]) {
  client.setRequestHandler(schema, answers[schema.shape.method.value]);
}
const seen = new Seen();
for (const schema of [
  ToolListChangedNotificationSchema,
  ResourceUpdatedNotificationSchema,
  LoggingMessageNotificationSchema,
]) {
  client.setNotificationHandler(schema, ({ method, params }) => seen.add(method, params));
}
const errors = [];
client.onerror = (error) => errors.push(String(error));

const transport =
  url === undefined
    ? new StdioClientTransport({ command, args, env: process.env, stderr: 'inherit' })
    : url.pathname === '/sse'
      ? new SSEClientTransport(url)
      : new StreamableHTTPClientTransport(url);
await client.connect(transport);
const report = await tour(
  {
    tools: async () => (await client.listTools()).tools.map((tool) => tool.name),
    call: (name, given, { onprogress, signal }) =>
      client.callTool({ name, arguments: given }, undefined, { onprogress, signal }),
    read: (uri) => client.readResource({ uri }),
    prompt: (name, given) => client.getPrompt({ name, arguments: given }),
    complete: (name, argument, value) =>
      client.complete({ ref: { type: 'ref/prompt', name }, argument: { name: argument, value } }),
    subscribe: (uri) => client.subscribeResource({ uri }),
    level: (level) => client.setLoggingLevel(level),
    unknown: () => client.request({ method: 'interop/no-such-method' }, EmptyResultSchema),
  },
  seen,
);
const server = client.getServerVersion().name;
const instructions = client.getInstructions();
await client.ping();
await transport.terminateSession?.();
await client.close();
console.log(JSON.stringify({ server, instructions, era: 'legacy', ...report, errors }));
