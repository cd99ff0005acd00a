// The client of the TypeScript SDK 2.x: `node typescript-2.mjs --era legacy|auto|modern COMMAND
// [ARGUMENT...]` starts the command as its server, takes the tour and prints a report as one JSON object.
//
// `auto` lets the SDK find out: it starts the command once more before, only to send `server/discover`.
import { Client, SSEClientTransport, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { z } from 'zod';
import { Seen, answers, capabilities, given, tour } from './common.mjs';

const { era, url, command, args } = given();
const client = new Client(
  { name: 'interop-typescript-client-2', version: '2.0.0' },
  { capabilities, versionNegotiation: { mode: era === 'modern' ? { pin: '2026-07-28' } : era } },
);
for (const [method, answer] of Object.entries(answers)) client.setRequestHandler(method, answer);
const seen = new Seen();
for (const method of [
  'notifications/tools/list_changed',
  'notifications/resources/updated',
  'notifications/message',
]) {
  client.setNotificationHandler(method, ({ params }) => seen.add(method, params));
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
const modern = client.getProtocolEra() === 'modern';
let subscription;
const report = await tour(
  {
    tools: async () => (await client.listTools()).tools.map((tool) => tool.name),
    call: (name, given, { onprogress, signal, level }) =>
      client.callTool(
        {
          name,
          arguments: given,
          ...(modern && level !== undefined && { _meta: { 'io.modelcontextprotocol/logLevel': level } }),
        },
        { onprogress, signal },
      ),
    read: (uri) => client.readResource({ uri }),
    prompt: (name, given) => client.getPrompt({ name, arguments: given }),
    complete: (name, argument, value) =>
      client.complete({ ref: { type: 'ref/prompt', name }, argument: { name: argument, value } }),
    subscribe: async (uri) => {
      if (modern) subscription = await client.listen({ toolsListChanged: true, resourceSubscriptions: [uri] });
      else await client.subscribeResource({ uri });
    },
    level: async (level) => {
      if (!modern) await client.setLoggingLevel(level);
    },
    unknown: () => client.request({ method: 'interop/no-such-method' }, z.object({})),
  },
  seen,
);
const server = client.getServerVersion()?.name;
const instructions = client.getInstructions();
if (subscription !== undefined) {
  report.honored = subscription.honoredFilter;
  await subscription.close();
  report.subscription = await subscription.closed;
}
await transport.terminateSession?.();
await client.close();
console.log(JSON.stringify({ server, instructions, era: client.getProtocolEra() ?? (modern ? 'modern' : 'legacy'), ...report, errors }));
