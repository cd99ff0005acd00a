// An MCP server on the TypeScript SDK 1.x with an event store, so that every stream can be resumed.
//
// `node ts-event-store.mjs [--port N]` listens on 127.0.0.1, prints `listening <port>` and serves
// `/mcp` until it is killed. Unknown sessions get 404, as the specification has it.
import { randomUUID } from 'node:crypto';
import express from 'express';
import { z } from 'zod';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';

const RETRY_MS = 300;

/** Events in memory, replayed per stream in the order in which they were stored. */
class MemoryEventStore {
  #events = [];

  async storeEvent(streamId, message) {
    const eventId = `${streamId}/${this.#events.length + 1}`;
    this.#events.push({ eventId, streamId, message });
    return eventId;
  }

  async replayEventsAfter(lastEventId, { send }) {
    const start = this.#events.findIndex((event) => event.eventId === lastEventId);
    if (start < 0) throw new Error(`unknown event id ${lastEventId}`);
    const { streamId } = this.#events[start];
    for (const event of this.#events.slice(start + 1)) {
      // Priming events are stored as an empty message: they only name a position.
      if (event.streamId === streamId && event.message.jsonrpc) await send(event.eventId, event.message);
    }
    return streamId;
  }
}

/** Calls that wait for the tool `release`, by name; shared by all sessions. */
const gates = new Map();

/** Resolves when `release` is called for the name, or rejects when the call is cancelled. */
function gate(name, signal) {
  return new Promise((resolve, reject) => {
    const leave = (settle) => (value) => {
      gates.delete(name);
      settle(value);
    };
    gates.set(name, leave(resolve));
    signal.addEventListener('abort', () => leave(reject)(new Error('cancelled')), { once: true });
  });
}

const text = (value) => ({ content: [{ type: 'text', text: value }] });
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function createServer() {
  const server = new McpServer(
    { name: 'interop-typescript', version: '1.0.0' },
    { capabilities: { tools: { listChanged: true }, logging: {} } },
  );
  const tool = (name, shape, run) => server.registerTool(name, { description: name, inputSchema: shape }, run);

  const progress = async (extra, step, total) => {
    const progressToken = extra._meta?.progressToken;
    if (progressToken === undefined) return;
    await extra.sendNotification({
      method: 'notifications/progress',
      params: { progressToken, progress: step, total },
    });
  };

  tool('echo', { message: z.string() }, async ({ message }) => text(`Echo: ${message}`));
  tool('get-sum', { a: z.number(), b: z.number() }, async ({ a, b }) => text(`The sum of ${a} and ${b} is ${a + b}.`));
  tool(
    'trigger-long-running-operation',
    { duration: z.number(), steps: z.number() },
    async ({ duration, steps }, extra) => {
      for (let step = 1; step <= steps; step += 1) {
        await sleep((duration * 1000) / steps);
        await progress(extra, step, steps);
      }
      return text(`Long running operation completed. Steps: ${steps}.`);
    },
  );
  tool('hold', { name: z.string() }, async ({ name }, extra) => {
    await gate(name, extra.signal);
    return text(`released: ${name}`);
  });
  tool('release', { name: z.string() }, async ({ name }) => {
    const open = gates.get(name);
    open?.();
    return text(String(open !== undefined));
  });
  tool('holds', {}, async () => text(JSON.stringify([...gates.keys()].sort())));
  // Waits for `release` before every step, so that a test decides when each message leaves.
  tool('paced', { name: z.string(), steps: z.number() }, async ({ name, steps }, extra) => {
    for (let step = 1; step <= steps; step += 1) {
      await gate(name, extra.signal);
      await progress(extra, step, steps);
    }
    await gate(name, extra.signal);
    return text(`paced: ${name}`);
  });
  // Polling: the server ends the stream of its own call and answers on the one that resumes it.
  tool('close-own-stream', { times: z.number() }, async ({ times }, extra) => {
    for (let step = 1; step <= times; step += 1) {
      await progress(extra, step, times);
      extra.closeSSEStream();
      await sleep(3 * RETRY_MS);
    }
    return text(`closed ${times} times`);
  });
  tool('announce', {}, async () => {
    await server.server.notification({ method: 'notifications/tools/list_changed' });
    return text('announced');
  });
  tool('close-standalone', {}, async (_arguments, extra) => {
    extra.closeStandaloneSSEStream();
    return text('closed');
  });
  tool('ask', {}, async (_arguments, extra) => {
    const answer = await server.server.elicitInput(
      {
        message: 'What is your name?',
        requestedSchema: { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] },
      },
      { relatedRequestId: extra.requestId },
    );
    return text(`${answer.action}: ${answer.content?.name}`);
  });
  return server;
}

const transports = new Map();
const app = express();
app.use(express.json({ limit: '100mb' }));

app.post('/mcp', async (request, response) => {
  const sessionId = request.headers['mcp-session-id'];
  let transport = sessionId === undefined ? undefined : transports.get(sessionId);
  if (sessionId !== undefined && transport === undefined) {
    response.status(404).json({ jsonrpc: '2.0', error: { code: -32001, message: 'Session not found' }, id: null });
    return;
  }
  if (transport === undefined) {
    transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: () => randomUUID(),
      eventStore: new MemoryEventStore(),
      retryInterval: RETRY_MS,
      onsessioninitialized: (id) => transports.set(id, transport),
      onsessionclosed: (id) => transports.delete(id),
    });
    await createServer().connect(transport);
  }
  await transport.handleRequest(request, response, request.body);
});

const withSession = async (request, response) => {
  const transport = transports.get(request.headers['mcp-session-id']);
  if (transport === undefined) {
    response.status(404).json({ jsonrpc: '2.0', error: { code: -32001, message: 'Session not found' }, id: null });
    return;
  }
  await transport.handleRequest(request, response);
};
app.get('/mcp', withSession);
app.delete('/mcp', withSession);

const option = process.argv.indexOf('--port');
const port = option < 0 ? 0 : Number(process.argv[option + 1]);
const listener = app.listen(port, '127.0.0.1', (error) => {
  if (error) {
    console.error(error.message);
    process.exit(1);
  }
  console.log(`listening ${listener.address().port}`);
});
