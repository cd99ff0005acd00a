// An MCP server of both eras with what the server scenarios of the conformance suite ask for, on the
// TypeScript SDK 2.x. The suite has such a server of its own, but publishes it nowhere; what each tool
// does is told by the description of the scenario that calls it.
//
// `node suite.mjs [--port N]` listens on 127.0.0.1, prints `listening <port>` and serves `/mcp`.
import { z } from 'zod';
import {
  McpServer,
  ResourceTemplate,
  completable,
  createRequestStateCodec,
  fromJsonSchema,
  inputRequired,
  inputResponse,
} from '@modelcontextprotocol/server';
import { localhostHostValidation, localhostOriginValidation } from '@modelcontextprotocol/node';
import { sleep, text } from './common.mjs';
import { promptsChanged, serve, toolsChanged, watches } from './dual.mjs';

// One red pixel, and a WAV file without a sound.
const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC';
const WAV = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=';

const image = { type: 'image', data: PNG, mimeType: 'image/png' };
const states = createRequestStateCodec({ key: 'a key that is good enough for one test process' });

const object = (properties, required = Object.keys(properties)) => ({ type: 'object', properties, required });
const ask = (message, properties) => inputRequired.elicit({ message, requestedSchema: object(properties) });
const askModel = (prompt, maxTokens) =>
  inputRequired.createMessage({ messages: [{ role: 'user', content: { type: 'text', text: prompt } }], maxTokens });
const string = { type: 'string' };

