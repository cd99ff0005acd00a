// What the TypeScript clients share: where the server is, and a tour of all that it offers.
import { sleep } from '../servers/common.mjs';

export { sleep };

/** How long the tour waits for what a notification should bring. */
const PATIENCE_MS = 60_000;

/**
 * The command line: `[--era ERA] COMMAND [ARGUMENT...]`, or a URL in the place of the command, which a
 * client then talks to itself (to see what the tour gives without a bridge).
 */
export function given() {
  const rest = process.argv.slice(2);
  const era = rest[0] === '--era' ? rest.splice(0, 2)[1] : 'legacy';
  const [first, ...args] = rest;
  return first.startsWith('http') ? { era, url: new URL(first) } : { era, command: first, args };
}

/** The answers of the person and the model behind the client. */
export const answers = {
  'elicitation/create': async () => ({ action: 'accept', content: { name: 'Ada' } }),
  'sampling/createMessage': async (request) => ({
    model: 'interop-model',
    role: 'assistant',
    content: { type: 'text', text: `sampled ${request.params.messages[0].content.text}` },
    stopReason: 'endTurn',
  }),
  'roots/list': async () => ({ roots: [{ uri: 'file:///interop', name: 'interop' }] }),
};

export const capabilities = { elicitation: {}, sampling: {}, roots: {} };

/** Notifications by method, as they come. */
export class Seen {
  #all = [];
  #wake = [];

  add(method, params) {
    this.#all.push({ method, params });
    for (const wake of this.#wake.splice(0)) wake();
  }

  of(method) {
    return this.#all.filter((one) => one.method === method).map((one) => one.params);
  }

  /** Whether a notification of the method has come, or comes in time. */
  async wait(method) {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.add('interop/too-late');
    }, PATIENCE_MS);
    while (!late && this.of(method).length === 0) await new Promise((resolve) => this.#wake.push(resolve));
    clearTimeout(timer);
    return !late;
  }
}

const COUNTER = 'interop://counter';

/**
 * Uses a server in the ways that an application does and gives a report.
 *
 * `client` has `call(name, arguments, { onprogress, signal, level })`, `tools()`, `read(uri)`,
 * `prompt(name, arguments)`, `complete(prompt, argument, value)`, `subscribe(uri)`, `level(level)` and
 * `unknown()`, and puts notifications into `seen`.
 */
export async function tour(client, seen) {
  const report = {};
  const me = `${process.pid}`;
  const text = (result) => result.content[0].text;
  const call = async (name, args = {}, more = {}) => text(await client.call(name, args, more));
  const code = (promise) => promise.then(() => null, (error) => error.code);

  report.tools = await client.tools();
  report.echoes = await Promise.all(Array.from({ length: 10 }, (_, n) => call('echo', { message: String(n) })));

  // Each step is let go only when the one before has arrived: the SDKs forget the callback with the
  // answer, and with it a last step that comes in the same read.
  report.progress = [];
  let arrived = () => {};
  const onprogress = ({ progress }) => {
    report.progress.push(progress);
    arrived();
  };
  const paced = call('paced', { name: me, steps: 3 }, { onprogress });
  for (let step = 1; step <= 4; step += 1) {
    const next = new Promise((resolve) => (arrived = resolve));
    while ((await call('release', { name: me })) !== 'true') await sleep(20);
    if (step < 4) await next;
  }
  report.paced = (await paced) === `paced: ${me}`;

  report.asked = await call('ask');
  report.sampled = await call('sample', { prompt: 'a haiku' });
  report.roots = await call('roots');
  if (report.tools.includes('interview')) report.interview = await call('interview');
  if (report.tools.includes('tagged')) report.tagged = JSON.parse(await call('tagged', { region: 'Zürich', limit: 7 }));

  await client.subscribe(COUNTER);
  const count = async () => Number((await client.read(COUNTER)).contents[0].text);
  const before = await count();
  await call('touch');
  report.updated = await seen.wait('notifications/resources/updated');
  report.counted = (await count()) > before;
  await call('announce');
  report.announced = await seen.wait('notifications/tools/list_changed');

  await client.level('info');
  await call('log', { level: 'warning', data: 'beware' }, { level: 'info' });
  await call('log', { level: 'debug', data: 'never mind' }, { level: 'info' });
  report.logged = seen.of('notifications/message').map((params) => params.data);

  const abort = new AbortController();
  const held = call('hold', { name: `${me}-held` }, { signal: abort.signal }).then(
    () => 'answered',
    () => 'cancelled',
  );
  const holds = async () => (await call('holds')).includes(`"${me}-held"`);
  while (!(await holds())) await sleep(20);
  abort.abort('enough');
  report.held = await held;
  while (await holds()) await sleep(20);

  report.greeting = (await client.prompt('greet', { name: 'Ada' })).messages[0].content.text;
  report.completed = (await client.complete('greet', 'name', 'A')).completion.values;
  const failed = await client.call('fail', { message: 'as asked' }, {});
  report.failed = failed.isError === true && text(failed).includes('as asked');
  report.unknown = await code(client.unknown());
  report.missing = (await code(client.read('interop://missing'))) !== null;
  return report;
}
