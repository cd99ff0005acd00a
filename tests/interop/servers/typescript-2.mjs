// An MCP server on the TypeScript SDK 2.x.
//
// `node typescript-2.mjs [--port N] [--mode modern|dual|sessions]` listens on 127.0.0.1, prints
// `listening <port>` and serves `/mcp` until it is killed. All modes serve 2026-07-28; `modern` refuses
// older clients, `dual` serves them without sessions, `sessions` with them. With `--mode stdio` it serves
// both eras on its standard streams instead.
import { z } from 'zod';
import { McpServer, completable, fromJsonSchema, inputRequired, inputResponse } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { counter, gate, gates, option, release, sleep, text } from './common.mjs';
import { resourceUpdated, serve, toolsChanged, watches } from './dual.mjs';

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
    await toolsChanged();
    return text('announced');
  });
  tool('touch', {}, async () => {
    counter.value += 1;
    await resourceUpdated(counter.uri);
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
  if (era === 'legacy') watches(server);
  return server;
}

const mode = option('mode', 'modern');
if (mode === 'stdio') serveStdio(build);
else serve(build, mode);
