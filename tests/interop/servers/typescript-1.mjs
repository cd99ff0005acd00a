// An MCP server on the TypeScript SDK 1.x.
//
// `node typescript-1.mjs [--port N] [--mode session|sse]` listens on 127.0.0.1, prints `listening <port>`
// and serves until it is killed. The mode `session` is Streamable HTTP at `/mcp` with an event store, so
// that every stream can be resumed; unknown sessions get 404, as the specification has it. The mode `sse`
// is the HTTP+SSE transport of 2024-11-05 at `/sse`.
import { randomUUID } from 'node:crypto';
import express from 'express';
import { z } from 'zod';
import { completable } from '@modelcontextprotocol/sdk/server/completable.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import {
  LoggingLevelSchema,
  McpError,
  SetLevelRequestSchema,
  SubscribeRequestSchema,
  UnsubscribeRequestSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { counter, gate, gates, listen, option, release, sleep, text } from './common.mjs';

const RETRY_MS = 300;
const mode = option('mode', 'session');
const levels = LoggingLevelSchema.options;

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

/** The servers of all sessions, with the resources that each client subscribed to. */
const subscribed = new Map();

function createServer() {
  const server = new McpServer(
    { name: 'interop-typescript', version: '1.0.0' },
    {
      capabilities: { tools: { listChanged: true }, resources: { subscribe: true, listChanged: true }, logging: {} },
      instructions: 'Instructions of interop-typescript',
    },
  );
  let minimum = 'debug';
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
  tool('release', { name: z.string() }, async ({ name }) => text(String(release(name))));
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
    await server.server.sendToolListChanged();
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
  tool('sample', { prompt: z.string() }, async ({ prompt }, extra) => {
    const answer = await server.server.createMessage(
      { messages: [{ role: 'user', content: { type: 'text', text: prompt } }], maxTokens: 10 },
      { relatedRequestId: extra.requestId },
    );
    return text(`${answer.model}: ${answer.content.text}`);
  });
  tool('roots', {}, async (_arguments, extra) => {
    const { roots } = await server.server.listRoots(undefined, { relatedRequestId: extra.requestId });
    return text(roots.map((root) => root.uri).join(' '));
  });
  tool('log', { level: z.string(), data: z.string() }, async ({ level, data }, extra) => {
    if (levels.indexOf(level) >= levels.indexOf(minimum)) {
      await extra.sendNotification({ method: 'notifications/message', params: { level, logger: 'interop', data } });
    }
    return text('logged');
  });
  tool('fail', { message: z.string() }, async ({ message }) => {
    throw new Error(message);
  });
  tool('touch', {}, async () => {
    counter.value += 1;
    for (const [other, uris] of subscribed) {
      if (uris.has(counter.uri)) await other.server.sendResourceUpdated({ uri: counter.uri });
    }
    return text(String(counter.value));
  });

  server.registerResource('counter', counter.uri, { mimeType: 'text/plain' }, async (uri) => ({
    contents: [{ uri: uri.href, mimeType: 'text/plain', text: String(counter.value) }],
  }));
  server.registerResource('missing', 'interop://missing', {}, async (uri) => {
    throw new McpError(-32002, 'Resource not found', { uri: uri.href });
  });
  server.server.setRequestHandler(SetLevelRequestSchema, async ({ params }) => {
    minimum = params.level;
    return {};
  });
  subscribed.set(server, new Set());
  server.server.setRequestHandler(SubscribeRequestSchema, async ({ params }) => {
    subscribed.get(server).add(params.uri);
    return {};
  });
  server.server.setRequestHandler(UnsubscribeRequestSchema, async ({ params }) => {
    subscribed.get(server).delete(params.uri);
    return {};
  });
  server.server.onclose = () => subscribed.delete(server);
  server.registerPrompt(
    'greet',
    {
      description: 'A greeting',
      argsSchema: { name: completable(z.string(), (start) => ['Ada', 'Alan', 'Grace'].filter((n) => n.startsWith(start))) },
    },
    ({ name }) => ({ messages: [{ role: 'user', content: { type: 'text', text: `Hello, ${name}!` } }] }),
  );
  return server;
}

const transports = new Map();
const app = express();
app.use(express.json({ limit: '100mb' }));

async function post(request, response) {
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
}

const withSession = async (request, response) => {
  const transport = transports.get(request.headers['mcp-session-id']);
  if (transport === undefined) {
    response.status(404).json({ jsonrpc: '2.0', error: { code: -32001, message: 'Session not found' }, id: null });
    return;
  }
  await transport.handleRequest(request, response);
};

if (mode === 'sse') {
  app.get('/sse', async (_request, response) => {
    const transport = new SSEServerTransport('/messages', response);
    transports.set(transport.sessionId, transport);
    response.on('close', () => transports.delete(transport.sessionId));
    await createServer().connect(transport);
  });
  app.post('/messages', async (request, response) => {
    const transport = transports.get(request.query.sessionId);
    if (transport === undefined) response.status(404).end('no such session');
    else await transport.handlePostMessage(request, response, request.body);
  });
} else {
  app.post('/mcp', post);
  app.get('/mcp', withSession);
  app.delete('/mcp', withSession);
}

listen(app, () => ({
  sessions: transports.size,
  watched: [...subscribed.values()].flatMap((uris) => [...uris]),
}));
