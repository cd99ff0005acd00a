'use strict';
// Foreign text gets into the page by textContent only.
const data = JSON.parse(document.getElementById('data').textContent);
const items = data.items;
const ROW = 30;
const PRINTED = 2000;
const by = (id) => document.getElementById(id);
const list = by('list'), space = by('space'), details = by('details'), search = by('search'), panes = by('panes');

// Control characters and those that change the direction of text are shown as what they are.
const clean = (text) => String(text).replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
  (c) => '\\u{' + c.codePointAt(0).toString(16) + '}');

function make(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (name === 'class') element.className = value;
    else if (name in element && name !== 'role') element[name] = value;
    else element.setAttribute(name, value);
  }
  for (const child of children) if (child != null && child !== '') element.append(child.nodeType ? child : clean(child));
  return element;
}

const time = (ms) => ms == null ? '' : ms < 10 ? ms.toFixed(2) + ' ms' : ms < 1000 ? ms.toFixed(1) + ' ms' : ms < 60000 ? (ms / 1000).toFixed(2) + ' s' : Math.floor(ms / 60000) + ' min ' + Math.round(ms % 60000 / 1000) + ' s';
const clock = (ms) => (ms / 1000).toFixed(3);
const size = (n) => n < 1024 ? n + ' B' : n < 1048576 ? (n / 1024).toFixed(1) + ' KiB' : (n / 1048576).toFixed(1) + ' MiB';

// ---- What each item is called.
for (const [index, it] of items.entries()) {
  it.index = index;
  it.end = it.e ?? it.t;
  if (it.k === 'call') {
    it.kind = 'message';
    it.mark = it.from === 'client' ? '→' : '←';
    it.label = it.m ?? (it.kind0 ? it.kind0 + ' ' + (it.id ?? '') : 'no JSON-RPC');
    it.sub = [it.kind0 === 'notification' ? 'notification' : it.id && 'id ' + it.id, it.name].filter(Boolean).join(' · ');
    it.status = it.kind0 !== 'request' ? '' : it.a ? (it.bad ? 'error' : 'ok') : 'no answer';
    it.why = it.why ?? '';
  } else if (it.k === 'http') {
    it.kind = it.auth ? 'auth' : 'http';
    it.mark = '⇄';
    it.label = '#' + it.n + ' ' + (it.verb ?? '?') + ' ' + (it.m ?? it.path ?? '');
    it.sub = it.m ? [it.name, it.auth ? it.path : ''].filter(Boolean).join(' · ') : it.auth ? it.host : '';
    it.status = it.f ? it.f.kind : it.r ? String(it.r.status) + (it.x?.how === 'broken' ? ' broken' : it.bad && it.r.status < 400 ? ' error' : '') : 'no response';
  } else if (it.k === 'note') {
    it.kind = 'note';
    it.mark = it.level === 'error' || it.level === 'warn' ? '!' : '·';
    it.label = it.text;
    it.sub = it.module;
    it.status = it.level;
  } else {
    it.kind = 'note';
    it.mark = '!';
    it.label = it.count + ' records were not written; they came too fast';
    it.status = 'missed';
  }
}
// Everything that can be searched, made when it is first searched.
const haystack = (it) => it.hay ??= JSON.stringify(it, (name, value) => name === 'hay' ? undefined : value).replaceAll('\\"', '"').toLowerCase();

// ---- State.
const state = { text: '', kinds: { message: true, http: true, auth: true, note: true }, errors: false, from: 0, to: 1, chosen: -1, open: false };
const length = Math.max(data.lasted, 1);
state.to = length;
let shown = [];

function filter() {
  const words = state.text.toLowerCase().split(/\s+/).filter(Boolean);
  const whole = state.from <= 0 && state.to >= length;
  shown = items.filter((it) => state.kinds[it.kind] && (!state.errors || it.bad) &&
    (whole || (it.t <= state.to && (it.e === null ? length : it.end) >= state.from)) && words.every((word) => haystack(it).includes(word)));
  const kept = shown.findIndex((it) => it.index === state.chosen);
  if (kept < 0) state.chosen = shown.length ? shown[0].index : -1;
  by('shown').textContent = shown.length === items.length ? items.length + ' items' : shown.length + ' of ' + items.length + ' items';
  space.style.height = shown.length * ROW + 'px';
  axis();
  if (kept >= 0) reveal(); else list.scrollTop = 0;
  draw();
  if (state.open) detail();
}