function build({ era }) {
  const server = new McpServer(
    { name: 'interop-suite', version: '1.0.0' },
    {
      capabilities: {
        tools: { listChanged: true },
        prompts: { listChanged: true },
        resources: { subscribe: true, listChanged: true },
        logging: {},
      },
      requestState: { verify: states.verify },
    },
  );
  const tool = (name, run, shape = {}) =>
    server.registerTool(`test_${name}`, { description: name, inputSchema: z.object(shape) }, run);
  const answers = (context) => context.mcpReq.inputResponses ?? {};
  const can = (context, capability) => {
    const said = context.mcpReq.envelope?.['io.modelcontextprotocol/clientCapabilities'];
    return (said ?? server.server.getClientCapabilities() ?? {})[capability] !== undefined;
  };

  // Contents -----------------------------------------------------------------------------------------

  tool('simple_text', async () => text('This is a simple text response for testing.'));
  tool('image_content', async () => ({ content: [image] }));
  tool('audio_content', async () => ({ content: [{ type: 'audio', data: WAV, mimeType: 'audio/wav' }] }));
  const resource = (uri, mimeType, text) => ({ type: 'resource', resource: { uri, mimeType, text } });
  tool('embedded_resource', async () => ({
    content: [resource('test://embedded-resource', 'text/plain', 'This is an embedded resource content.')],
  }));
  tool('multiple_content_types', async () => ({
    content: [
      { type: 'text', text: 'Multiple content types test:' },
      image,
      resource('test://mixed-content-resource', 'application/json', JSON.stringify({ test: 'data', value: 123 })),
    ],
  }));
  tool('error_handling', async () => {
    throw new Error('This tool intentionally returns an error for testing');
  });
  server.registerTool(
    'json_schema_2020_12_tool',
    {
      description: 'A schema with words that are easily lost',
      inputSchema: fromJsonSchema({
        $schema: 'https://json-schema.org/draft/2020-12/schema',
        type: 'object',
        $defs: { address: { $anchor: 'addressDef', type: 'object', properties: { street: string, city: string } } },
        properties: {
          name: string,
          address: { $ref: '#/$defs/address' },
          contactMethod: { type: 'string', enum: ['phone', 'email'] },
          phone: string,
          email: string,
        },
        allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
        if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
        then: { required: ['phone'] },
        else: { required: ['email'] },
        additionalProperties: false,
      }),
    },
    async () => text('called'),
  );

  // While a call runs --------------------------------------------------------------------------------

  tool('tool_with_logging', async (_arguments, context) => {
    await context.mcpReq.log('info', 'Tool execution started');
    await sleep(50);
    await context.mcpReq.log('info', 'Tool processing data');
    await sleep(50);
    await context.mcpReq.log('info', 'Tool execution completed');
    return text('logged three times');
  });
  tool('logging_tool', async (_arguments, context) => {
    await context.mcpReq.log('info', 'for whoever asked');
    return text('logged if asked');
  });
  tool('tool_with_progress', async (_arguments, context) => {
    const progressToken = context.mcpReq._meta?.progressToken;
    for (const progress of [0, 50, 100]) {
      if (progressToken !== undefined) {
        const params = { progressToken, progress, total: 100, message: `${progress} of 100` };
        await context.mcpReq.notify({ method: 'notifications/progress', params });
      }
      await sleep(50);
    }
    return text(String(progressToken));
  });
  tool('trigger_tool_change', async () => {
    await toolsChanged();
    return text('told');
  });
  tool('trigger_prompt_change', async () => {
    await promptsChanged();
    return text('told');
  });

  // What the client is asked -------------------------------------------------------------------------

  const said = (answer) => `action=${answer.action}, content=${JSON.stringify(answer.content ?? {})}`;
  /** A tool that asks once and then says what it got. */
  const asking = (name, request, answer, shape) =>
    tool(
      name,
      async (given, context) => {
        const got = inputResponse(answers(context), 'it');
        return got.kind === 'missing' ? inputRequired({ inputRequests: { it: request(given) } }) : text(answer(got));
      },
      shape,
    );
  asking('sampling', ({ prompt }) => askModel(prompt, 100), (got) => `LLM response: ${got.result.content.text}`, {
    prompt: z.string(),
  });
  asking(
    'elicitation',
    ({ message }) => ask(message, { username: string, email: string }),
    (got) => `User response: ${said(got)}`,
    { message: z.string() },
  );
  asking(
    'elicitation_sep1034_defaults',
    () =>
      ask('Please look at the defaults', {
        name: { type: 'string', default: 'John Doe' },
        age: { type: 'integer', default: 30 },
        score: { type: 'number', default: 95.5 },
        status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
        verified: { type: 'boolean', default: true },
      }),
    (got) => `Elicitation completed: ${said(got)}`,
  );
  const titled = (word) => ['First', 'Second', 'Third'].map((n, i) => ({ const: `value${i + 1}`, title: `${n} ${word}` }));
  const options = ['option1', 'option2', 'option3'];
  asking(
    'elicitation_sep1330_enums',
    () =>
      ask('Please choose', {
        untitledSingle: { type: 'string', enum: options },
        titledSingle: { type: 'string', oneOf: titled('Option') },
        legacyEnum: {
          type: 'string',
          enum: ['opt1', 'opt2', 'opt3'],
          enumNames: ['Option One', 'Option Two', 'Option Three'],
        },
        untitledMulti: { type: 'array', items: { type: 'string', enum: options } },
        titledMulti: { type: 'array', items: { anyOf: titled('Choice') } },
      }),
    (got) => `Elicitation completed: ${said(got)}`,
  );
  asking('streaming_elicitation', () => ask('Anything?', { anything: string }), said);

  // Results that ask (2026-07-28) --------------------------------------------------------------------

  const input = (name, run) => tool(`input_required_result_${name}`, run);
  const nameOf = (context, key) => {
    const got = inputResponse(answers(context), key);
    return got.kind === 'elicit' && typeof got.content?.name === 'string' ? got.content.name : undefined;
  };
  const askName = () => ask('What is your name?', { name: string });
  input('elicitation', async (_arguments, context) => {
    const name = nameOf(context, 'user_name');
    return name === undefined ? inputRequired({ inputRequests: { user_name: askName() } }) : text(`Hello, ${name}!`);
  });
  input('sampling', async (_arguments, context) => {
    const got = inputResponse(answers(context), 'capital_question');
    const question = () => askModel('What is the capital of France?', 100);
    return got.kind === 'sampling'
      ? text(got.result.content.text)
      : inputRequired({ inputRequests: { capital_question: question() } });
  });
  input('list_roots', async (_arguments, context) => {
    const got = inputResponse(answers(context), 'client_roots');
    return got.kind === 'roots'
      ? text(got.roots.map((root) => root.uri).join(' '))
      : inputRequired({ inputRequests: { client_roots: inputRequired.listRoots() } });
  });
  const confirmed = (name) =>
    input(name, async (_arguments, context) => {
      const state = context.mcpReq.requestState();
      const got = inputResponse(answers(context), 'confirm');
      if (state !== undefined && got.kind === 'elicit') return text('state-ok');
      return inputRequired({
        inputRequests: { confirm: ask('Please confirm', { ok: { type: 'boolean' } }) },
        requestState: await states.mint({ name }),
      });
    });
  confirmed('request_state');
  confirmed('tampered_state');
  input('multiple_inputs', async (_arguments, context) => {
    const keys = ['user_name', 'greeting', 'client_roots'];
    if (context.mcpReq.requestState() !== undefined && keys.every((key) => key in answers(context))) return text('all three');
    return inputRequired({
      inputRequests: {
        user_name: askName(),
        greeting: askModel('Generate a greeting', 50),
        client_roots: inputRequired.listRoots(),
      },
      requestState: await states.mint({ round: 1 }),
    });
  });
  input('multi_round', async (_arguments, context) => {
    const state = context.mcpReq.requestState();
    if (state === undefined) {
      return inputRequired({
        inputRequests: { step1: ask('Step 1: What is your name?', { name: string }) },
        requestState: await states.mint({ round: 1 }),
      });
    }
    if (state.round === 1) {
      return inputRequired({
        inputRequests: { step2: ask('Step 2: What is your favorite color?', { color: string }) },
        requestState: await states.mint({ round: 2, name: nameOf(context, 'step1') }),
      });
    }
    return text(`${state.name} likes ${inputResponse(answers(context), 'step2').content?.color}`);
  });
  input('capabilities', async (_arguments, context) => {
    if (Object.keys(answers(context)).length > 0) return text('thank you');
    const inputRequests = {};
    if (can(context, 'elicitation')) inputRequests.name = askName();
    if (can(context, 'sampling')) inputRequests.greeting = askModel('Generate a greeting', 50);
    if (can(context, 'roots')) inputRequests.roots = inputRequired.listRoots();
    return Object.keys(inputRequests).length > 0 ? inputRequired({ inputRequests }) : text('nobody to ask');
  });
  // The SDK refuses to ask a client that has not said that it can be asked.
  asking('missing_capability', () => askModel('Are you there?', 10), (got) => got.result.content.text);

  // Resources and prompts ----------------------------------------------------------------------------

  const read = (name, uri, mimeType, content) =>
    server.registerResource(name, uri, { description: name, mimeType }, async () => ({
      contents: [{ uri, mimeType, ...content }],
    }));
  read('static-text', 'test://static-text', 'text/plain', { text: 'This is the content of the static text resource.' });
  read('static-binary', 'test://static-binary', 'image/png', { blob: PNG });
  read('watched-resource', 'test://watched-resource', 'text/plain', { text: 'Nothing happens here.' });
  server.registerResource(
    'template',
    new ResourceTemplate('test://template/{id}/data', { list: undefined }),
    { description: 'template', mimeType: 'application/json' },
    async (uri, { id }) => ({
      contents: [
        {
          uri: uri.href,
          mimeType: 'application/json',
          text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }),
        },
      ],
    }),
  );

  const say = (...contents) => ({ messages: contents.map((content) => ({ role: 'user', content })) });
  const words = (text) => ({ type: 'text', text });
  const prompt = (name, run, argsSchema) =>
    server.registerPrompt(`test_${name}`, { description: name, ...(argsSchema && { argsSchema }) }, run);
  prompt('simple_prompt', async () => say(words('This is a simple prompt for testing.')));
  prompt(
    'prompt_with_arguments',
    async ({ arg1, arg2 }) => say(words(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)),
    z.object({ arg1: completable(z.string(), () => ['paris', 'park', 'party']), arg2: z.string() }),
  );
  prompt(
    'prompt_with_embedded_resource',
    async ({ resourceUri }) =>
      say(
        resource(resourceUri, 'text/plain', 'Embedded resource content for testing.'),
        words('Please process the embedded resource above.'),
      ),
    z.object({ resourceUri: z.string() }),
  );
  prompt('prompt_with_image', async () => say(image, words('Please analyze the image above.')));
  prompt('input_required_result_prompt', async (context) => {
    const got = inputResponse(answers(context), 'user_context');
    return got.kind === 'elicit'
      ? say(words(`In the context of ${got.content?.context}`))
      : inputRequired({ inputRequests: { user_context: ask('What context should the prompt use?', { context: string }) } });
  });

  if (era === 'legacy') watches(server);
  return server;
}

const [host, origin] = [localhostHostValidation(), localhostOriginValidation()];
serve(build, 'sessions', (request, response) => host(request, response) && origin(request, response));
