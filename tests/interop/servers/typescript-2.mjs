// An MCP server on the TypeScript SDK 2.x.
//
// `node typescript-2.mjs [--port N] [--mode modern|dual|sessions]` listens on 127.0.0.1, prints
// `listening <port>` and serves `/mcp` until it is killed. All modes serve 2026-07-28; `modern` refuses
// older clients, `dual` serves them without sessions, `sessions` with them. With `--mode stdio` it serves
// both eras on its standard streams instead.
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import {
  McpServer,
  completable,
  createMcpHandler,
  fromJsonSchema,
  inputRequired,
  inputResponse,
  isLegacyRequest,
} from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { NodeStreamableHTTPServerTransport, toNodeHandler, toWebRequest } from '@modelcontextprotocol/node';
import { counter, gate, gates, listen, option, release, sleep, text } from './common.mjs';

const mode = option('mode', 'modern');

/** The servers of legacy sessions, with the resources that each client subscribed to. */
const subscribed = new Map();

/** Set below: tells the open `subscriptions/listen` streams. */
let notify;

function build({ era }) {
  const server = new McpServer(
    { name: 'interop-typescript-2', version: '2.0.0' },
    {
      capabilities: {
        tools: { listChanged: true },
        resources: { subscribe: true, listChanged: true },
        prompts: { listChanged: true },
        logging: {},
      },
      instructions: 'Instructions of interop-typescript-2',
      cacheHints: { 'tools/list': { ttlMs: 1000, cacheScope: 'public' } },
    },
  );
  const tool = (name, shape, run) =>
    server.registerTool(name, { description: name, inputSchema: z.object(shape) }, run);

  const progress = async (context, step, total) => {
    const progressToken = context.mcpReq._meta?.progressToken;
    if (progressToken === undefined) return;
    await context.mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress: step, total } });
  };

  tool('echo', { message: z.string() }, async ({ message }) => text(`Echo: ${message}`));
  tool('get-sum', { a: z.number(), b: z.number() }, async ({ a, b }) => text(`The sum of ${a} and ${b} is ${a + b}.`));
  tool(
    'trigger-long-running-operation',
    { duration: z.number(), steps: z.number() },
    async ({ duration, steps }, context) => {
      for (let step = 1; step <= steps; step += 1) {
        await sleep((duration * 1000) / steps);
        await progress(context, step, steps);
      }
      return text(`Long running operation completed. Steps: ${steps}.`);
    },
  );
  tool('hold', { name: z.string() }, async ({ name }, context) => {
    await gate(name, context.mcpReq.signal);
    return text(`released: ${name}`);
  });
  tool('release', { name: z.string() }, async ({ name }) => text(String(release(name))));
  tool('holds', {}, async () => text(JSON.stringify([...gates.keys()].sort())));
  tool('paced', { name: z.string(), steps: z.number() }, async ({ name, steps }, context) => {
    for (let step = 1; step <= steps; step += 1) {
      await gate(name, context.mcpReq.signal);
      await progress(context, step, steps);
    }
    await gate(name, context.mcpReq.signal);
    return text(`paced: ${name}`);
  });
  tool('announce', {}, async () => {
    notify?.toolsChanged();
    for (const other of subscribed.keys()) await other.server.sendToolListChanged();
    return text('announced');
  });
  tool('touch', {}, async () => {
    counter.value += 1;
    notify?.resourceUpdated(counter.uri);
    for (const [other, uris] of subscribed) {
      if (uris.has(counter.uri)) await other.server.sendResourceUpdated({ uri: counter.uri });
    }
    return text(String(counter.value));
  });
  tool('log', { level: z.string(), data: z.string() }, async ({ level, data }, context) => {
    await context.mcpReq.log(level, data, 'interop');
    return text('logged');
  });
  tool('fail', { message: z.string() }, async ({ message }) => {
    throw new Error(message);
  });

  // The SDK asks a legacy client itself what these ask by a result.
  const requestedSchema = { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] };
  const askName = () => inputRequired.elicit({ message: 'What is your name?', requestedSchema });
  const askSample = (prompt) =>
    inputRequired.createMessage({ messages: [{ role: 'user', content: { type: 'text', text: prompt } }], maxTokens: 10 });
  tool('ask', {}, async (_arguments, context) => {
    const name = inputResponse(context.mcpReq.inputResponses, 'name');
    if (name.kind === 'missing') return inputRequired({ inputRequests: { name: askName() } });
    return text(`${name.action}: ${name.content?.name}`);
  });
  tool('sample', { prompt: z.string() }, async ({ prompt }, context) => {
    const sample = inputResponse(context.mcpReq.inputResponses, 'sample');
    if (sample.kind === 'missing') return inputRequired({ inputRequests: { sample: askSample(prompt) } });
    return text(`${sample.result.model}: ${sample.result.content.text}`);
  });
  tool('roots', {}, async (_arguments, context) => {
    const roots = inputResponse(context.mcpReq.inputResponses, 'roots');
    if (roots.kind === 'missing') return inputRequired({ inputRequests: { roots: inputRequired.listRoots() } });
    return text(roots.roots.map((root) => root.uri).join(' '));
  });
  // Two questions at once, then a third, with a state that only the server can read.
  tool('interview', {}, async (_arguments, context) => {
    const answers = context.mcpReq.inputResponses;
    const state = context.mcpReq.requestState();
    if (state === undefined) {
      return inputRequired({
        inputRequests: { name: askName(), roots: inputRequired.listRoots() },
        requestState: JSON.stringify({ round: 1 }),
      });
    }
    const known = JSON.parse(state);
    if (known.round === 1) {
      const name = inputResponse(answers, 'name').content?.name;
      const roots = inputResponse(answers, 'roots').roots.length;
      return inputRequired({
        inputRequests: { sample: askSample(`an ode to ${name}`) },
        requestState: JSON.stringify({ round: 2, name, roots }),
      });
    }
    return text(`${known.name}, ${known.roots} root(s), ${inputResponse(answers, 'sample').result.content.text}`);
  });

  // Arguments that a client of Streamable HTTP repeats in headers; an older one need not know.
  server.registerTool(
    'tagged',
    {
      description: 'tagged',
      inputSchema: fromJsonSchema({
        type: 'object',
        properties: {
          region: { type: 'string', 'x-mcp-header': 'Region' },
          limit: { type: 'integer', 'x-mcp-header': 'Limit' },
          deep: { type: 'object', properties: { flag: { type: 'boolean', 'x-mcp-header': 'Flag' } } },
        },
        required: ['region'],
      }),
    },
    async (given, context) => {
      const headers = {};
      for (const [name, value] of context.http?.req?.headers ?? []) {
        if (name.startsWith('mcp-param-') || name === 'mcp-name' || name === 'mcp-method') headers[name] = value;
      }
      return text(JSON.stringify({ given, headers }));
    },
  );

  server.registerResource('counter', counter.uri, { mimeType: 'text/plain' }, async (uri) => ({
    contents: [{ uri: uri.href, mimeType: 'text/plain', text: String(counter.value) }],
  }));
  server.registerPrompt(
    'greet',
    {
      description: 'A greeting',
      argsSchema: z.object({
        name: completable(z.string(), (start) => ['Ada', 'Alan', 'Grace'].filter((n) => n.startsWith(start))),
      }),
    },
    ({ name }) => ({ messages: [{ role: 'user', content: { type: 'text', text: `Hello, ${name}!` } }] }),
  );
  if (era === 'legacy') {
    server.server.setRequestHandler('resources/subscribe', async ({ params }) => {
      subscribed.get(server)?.add(params.uri);
      return {};
    });
    server.server.setRequestHandler('resources/unsubscribe', async ({ params }) => {
      subscribed.get(server)?.delete(params.uri);
      return {};
    });
  }
  return server;
}