const at = (t) => (t - state.from) / (state.to - state.from) * 100;
function piece(bar, from, to, name) {
  const a = Math.max(at(from), 0), b = Math.min(at(to), 100);
  if (b < 0 || a > 100) return;
  const element = make('i', { class: name ?? '' });
  element.style.left = 'min(' + a + '%, 100% - 3px)';
  if (name !== 'event' && name !== 'dot') element.style.width = b - a + '%';
  bar.append(element);
}

function row(it, place) {
  const chosen = it.index === state.chosen;
  const bar = make('span', { class: 'bar' });
  if (it.k === 'http') {
    const first = it.r ? it.r.t : it.end;
    const over = it.e === null ? length : it.end;
    piece(bar, it.t, first, it.r ? 'wait' : it.e === null ? 'wait open' : '');
    if (it.r) piece(bar, first, over, it.e === null ? 'open' : '');
    const least = (state.to - state.from) / 300, wide = (over - first) / (state.to - state.from) * by('ticks').clientWidth > 40;
    let last = wide ? -Infinity : Infinity;
    for (const event of it.ev ?? []) if (event.t - last > least) { piece(bar, event.t, event.t, 'event'); last = event.t; }
  } else if (it.e != null) piece(bar, it.t, it.e);
  else piece(bar, it.t, it.t, 'dot');
  const took = it.e != null ? time(it.e - it.t) : '';
  const element = make('div', { class: 'row ' + it.kind + (it.bad ? ' bad' : ''), id: 'row-' + it.index, role: 'option',
    'aria-selected': chosen, 'aria-setsize': shown.length, 'aria-posinset': place + 1 },
  make('span', { class: 't' }, clock(it.t)),
  make('span', { class: 'what', 'data-mark': it.mark, title: clean(it.label) }, it.label, it.sub ? ' ' : '', it.sub ? make('small', null, it.sub) : null));
  if (it.kind !== 'note') element.append(make('span', { class: 'status' }, it.status), make('span', { class: 'n ms' }, took));
  element.append(bar);
  element.style.top = place * ROW + 'px';
  return element;
}

function draw(all) {
  const first = all ? 0 : Math.max(0, Math.floor(list.scrollTop / ROW) - 8);
  const last = all ? Math.min(shown.length, PRINTED) : Math.min(shown.length, Math.ceil((list.scrollTop + list.clientHeight) / ROW) + 8);
  const rows = [];
  for (let place = first; place < last; place += 1) rows.push(row(shown[place], place));
  if (!shown.length) rows.push(make('p', { id: 'none', class: 'faint' }, 'Nothing fits the search and the filters.'));
  space.replaceChildren(...rows);
  const chosen = by('row-' + state.chosen);
  if (chosen) list.setAttribute('aria-activedescendant', chosen.id);
  else list.removeAttribute('aria-activedescendant');
}

function axis() {
  const span = state.to - state.from;
  const ticks = by('ticks');
  const room = Math.max(2, Math.floor((ticks.clientWidth || 300) / 70));
  let step = 10 ** Math.floor(Math.log10(span / room));
  step *= [1, 2, 5, 10].find((factor) => span / (step * factor) <= room) ?? 10;
  const marks = [];
  for (let t = Math.ceil(state.from / step) * step; t < state.to - span / room / 2; t += step) {
    const mark = make('span', null, step >= 1000 ? (t / 1000).toFixed(0) + ' s' : step >= 1 ? t >= 1000 ? (t / 1000).toFixed(step < 10 ? 3 : step < 100 ? 2 : 1) + ' s' : t.toFixed(0) + ' ms' : t.toFixed(3) + ' ms');
    mark.style.left = at(t) + '%';
    marks.push(mark);
  }
  ticks.replaceChildren(...marks);
}

function zoom(from, to) {
  const span = Math.min(Math.max(to - from, 0.05), length);
  state.from = Math.min(Math.max(from, 0), length - span);
  state.to = state.from + span;
  filter();
}
function scale(factor) {
  const it = items[state.chosen];
  const span = state.to - state.from;
  // The chosen one stays where it is.
  const centre = it && it.t >= state.from && it.t <= state.to ? it.t : (state.from + state.to) / 2;
  const part = (centre - state.from) / span;
  zoom(centre - span * factor * part, centre + span * factor * (1 - part));
}

