// What the TypeScript servers share: gates that a test opens, a look at what is open, the listener.
import { createServer } from 'node:http';

/** Calls that wait for the tool `release`, by name; shared by all sessions and requests. */
export const gates = new Map();

/** Resolves when `release` is called for the name, or rejects when the call is cancelled. */
export function gate(name, signal) {
  return new Promise((resolve, reject) => {
    const leave = (settle) => (value) => {
      gates.delete(name);
      settle(value);
    };
    gates.set(name, leave(resolve));
    signal.addEventListener('abort', () => leave(reject)(new Error('cancelled')), { once: true });
  });
}

/** Lets one call pass its gate; says whether there was one. */
export function release(name) {
  const open = gates.get(name);
  open?.();
  return open !== undefined;
}

export const text = (value) => ({ content: [{ type: 'text', text: value }] });
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** A value that a resource shows and the tool `touch` changes. */
export const counter = { uri: 'interop://counter', value: 0 };

export const option = (name, otherwise) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : process.argv[at + 1];
};

/**
 * Serves `handle(request, response)` on `--port` of 127.0.0.1 and prints `listening <port>`.
 * `GET /state` tells what a client has left behind: the HTTP exchanges that are open, and what
 * `more()` adds (sessions, subscriptions).
 */
export function listen(handle, more = () => ({})) {
  const open = new Set();
  const listener = createServer((request, response) => {
    if (request.url === '/state') {
      response.setHeader('Content-Type', 'application/json');
      response.end(JSON.stringify({ open: [...open], gates: [...gates.keys()].sort(), ...more() }));
      return;
    }
    const entry = Object.freeze({ method: request.method, url: request.url });
    open.add(entry);
    response.on('close', () => open.delete(entry));
    handle(request, response);
  });
  listener.on('error', (error) => {
    console.error(error.message);
    process.exit(1);
  });
  listener.listen(Number(option('port', 0)), '127.0.0.1', () => console.log(`listening ${listener.address().port}`));
}
