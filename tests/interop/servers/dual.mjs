// Serves what a factory builds with the TypeScript SDK 2.x: 2026-07-28, and the revisions before it with
// sessions, without, or not at all.
import { randomUUID } from 'node:crypto';
import { createMcpHandler, isLegacyRequest } from '@modelcontextprotocol/server';
import { NodeStreamableHTTPServerTransport, toNodeHandler, toWebRequest } from '@modelcontextprotocol/node';
import { listen } from './common.mjs';

/** The servers of sessions, with the resources that each client subscribed to. */
const subscribed = new Map();

/** Tells the open `subscriptions/listen` streams. */
let notify;

/** Lets the client of a session subscribe to resources. */
export function watches(server) {
  server.server.setRequestHandler('resources/subscribe', async ({ params }) => {
    subscribed.get(server)?.add(params.uri);
    return {};
  });
  server.server.setRequestHandler('resources/unsubscribe', async ({ params }) => {
    subscribed.get(server)?.delete(params.uri);
    return {};
  });
}

/** Tells every client of either era that the tools have changed. */
export async function toolsChanged() {
  notify?.toolsChanged();
  for (const server of subscribed.keys()) await server.server.sendToolListChanged();
}

/** Tells every client of either era that the prompts have changed. */
export async function promptsChanged() {
  notify?.promptsChanged();
  for (const server of subscribed.keys()) await server.server.sendPromptListChanged();
}

/** Tells every client that watches the resource. */
export async function resourceUpdated(uri) {
  notify?.resourceUpdated(uri);
  for (const [server, uris] of subscribed) {
    if (uris.has(uri)) await server.server.sendResourceUpdated({ uri });
  }
}

/**
 * Serves `/mcp`. The mode `modern` refuses older clients, `dual` serves them without sessions,
 * `sessions` with them. A `guard` that answers a request itself gives false.
 */
export function serve(build, mode, guard = () => true) {
  const handler = createMcpHandler(build, { legacy: mode === 'dual' ? 'stateless' : 'reject' });
  notify = handler.notify;
  const modern = toNodeHandler(handler);
  const transports = new Map();

  async function sessions(request, response, body) {
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

  async function handle(request, response) {
    if (!guard(request, response)) return;
    if (new URL(request.url, 'http://localhost').pathname !== '/mcp') {
      response.writeHead(404).end();
      return;
    }
    if (mode !== 'sessions') {
      await modern(request, response);
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
    const legacy = await isLegacyRequest(await toWebRequest(request, body), body);
    await (legacy ? sessions : modern)(request, response, body);
  }

  listen(handle, () => ({
    sessions: transports.size,
    subscriptions: handler.bus.listenerCount,
    watched: [...subscribed.values()].flatMap((uris) => [...uris]),
  }));
}