// ---- Choosing.
function reveal() {
  const place = shown.findIndex((it) => it.index === state.chosen);
  if (place < 0) return;
  const top = place * ROW;
  if (top < list.scrollTop) list.scrollTop = top;
  else if (top + ROW > list.scrollTop + list.clientHeight) list.scrollTop = top + ROW - list.clientHeight;
}
function choose(index) {
  state.chosen = index;
  reveal();
  draw();
  if (state.open) detail();
}
function open(index, focus) {
  state.open = true;
  if (index !== undefined) state.chosen = index;
  panes.classList.add('open');
  details.hidden = false;
  detail();
  axis();
  reveal();
  draw();
  if (focus) details.focus();
}
function close() {
  state.open = false;
  details.hidden = true;
  panes.classList.remove('open');
  axis();
  draw();
  list.focus();
}
/** Shows an item wherever it is, which may take other filters. */
function go(index) {
  if (!shown.some((it) => it.index === index)) {
    state.kinds[items[index].kind] = true;
    state.errors = false;
    search.value = state.text = '';
    state.from = 0;
    state.to = length;
    buttons();
    filter();
  }
  open(index, false);
  list.focus();
}

// ---- Details.
const TOKEN = /"(?:[^"\\]|\\.)*"?|[{}[\],:]|[^\s{}[\],:"]+/g;
/** JSON in lines; what fits is on one. Nothing is parsed, so that numbers stay as they are. */
function pretty(json, columns) {
  const tokens = (json.match(TOKEN) ?? []).map((text) => ({ text, width: Infinity }));
  const stack = [];
  let total = 0;
  for (const [index, token] of tokens.entries()) {
    if (token.text === ':' && index && tokens[index - 1].text[0] === '"') tokens[index - 1].name = true;
    if (token.text === '{' || token.text === '[') stack.push([token, total]);
    total += token.text.length + (token.text === ',' || token.text === ':' ? 1 : 0);
    if ((token.text === '}' || token.text === ']') && stack.length) {
      const [opening, before] = stack.pop();
      opening.width = total - before;
    }
  }
  const out = document.createDocumentFragment();
  let plain = '', depth = 0, used = 0, flat = -1;
  const flush = () => { if (plain) out.append(clean(plain)); plain = ''; };
  const indent = () => '  '.repeat(Math.min(depth, 16));
  const line = () => { plain += '\n' + indent(); used = indent().length; };
  for (const [index, { text, name, width }] of tokens.entries()) {
    const before = tokens[index - 1]?.text;
    const closing = text === '}' || text === ']';
    if (closing) {
      depth = Math.max(depth - 1, 0);
      if (flat < 0 && before !== '{' && before !== '[') line();
      if (flat === depth) flat = -1;
    } else if (flat < 0 && (before === '{' || before === '[' || before === ',')) line();
    used += text.length + 1;
    if (text[0] === '"') {
      flush();
      out.append(make('span', { class: name ? 'name' : 'string' }, text));
    } else if (text.length === 1 && '{}[],:'.includes(text)) {
      plain += text === ':' ? ': ' : text === ',' && flat >= 0 ? ', ' : text;
      if (text === '{' || text === '[') {
        if (flat < 0 && used + width <= columns) flat = depth;
        depth += 1;
      }
    } else {
      flush();
      out.append(make('span', { class: 'number' }, text));
    }
  }
  flush();
  return out;
}
function body(content) {
  if (!content || (!content.n && !content.s)) return null;
  const box = make('div');
  if (content.s) box.append(make('pre', { tabIndex: 0 }, content.j ? pretty(content.s, 72) : content.s));
  const note = content.cut ? 'Cut: ' + size(new Blob([content.s ?? '']).size) + ' of ' + size(content.n) + ' are here.' : '';
  if (note) box.append(make('p', { class: 'faint' }, note));
  return box;
}
function pairs(entries, name) {
  const box = make('dl', { class: name ?? '' });
  for (const [term, value] of entries) if (value != null && value !== '') box.append(make('dt', null, term), make('dd', null, value));
  return box;
}
const part = (title, ...children) => children.some(Boolean) ? [make('h3', null, title), ...children.filter(Boolean)] : [];
function links(title, found) {
  if (!found.length) return [];
  const box = make('div', { class: 'links' });
  for (const it of found.slice(0, 20)) box.append(make('button', { type: 'button', onclick: () => go(it.index) }, (it.k === 'http' ? it.label : 'message ' + it.label) + ' at ' + clock(it.t)));
  return [make('h3', null, title), box];
}
function detail() {
  const it = items[state.chosen];
  if (!it) return details.replaceChildren(make('p', { class: 'faint' }, 'Nothing is chosen.'));
  const content = [make('header', null, make('h2', null, it.k === 'http' ? '#' + it.n + ' ' + (it.verb ?? '') : it.label),
    make('button', { type: 'button', onclick: close, 'aria-label': 'Close the details' }, 'Close'))];
  if (it.why) content.push(make('p', { class: 'bad-text' }, it.why));
  if (it.k === 'call') {
    content.push(pairs([['From', it.from === 'client' ? 'client to bridge' : 'bridge to client'], ['Kind', it.kind0], ['Id', it.id],
      ['At', clock(it.t) + ' s'], ['Answer after', it.a ? time(it.a.t - it.t) : it.kind0 === 'request' ? 'none in the trace' : '']]),
    ...part('Message', body(it.b)), ...part(it.bad ? 'Answer: an error' : 'Answer', it.a && body(it.a.b)),
    ...links('HTTP', items.filter((other) => other.k === 'http' && it.id != null && other.id === it.id && other.t >= it.t && other.t <= it.end)));
  } else if (it.k === 'http') {
    content.push(pairs([['Address', it.url], ['Method', it.m], ['Id', it.id], ['At', clock(it.t) + ' s'],
      ['Status', it.r ? it.r.status + ' ' + it.r.text + ' (' + it.r.http + ')' : it.f ? '' : 'no response in the trace'],
      ['Sent after', it.sent == null ? '' : time(it.sent - it.t)], ['First byte after', it.r ? time(it.r.t - it.t) : ''],
      ['Over after', it.e == null ? 'not over in the trace' : time(it.e - it.t)], ['End', it.x && it.x.how !== 'whole' ? it.x.how : ''], ['Body', it.x ? size(it.x.n) : '']]),
    make('p', { class: 'faint' }, 'As a command: ', make('code', null, 'mcp-tether trace curl FILE ' + it.n)),
    ...part('Request headers', it.h?.length ? pairs(it.h, 'headers') : null), ...part('Request body', body(it.b)),
    ...part('Response headers', it.r?.h.length ? pairs(it.r.h, 'headers') : null), ...part('Response body', body(it.x?.b)));
    if (it.ev?.length) {
      content.push(make('h3', null, it.ev.length + (it.ev.length === 1 ? ' event' : ' events')));
      for (const event of it.ev.slice(0, 500)) {
        const box = make('details', null, make('summary', null, make('span', { class: 't' }, '+' + time(event.t - it.t)), [event.m ?? event.kind0 ?? event.event, event.id && 'id ' + event.id, size(event.b.n)].filter(Boolean).join(' · ')));
        box.addEventListener('toggle', () => { if (box.open && !box.dataset.made) { box.dataset.made = 1; box.append(body(event.b) ?? ''); } });
        box.open = it.ev.length === 1;
        content.push(box);
      }
      if (it.ev.length > 500) content.push(make('p', { class: 'faint' }, 'and ' + (it.ev.length - 500) + ' more'));
    }
    content.push(...links('Message', items.filter((other) => other.k === 'call' && it.id != null && other.id === it.id && other.kind0 === 'request' && other.t <= it.t && other.end >= it.t)));
  } else content.push(pairs([['At', clock(it.t) + ' s'], ['Level', it.level], ['Module', it.module]]));
  details.replaceChildren(...content);
  details.scrollTop = 0;
}