const transports = new Map();

/** Serves clients of earlier revisions with sessions. */
async function serveSessions(request, response, body) {
  const sessionId = request.headers['mcp-session-id'];
  let transport = sessionId === undefined ? undefined : transports.get(sessionId);
  if (sessionId !== undefined && transport === undefined) {
    response.writeHead(404, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify({ jsonrpc: '2.0', error: { code: -32001, message: 'Session not found' }, id: null }));
    return;
  }
  if (transport === undefined) {
    const server = build({ era: 'legacy' });
    transport = new NodeStreamableHTTPServerTransport({
      sessionIdGenerator: () => randomUUID(),
      onsessioninitialized: (id) => {
        transports.set(id, transport);
        subscribed.set(server, new Set());
      },
      onsessionclosed: (id) => {
        transports.delete(id);
        subscribed.delete(server);
      },
    });
    await server.connect(transport);
  }
  await transport.handleRequest(request, response, body);
}

if (mode === 'stdio') {
  serveStdio(build);
} else {
  const handler = createMcpHandler(build, { legacy: mode === 'dual' ? 'stateless' : 'reject' });
  notify = handler.notify;
  const serve = toNodeHandler(handler);
  listen(
    async (request, response) => {
      if (new URL(request.url, 'http://localhost').pathname !== '/mcp') {
        response.writeHead(404).end();
        return;
      }
      if (mode !== 'sessions') {
        await serve(request, response);
        return;
      }
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      let body;
      try {
        body = chunks.length === 0 ? undefined : JSON.parse(Buffer.concat(chunks).toString());
      } catch {
        response.writeHead(400).end();
        return;
      }
      if (await isLegacyRequest(await toWebRequest(request, body), body)) await serveSessions(request, response, body);
      else await serve(request, response, body);
    },
    () => ({
      sessions: transports.size,
      subscriptions: handler.bus.listenerCount,
      watched: [...subscribed.values()].flatMap((uris) => [...uris]),
    }),
  );
}
