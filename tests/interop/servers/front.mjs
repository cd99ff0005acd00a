// An HTTP server in front of stdio servers: what a client asks over Streamable HTTP is asked of a child on
// its standard streams. With a bridge as the child, an HTTP server can be tested once as it is and once
// through the bridge.
//
// `node front.mjs [--port N] -- COMMAND [ARGUMENT...]` listens on 127.0.0.1, prints `listening <port>` and
// serves `/mcp`. Each session of the older revisions has a child of its own; the requests of 2026-07-28
// share one. What the headers of a request say twice is checked here, for it does not get any further.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import { localhostHostValidation, localhostOriginValidation } from '@modelcontextprotocol/node';
import { listen } from './common.mjs';

const command = process.argv.slice(process.argv.indexOf('--') + 1);
const META = 'io.modelcontextprotocol/';
const MODERN = '2026-07-28';

const failure = (id, code, message, data) => ({ jsonrpc: '2.0', id, error: { code, message, ...(data && { data }) } });

/**
 * The response to one POST: a stream where that is asked for or something comes before the answer, else a
 * JSON body. The servers of the SDKs do so too: with sessions they always stream.
 */
class Reply {
  #response;
  #headers;
  #stream;
  #streaming = false;

  constructor(response, headers = {}, stream = false) {
    this.#response = response;
    this.#headers = headers;
    this.#stream = stream;
  }

  /** Sends a message that is not the answer. */
  tell(message) {
    if (!this.#streaming) {
      this.#streaming = true;
      this.#response.writeHead(200, { ...this.#headers, 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' });
    }
    this.#response.write(`event: message\ndata: ${JSON.stringify(message)}\n\n`);
  }

  end(message, status = 200) {
    if (this.#streaming || this.#stream) {
      this.tell(message);
      this.#response.end();
      return;
    }
    this.#response.writeHead(status, { ...this.#headers, 'Content-Type': 'application/json' });
    this.#response.end(JSON.stringify(message));
  }
}

/** A child, and the requests that it has not answered. */
class Child {
  #process;
  #open = new Map();
  #tokens = new Map();
  #count = 0;
  /** Where messages go that belong to no request. */
  standalone;