// ---- The top of the page.
function figure(count, text, bad) {
  return make('li', { class: bad ? 'bad' : '' }, make('b', null, String(count)), text);
}
function buttons() {
  const all = [['message', 'Messages'], ['http', 'HTTP'], ['auth', 'Sign-in'], ['note', 'Notes'], ['bad', 'Errors only']];
  by('kinds').replaceChildren(...all.map(([kind, text]) => make('button', { type: 'button', class: kind, id: 'kind-' + kind,
    'aria-pressed': String(kind === 'bad' ? state.errors : state.kinds[kind]), onclick: () => toggle(kind) }, text)));
}
function toggle(kind) {
  if (kind === 'bad') state.errors = !state.errors;
  else state.kinds[kind] = !state.kinds[kind];
  const focused = document.activeElement?.id;
  buttons();
  if (focused?.startsWith('kind-')) by(focused).focus();
  filter();
}
function head() {
  const run = data.runs[0];
  const server = run ? run.server : 'a trace without a beginning';
  document.title = clean('Trace: ' + server);
  by('server').textContent = clean(server);
  by('run').textContent = clean(run ? ['mcp-tether ' + run.version, run.command, run.time.replace('T', ' ').replace('Z', ' UTC'), time(data.lasted), 'run ' + run.run].join(' · ') : time(data.lasted));
  const bad = items.filter((it) => it.bad);
  const count = (kind) => items.filter((it) => it.kind === kind && it.k !== 'missed').length;
  by('figures').append(figure(data.messages, 'messages'), figure(count('http'), 'HTTP'), ...(count('auth') ? [figure(count('auth'), 'sign-in')] : []), figure(bad.length, 'errors', bad.length > 0));
  if (data.notice) {
    by('notice').hidden = false;
    by('notice').textContent = clean(data.notice);
  }
  if (!bad.length) by('problem-list').append(make('li', { class: 'faint' }, 'None.'));
  for (const it of bad.slice(0, 200)) {
    by('problem-list').append(make('li', null, make('button', { type: 'button', onclick: () => go(it.index) },
      make('span', { class: 't' }, clock(it.t)), make('b', null, it.k === 'missed' ? 'Missing records' : it.k === 'note' ? it.sub : it.label + (it.name ? ' ' + it.name : '')), make('i', null, it.why || (it.k === 'note' || it.k === 'missed' ? it.label : it.status)))));
  }
  if (bad.length > 200) by('problem-list').append(make('li', { class: 'faint' }, 'and ' + (bad.length - 200) + ' more'));
  for (const method of data.methods) {
    by('methods').append(make('tr', null, make('td', null, method.m), make('td', { class: 'faint' }, method.at), make('td', { class: 'n' }, String(method.count)),
      make('td', { class: 'n' + (method.bad ? ' bad' : '') }, String(method.bad)), ...['p50', 'p95', 'max'].map((name) => make('td', { class: 'n' }, time(method[name])))));
  }
  by('latency').hidden = !data.methods.length;
}

