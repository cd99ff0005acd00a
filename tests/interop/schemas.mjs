// Validates JSON-RPC messages against the official JSON schema of the revision that each claims.
//
// `node schemas.mjs FILE...` reads lines of the form
//   {"revision": "2025-11-25", "direction": "client→server" | "server→client", "message": {...},
//    "method": "of the request, for a response"}
// prints one line per breach and one of totals, and ends with 1 if there was a breach.
//
// The schemas are those that the conformance suite carries in its bundle; they are read from there, so
// that the project has no copy that could grow old.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Ajv } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

/** The object literal that starts at `start` of a program: brackets are matched, strings are skipped. */
function literal(program, start) {
  let depth = 0;
  for (let at = start; at < program.length; at += 1) {
    const character = program[at];
    if (character === '"' || character === "'" || character === '`') {
      for (at += 1; program[at] !== character; at += 1) if (program[at] === '\\') at += 1;
    } else if (character === '{') {
      depth += 1;
    } else if (character === '}') {
      depth -= 1;
      if (depth === 0) return program.slice(start, at + 1);
    }
  }
  throw new Error('the object has no end');
}

/** The schemas in the suite's bundle, by revision. */
function extract() {
  const suite = createRequire(import.meta.url).resolve('conformance-0.2/package.json');
  const program = readFileSync(suite.replace(/package\.json$/, 'dist/index.js'), 'utf8');
  const found = [];
  for (const { index } of program.matchAll(/=\{\$schema:`https?:\/\/json-schema\.org\/[^`]*`,(?:definitions|\$defs):/g)) {
    // The text is part of a pinned package that the tests run anyway.
    found.push(new Function(`return ${literal(program, index + 1)}`)());
  }
  const has = (schema, name) => name in (schema.$defs ?? schema.definitions);
  const only = (what, accept) => {
    const fitting = found.filter(accept);
    if (fitting.length !== 1) throw new Error(`the suite's bundle has ${fitting.length} schemas like ${what}`);
    return fitting[0];
  };
  const is = (schema, batch, elicit, task, discover) =>
    has(schema, 'JSONRPCBatchRequest') === batch &&
    has(schema, 'ElicitRequest') === elicit &&
    has(schema, 'CreateTaskResult') === task &&
    has(schema, 'DiscoverRequest') === discover;
  return {
    '2025-03-26': only('2025-03-26', (schema) => is(schema, true, false, false, false)),
    '2025-06-18': only('2025-06-18', (schema) => is(schema, false, true, false, false)),
    '2025-11-25': only('2025-11-25', (schema) => is(schema, false, true, true, false)),
    '2026-07-28': only('2026-07-28', (schema) => is(schema, false, true, false, true)),
  };
}

// The oldest revision has no schema in the suite. The one after it only added to it, and what it added
// is optional.
const STANDS_FOR = { '2024-11-05': '2025-03-26' };

/** One revision's schema, compiled as it is needed. */
class Revision {
  #ajv;
  #compiled = new Map();

  constructor(revision, schema) {
    const modern = schema.$schema.includes('2020-12');
    this.key = modern ? '$defs' : 'definitions';
    this.definitions = schema[this.key];
    // schema.ts, which the specification goes by, has `number` here; the generator wrote `integer`.
    for (const name of ['minimum', 'maximum', 'default']) {
      const property = this.definitions.NumberSchema?.properties?.[name];
      if (property?.type === 'integer') property.type = 'number';
    }
    this.#ajv = new (modern ? Ajv2020 : Ajv)({ strict: false, allErrors: true });
    addFormats.default(this.#ajv);
    this.#ajv.addFormat('byte', /^[A-Za-z0-9+/]*={0,2}$/);
    this.id = `mcp://${revision}`;
    this.#ajv.addSchema({ ...schema, $id: this.id });
    this.result = 'JSONRPCResultResponse' in this.definitions ? 'JSONRPCResultResponse' : 'JSONRPCResponse';
    this.error = 'JSONRPCErrorResponse' in this.definitions ? 'JSONRPCErrorResponse' : 'JSONRPCError';
    this.byMethod = { Request: new Map(), Notification: new Map() };
    for (const kind of ['Request', 'Notification']) {
      for (const [name, definition] of Object.entries(this.definitions)) {
        const method = definition.properties?.method?.const;
        if (method !== undefined && name.endsWith(kind) && !/^(Client|Server)/.test(name)) {
          this.byMethod[kind].set(method, name);
        }
      }
    }
  }

  /** The definition of an error with a code of the specification's own. */
  errorOf(code) {
    const constant = (part) => part.properties?.code?.const;
    const has = ([, definition]) => {
      const error = definition.properties?.error;
      return error !== undefined && [error, ...(error.allOf ?? [])].some((part) => constant(part) === code);
    };
    return Object.entries(this.definitions).find(has)?.[0];
  }

  /** The names of the definitions that a union of the schema allows. */
  members(union) {
    const definition = this.definitions[union];
    if (definition === undefined) return new Set();
    return new Set((definition.anyOf ?? []).map((part) => part.$ref?.split('/').at(-1)));
  }

  breaches(name, value) {
    if (!this.#compiled.has(name)) this.#compiled.set(name, this.#ajv.compile({ $ref: `${this.id}#/${this.key}/${name}` }));
    const validate = this.#compiled.get(name);
    return validate(value) ? [] : validate.errors.map((error) => `${name}${error.instancePath}: ${error.message}`);
  }

  /** Everything that is wrong with a message. */
  check({ direction, message, method }, known) {
    const sender = direction === 'client→server' ? 'Client' : 'Server';
    if (Array.isArray(message)) return ['a batch'];
    if ('method' in message) {
      const kind = 'id' in message ? 'Request' : 'Notification';
      const found = this.breaches(`JSONRPC${kind}`, message);
      const name = this.byMethod[kind].get(message.method);
      if (name === undefined) {
        // A method of no revision is an extension's business, and so is what became one (tasks).
        const foreign = known.has(message.method) && !/^(notifications\/)?tasks\//.test(message.method);
        return foreign ? [...found, `${message.method} is of another revision`] : found;
      }
      const union = this.members(`${sender}${kind}`);
      // 2026-07-28 has no requests of the server; and where a union is a single definition it is inlined.
      const inlined = this.definitions[`${sender}${kind}`]?.properties?.method?.const;
      const allowed = union.has(name) || inlined === message.method;
      if (!allowed) found.push(`${message.method} is no ${kind.toLowerCase()} of a ${sender.toLowerCase()}`);
      return [...found, ...this.breaches(name, message)];
    }
    if ('error' in message) {
      const found = this.breaches(this.error, message);
      const name = this.errorOf(message.error?.code);
      return name === undefined ? found : [...found, ...this.breaches(name, message)];
    }
    const found = this.breaches(this.result, message);
    const request = method === undefined ? undefined : this.byMethod.Request.get(method);
    if (request === undefined) return found;
    const plain = request.replace(/Request$/, 'Result');
    const name =
      message.result?.resultType === 'input_required' && 'InputRequiredResult' in this.definitions
        ? 'InputRequiredResult'
        : plain in this.definitions
          ? plain
          : 'EmptyResult';
    return [...found, ...this.breaches(name, message.result)];
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const schemas = extract();
  const revisions = new Map(Object.entries(schemas).map(([name, schema]) => [name, new Revision(name, schema)]));
  const known = new Set(
    [...revisions.values()].flatMap(({ byMethod }) => [...byMethod.Request.keys(), ...byMethod.Notification.keys()]),
  );
  let checked = 0;
  let bad = 0;
  for (const file of process.argv.slice(2)) {
    for (const [number, line] of readFileSync(file, 'utf8').split('\n').entries()) {
      if (line === '') continue;
      const entry = JSON.parse(line);
      const revision = revisions.get(STANDS_FOR[entry.revision] ?? entry.revision);
      const breaches = revision?.check(entry, known) ?? [`there is no schema of ${entry.revision}`];
      checked += 1;
      if (breaches.length > 0) {
        bad += 1;
        console.log(`${file}:${number + 1}: ${entry.revision} ${entry.direction} ${entry.method ?? ''}: ${breaches.join('; ')}`);
        console.log(`    ${JSON.stringify(entry.message).slice(0, 600)}`);
      }
    }
  }
  console.log(`${checked} messages, ${bad} with a breach`);
  process.exitCode = bad > 0 ? 1 : 0;
}