  constructor() {
    this.#process = spawn(command[0], command.slice(1), { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#process.stdin.on('error', () => {});
    this.ended = new Promise((resolve) => this.#process.on('close', resolve));
    this.ended.then(() => {
      for (const { id, reply } of this.#open.values()) reply.end(failure(id, -32603, 'the child has ended'), 502);
      this.#open.clear();
    });
    createInterface({ input: this.#process.stdout, crlfDelay: Infinity }).on('line', (line) => this.#take(JSON.parse(line)));
  }

  write(message) {
    this.#process.stdin.write(`${JSON.stringify(message)}\n`);
  }

  /** Asks the child; ids and tokens of its clients are made unique. */
  ask(message, reply, response, status = () => 200) {
    const own = `front-${(this.#count += 1)}`;
    const asked = structuredClone(message);
    asked.id = own;
    const token = asked.params?._meta?.progressToken;
    if (token !== undefined) {
      asked.params._meta.progressToken = own;
      this.#tokens.set(own, token);
    }
    const logs = asked.params?._meta?.[`${META}logLevel`] !== undefined;
    this.#open.set(own, { id: message.id, reply, status, logs });
    response?.on('close', () => {
      if (!this.#open.delete(own)) return;
      this.write({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: own } });
    });
    this.write(asked);
  }

  /** Ends the child by ending its input. */
  async end() {
    this.#process.stdin.end();
    await this.ended;
  }

  kill() {
    this.#process.kill('SIGKILL');
  }

  #take(message) {
    if (!('method' in message)) {
      const open = this.#open.get(message.id);
      this.#open.delete(message.id);
      this.#tokens.delete(message.id);
      if (open === undefined) return;
      const own = message.result?._meta?.[`${META}subscriptionId`];
      if (own !== undefined) message.result._meta[`${META}subscriptionId`] = open.id;
      open.reply.end({ ...message, id: open.id }, open.status(message));
      return;
    }
    const { params } = message;
    const subscription = params?._meta?.[`${META}subscriptionId`];
    if (subscription !== undefined) {
      const open = this.#open.get(subscription);
      if (open === undefined) return;
      params._meta[`${META}subscriptionId`] = open.id;
      open.reply.tell(message);
      return;
    }
    if (message.method === 'notifications/progress') {
      const own = params.progressToken;
      const open = this.#open.get(own);
      if (open === undefined) return;
      params.progressToken = this.#tokens.get(own);
      open.reply.tell(message);
      return;
    }
    const change = /^notifications\/(resources|tools|prompts)\//.test(message.method);
    // A stdio server does not say what its message belongs to: the last request that is open.
    const requests = [...this.#open.values()];
    const last = requests.findLast((open) => open.logs) ?? requests.at(-1);
    if (!change && last !== undefined) last.reply.tell(message);
    else this.standalone?.(message);
  }
}

const sessions = new Map();
const children = new Set();

function start() {
  const child = new Child();
  children.add(child);
  child.ended.then(() => children.delete(child));
  return child;
}

/** The child of all requests of 2026-07-28, which has been told of which era its client is. */
let shared;
function modern() {
  shared ??= new Promise((resolve) => {
    const child = start();
    const _meta = {
      [`${META}protocolVersion`]: MODERN,
      [`${META}clientInfo`]: { name: 'interop-front', version: '1.0.0' },
      [`${META}clientCapabilities`]: {},
    };
    const first = { jsonrpc: '2.0', id: 1, method: 'server/discover', params: { _meta } };
    child.ask(first, { tell() {}, end: () => resolve(child) });
    child.ended.then(() => (shared = undefined));
  });
  return shared;
}

/** What is wrong with the headers of a request of 2026-07-28, if anything is. */
function mismatch(headers, { method, params }) {
  const version = headers['mcp-protocol-version'];
  const named = params?._meta?.[`${META}protocolVersion`];
  if (version === undefined) return 'MCP-Protocol-Version is missing';
  if (named !== undefined && named !== version) return 'MCP-Protocol-Version is not that of _meta';
  if (headers['mcp-method'] !== method) return 'Mcp-Method is not the method';
  const name = { 'tools/call': params?.name, 'prompts/get': params?.name, 'resources/read': params?.uri }[method];
  if (name !== undefined && headers['mcp-name'] !== name) return 'Mcp-Name is not the name';
  return undefined;
}

/** The HTTP status that goes with an answer of 2026-07-28. */
function status({ error }) {
  if (error === undefined) return 200;
  if (error.code === -32601) return 404;
  return [-32020, -32021, -32022, -32602].includes(error.code) ? 400 : 200;
}

async function serveModern(request, response, message) {
  if (!('id' in message)) {
    response.writeHead(202).end();
    return;
  }
  const reply = new Reply(response);
  const wrong = mismatch(request.headers, message);
  if (wrong !== undefined) reply.end(failure(message.id, -32020, wrong), 400);
  else (await modern()).ask(message, reply, response, status);
}

function serveLegacy(request, response, message) {
  const id = request.headers['mcp-session-id'];
  let child = sessions.get(id);
  if (id !== undefined && child === undefined) {
    new Reply(response).end(failure(null, -32001, 'Session not found'), 404);
    return;
  }
  let headers = {};
  if (child === undefined) {
    if (message?.method !== 'initialize') {
      new Reply(response).end(failure(null, -32000, 'Mcp-Session-Id is missing'), 400);
      return;
    }
    const fresh = randomUUID();
    headers = { 'Mcp-Session-Id': fresh };
    child = start();
    sessions.set(fresh, child);
    child.ended.then(() => sessions.delete(fresh));
  }
  if (request.method === 'GET') {
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' });
    response.flushHeaders();
    const tell = (notification) => response.write(`event: message\ndata: ${JSON.stringify(notification)}\n\n`);
    child.standalone = tell;
    response.on('close', () => {
      if (child.standalone === tell) child.standalone = undefined;
    });
  } else if (request.method === 'DELETE') {
    sessions.delete(id);
    child.end().then(() => response.writeHead(200).end());
  } else if ('method' in message && 'id' in message) {
    child.ask(message, new Reply(response, headers, true), response);
  } else {
    // Cancellations name the ids that the client knows; the suite sends none.
    child.write(message);
    response.writeHead(202).end();
  }
}

const guards = [localhostHostValidation(), localhostOriginValidation()];

async function handle(request, response) {
  if (!guards.every((guard) => guard(request, response))) return;
  if (new URL(request.url, 'http://localhost').pathname !== '/mcp') {
    response.writeHead(404).end();
    return;
  }
  if (!['POST', 'GET', 'DELETE'].includes(request.method)) {
    response.writeHead(405, { Allow: 'POST, GET, DELETE' }).end();
    return;
  }
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  let message;
  if (request.method === 'POST') {
    try {
      message = JSON.parse(Buffer.concat(chunks).toString());
    } catch {
      new Reply(response).end(failure(null, -32700, 'Parse error'), 400);
      return;
    }
  }
  const version = request.headers['mcp-protocol-version'];
  const claims = message?.params?._meta?.[`${META}protocolVersion`] !== undefined;
  const old = request.headers['mcp-session-id'] !== undefined || version < MODERN || message?.method === 'initialize';
  if (request.method === 'POST' && (claims || (version !== undefined && !(old && version < MODERN)))) {
    await serveModern(request, response, message);
  } else {
    serveLegacy(request, response, message);
  }
}

process.on('SIGTERM', () => {
  for (const child of children) child.kill();
  process.exit();
});
listen(handle, () => ({ sessions: sessions.size }));