// ---- What the person does.
let waiting = 0;
const soon = (work) => { cancelAnimationFrame(waiting); waiting = requestAnimationFrame(() => work()); };
list.addEventListener('scroll', () => soon(draw), { passive: true });
addEventListener('resize', () => soon(() => { axis(); draw(); }));
space.addEventListener('click', (event) => {
  const found = event.target.closest('.row');
  if (found) open(Number(found.id.slice(4)), false);
});
let typed = 0;
search.addEventListener('input', () => { clearTimeout(typed); typed = setTimeout(() => { state.text = search.value; filter(); }, 120); });
by('zoom').addEventListener('click', (event) => {
  const what = event.target.dataset.do;
  if (what === 'in') scale(0.5);
  if (what === 'out') scale(2);
  if (what === 'all') zoom(0, length);
});
let from = null;
const ticks = by('ticks'), drag = by('drag');
const where = (event) => { const box = ticks.getBoundingClientRect(); return Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1); };
ticks.addEventListener('pointerdown', (event) => { from = where(event); ticks.setPointerCapture(event.pointerId); });
ticks.addEventListener('pointermove', (event) => {
  if (from === null) return;
  const to = where(event);
  drag.hidden = false;
  drag.style.marginLeft = Math.min(from, to) * 100 + '%';
  drag.style.width = Math.abs(to - from) * 100 + '%';
});
ticks.addEventListener('pointerup', (event) => {
  if (from === null) return;
  const [a, b] = [from, where(event)].sort((x, y) => x - y), span = state.to - state.from;
  from = null;
  drag.hidden = true;
  if (b - a > 0.01) zoom(state.from + a * span, state.from + b * span);
});
ticks.addEventListener('pointercancel', () => { from = null; drag.hidden = true; });
ticks.addEventListener('dblclick', () => zoom(0, length));
document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target === search;
  const onList = event.target === list;
  const place = shown.findIndex((it) => it.index === state.chosen);
  const page = Math.max(1, Math.floor(list.clientHeight / ROW) - 1);
  const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }[event.key];
  const span = state.to - state.from;
  if (event.key === 'Escape') {
    if (typing && search.value) { search.value = state.text = ''; filter(); } else if (state.open) close(); else list.focus();
  } else if (typing) {
    if (event.key !== 'Enter' && event.key !== 'ArrowDown') return;
    clearTimeout(typed);
    state.text = search.value;
    filter();
    list.focus();
  } else if (event.key === '/') search.focus();
  else if (onList && step !== undefined) { if (shown.length) choose(shown[Math.min(Math.max(place + step, 0), shown.length - 1)].index); }
  else if (onList && (event.key === 'Enter' || event.key === ' ')) { if (state.chosen >= 0) open(undefined, true); }
  else if (onList && event.key === 'ArrowLeft') zoom(state.from - span / 4, state.to - span / 4);
  else if (onList && event.key === 'ArrowRight') zoom(state.from + span / 4, state.to + span / 4);
  else if (event.key === 'e') toggle('bad');
  else if (event.key === '+' || event.key === '=') scale(0.5);
  else if (event.key === '-') scale(2);
  else if (event.key === '0') zoom(0, length);
  else return;
  event.preventDefault();
});
addEventListener('beforeprint', () => { space.style.height = Math.min(shown.length, PRINTED) * ROW + 'px'; draw(true); });
addEventListener('afterprint', () => filter());

head();
buttons();
filter();
