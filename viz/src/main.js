// The page: loads the traces, lays out panels, and ties cursor, filter, search and keys together.
import { NONE, bound, duration, load, seconds } from './data.js';
import { lockOf, openAt, prepare } from './model.js';
import { Timeline } from './timeline.js';
import { drawGraph, kindText } from './graph.js';
import { drawMaps } from './maps.js';
import { search, step } from './search.js';
import { selftest } from './selftest.js';

const $ = (id) => document.getElementById(id);
const app = { traces: [], views: [], active: null, filter: null, errors: [] };
window.addEventListener('error', (ev) => app.errors.push(String(ev.message)));
window.addEventListener('unhandledrejection', (ev) => app.errors.push(String(ev.reason)));
const complain = console.error;
console.error = (...words) => { app.errors.push(words.join(' ')); complain(...words); };

// --- what the traces are ------------------------------------------------------------------------

function about() {
  const box = $('about');
  const names = app.traces.map((t) => t.head.info.scenario || t.head.name);
  document.title = `${names.join(' | ')} - Faultline`;
  const i = app.traces[0].head.info;
  const add = (tag, text, cls) => { const e = document.createElement(tag); e.textContent = text; if (cls) e.className = cls; box.append(e); };
  add('b', [...new Set(names)].join('  |  '));
  if (i.native) add('span', `   ${i.profile}, seed ${i.seed}`);
  else add('span', '   a real kernel’s trace');
  add('span', `, ${app.traces.map((t) => t.n.toLocaleString('en')).join(' and ')} records, ${app.traces.map((t) => duration(t.time[t.n - 1] - t.start)).join(' and ')}`);
  for (const t of app.traces) if (t.head.info.outcome) add('span', t.head.info.outcome, `chip ${t.head.info.outcome === 'completed' ? '' : 'bad'}`);
  if (app.traces.some((t) => !t.head.info.complete)) add('span', 'incomplete', 'chip bad');
  app.traces.forEach((t, k) => notices(t, app.traces.length === 2 ? `${'AB'[k]}: ` : ''));
}

function notices(t, side) {
  const { info } = t.head;
  const say = (text, who = side) => { const p = document.createElement('p'); p.textContent = who + text; $('notices').append(p); };
  if (!info.complete) {
    if (info.native) say('This trace is incomplete: its end line is missing or counts other records.');
    else say(`This trace is incomplete: events were lost (${info.lost} gaps) or overwritten (${info.overwritten}). Which locks are held after a gap is unknown.`);
  }
  if (t.head.locks_are_inferred) say('No lock events are recorded: locks are those of mmap_lock and XFS inode lock events.');
  if (info.malformed) say(`${info.malformed} lines are no trace text and are left out.`);
  if (info.out_of_order) say(`${info.out_of_order} records bear an earlier time than the one before; they are drawn at its time.`);
  const d = t.head.diff;
  if (d && side === 'A: ') {
    if (d.same) say('Both traces are the same.', '');
    else say(`They differ: ${d.equal} records agree, ${d.only_a} only in A, ${d.only_b} only in B. ${d.columns.map((c) => `${c.name} differs in ${c.count}.`).join(' ')} ${d.facts.join('. ')}`, '');
  }
}

// --- cursor, details ----------------------------------------------------------------------------

function row(table, name, value, cls) {
  const tr = table.insertRow();
  tr.insertCell().textContent = name;
  const td = tr.insertCell();
  td.textContent = value;
  if (cls) td.className = cls;
}

function details(t, i) {
  $('record-at').textContent = `#${i} at ${seconds(t.time[i])} s`;
  const table = document.createElement('table');
  row(table, 'event', t.record(i), 'path');
  row(table, 'task', `${t.taskName(t.task[i])} on CPU ${t.cpu[i]}${['', ', in a softirq', ', in an interrupt'][t.context[i]]}`);
  const open = openAt(t, i);
  const of = (kind) => open.filter((o) => o.row.kind === kind).map((o) => t.spanName(o.span));
  const step = of('step');
  if (step.length) row(table, 'step', step[0]);
  const call = [...of('syscall'), ...of('fault')];
  if (call.length) row(table, 'in', call.join(', '));
  if (of('call').length) row(table, 'call path', of('call').join(' › '), 'path');
  if (of('hold').length) row(table, 'holds', of('hold').join(', '), 'path');
  const begun = open.filter((o) => t.span_begin[o.span] === i);
  for (const { span } of begun) {
    const end = t.span_end[span];
    row(table, t.kindName(span), end === NONE ? 'to the end of the trace' : `for ${duration(t.time[end] - t.time[i])}`);
  }
  const w = t.waitAt(i);
  if (w >= 0) {
    if (t.wait_owner[w] !== NONE) row(table, 'owner', `${t.taskName(t.task[t.wait_owner[w]])}, since ${seconds(t.time[t.wait_owner[w]])}`);
    if (t.wait_waker[w] !== NONE) row(table, 'let go by', `${t.taskName(t.task[t.wait_waker[w]])} at ${seconds(t.time[t.wait_waker[w]])}`);
  }
  $('record').replaceChildren(table);
  log(t, i);
}

function log(t, i) {
  const box = $('log');
  const from = Math.max(0, i - 40);
  const to = Math.min(t.n, i + 60);
  box.replaceChildren();
  for (let k = from; k < to; k++) {
    const line = document.createElement('div');
    const b = document.createElement('b');
    b.textContent = `${seconds(t.time[k])} ${t.taskName(t.task[k]).padStart(14)} `;
    line.append(b, t.record(k));
    if (k === i) line.className = 'here';
    line.onclick = () => go(app.active, k);
    box.append(line);
  }
  const here = box.querySelector('.here');
  if (here) box.scrollTop = here.offsetTop - box.offsetTop - box.clientHeight / 2;
}

export function go(view, record, zoom) {
  app.active = view;
  view.go(record, zoom);
  details(view.t, record);
  $('maps-at').textContent = `at ${seconds(view.t.time[record])} s`;
  drawMaps($('strips'), view.t, record);
}

// --- filter and graph ---------------------------------------------------------------------------

function setFilter(names) {
  app.filter = names && app.filter && names.join() === [...app.filter].join() ? null : names ? new Set(names) : null;
  for (const v of app.views) { v.filter = app.filter; v.draw(); }
  for (const n of document.querySelectorAll('.node')) n.classList.toggle('picked', !!app.filter && app.filter.has(n.dataset.name));
  $('order-sum').textContent = app.filter ? `showing ${[...app.filter].join(' → ')}; Esc shows all` : app.orderText;
}

function tip(ev, fill) {
  const box = $('tip');
  box.replaceChildren();
  fill(box);
  box.hidden = false;
  const w = box.offsetWidth;
  const h = box.offsetHeight;
  box.style.left = `${Math.min(ev.clientX + 14, innerWidth - w - 8)}px`;
  box.style.top = `${ev.clientY + 18 + h > innerHeight ? Math.max(4, ev.clientY - h - 12) : ev.clientY + 18}px`;
}

function text(parent, tag, words) { const e = document.createElement(tag); e.textContent = words; parent.append(e); }

function edgeTip(box, e) {
  text(box, 'b', `${e.from} → ${e.to}`);
  text(box, 'div', `${kindText(e.kinds)}, seen ${e.count} time${e.count === 1 ? '' : 's'}${e.flags & 1 ? ', on a circle' : e.flags & 2 ? ', on a closed path that is too weak to deadlock' : ''}`);
  for (const s of e.seen.slice(0, 3)) {
    text(box, 'em', `first ${kindText(s.kind)}: ${s.task} at ${seconds(s.ns)}`);
    text(box, 'pre', `holding, taken in  ${s.held.slice(-5).join(' › ') || 'an unknown place'}\nwanted in  ${s.wanted.slice(-5).join(' › ') || 'an unknown place'}`);
  }
}

function order() {
  const options = { bits: $('bits').checked, reduce: $('reduce').checked, only: $('only').checked };
  const on = { hover: (ev, e) => tip(ev, (box) => edgeTip(box, e)), leave: () => { $('tip').hidden = true; },
    pick: (names, e) => {
      setFilter(names);
      if (e && app.filter) {
        const view = app.views[e.seen[0].side] || app.views[0];
        go(view, view.recordAt(view.axis === 'time' ? e.seen[0].ns - view.t.start : bound(view.t.n, (k) => view.t.time[k] < e.seen[0].ns)));
      }
    } };
  const result = drawGraph($('graph'), app.traces, options, on);
  app.orderText = `${result.edges} dependencies, ${result.circles.length ? `${result.circles.length} circle${result.circles.length > 1 ? 's' : ''}` : 'no circle'}`;
  $('order-sum').textContent = app.orderText;
  const list = $('findings');
  list.replaceChildren();
  for (const c of result.circles) text(list, 'li', [...c.names, c.names[0]].join(' → ') + remarks(c));
}

function remarks(circle) {
  return (circle.try_wait ? '; only because a try that fails waits' : '')
    + (circle.instances ? '; by instance: the subclasses are in order' : '')
    + (circle.guard ? `; guarded: ${circle.guard} kept the tasks apart in all that was seen` : '');
}

// --- hover over the timeline --------------------------------------------------------------------

function hover(ev, view, hit) {
  if (!hit || hit.record === undefined) { $('tip').hidden = true; return; }
  const { t } = view;
  const { row: r, i } = hit;
  tip(ev, (box) => {
    if (r.kind === 'run') {
      text(box, 'b', t.taskName(t.run_task[r.span[i]]));
      text(box, 'div', `on ${hit.lane.title} for ${duration(t.time[r.end[i]] - t.time[r.begin[i]])}`);
      return;
    }
    const s = r.span[i];
    if (s < 0) { text(box, 'pre', t.record(r.begin[i])); text(box, 'em', seconds(t.time[r.begin[i]])); return; }
    text(box, 'b', t.spanName(s));
    const open = t.span_end[s] === NONE;
    text(box, 'div', `${t.kindName(s)}, ${open ? 'does not end in this trace' : duration(t.time[t.span_end[s]] - t.time[t.span_begin[s]])}`);
    if (r.kind === 'hold') text(box, 'em', lockOf(t.record(t.span_begin[s])).read ? 'shared' : 'exclusive');
    if (r.kind === 'call' && !open) text(box, 'em', t.record(t.span_end[s]).replace(/^sim_ret: /, ''));
    const w = r.kind === 'wait' ? t.waitAt(t.span_begin[s]) : -1;
    if (w >= 0 && t.wait_owner[w] !== NONE) text(box, 'div', `held by ${t.taskName(t.task[t.wait_owner[w]])}`);
    text(box, 'em', ` at ${seconds(t.time[t.span_begin[s]])}`);
  });
}

// --- keys, theme, start -------------------------------------------------------------------------

function theme(dark) {
  document.documentElement.toggleAttribute('data-dark', dark);
  for (const v of app.views) v.draw();
  if (app.active) drawMaps($('strips'), app.active.t, app.active.cursor);
}

function toWait(view, d) {
  const { t } = view;
  const list = t.wait_at;
  const i = d > 0 ? bound(list.length, (k) => list[k] <= view.cursor) : bound(list.length, (k) => list[k] < view.cursor) - 1;
  if (i >= 0 && i < list.length) go(view, list[i], true);
}

function sameTask(view, d) {
  const { t } = view;
  for (let k = view.cursor + d; k >= 0 && k < t.n; k += d) if (t.task[k] === t.task[view.cursor]) return go(view, k);
}

// Of two traces, zoom and position are common: as far from the start, or from the records that were
// laid beside each other. The clocks of both traces need not agree.
function link(v) {
  if (app.linking) return;
  app.linking = true;
  for (const o of app.views) if (o !== v) o.show(v.from - v.base + o.base, v.to - v.base + o.base);
  app.linking = false;
}

function fit() {
  app.beside = false;
  for (const v of app.views) { v.anchor = null; v.fit(); }
}

// Lays both traces beside each other at their first difference, also where one lacks a record.
function difference() {
  const places = app.views.map((v) => v.t.head.diff && v.t.head.diff.first);
  if (!places.every(Boolean)) return;
  app.beside = true;
  app.views.forEach((v, i) => { [v.anchor] = places[i]; });
  // Last, and thereby in the details: the record that is there.
  const has = places.findIndex(([, side]) => side === 0);
  for (const i of [1 - has, has]) go(app.views[i], places[i][0], true);
}

// The lock order alone, and back.
function large() {
  const big = document.body.classList.toggle('big');
  $('large').textContent = big ? '⤡ back' : '⤢ enlarge';
  order();
  for (const v of app.views) v.draw();
}

// Each view goes over to the new axis by itself; the records in the middle stay beside each other.
function axis() {
  const next = app.active.axis === 'time' ? 'order' : 'time';
  const whole = app.views.every((v) => v.from <= 0 && v.to >= v.end);
  app.linking = true;
  for (const v of app.views) {
    if (!app.beside) v.anchor = next === 'order' && !whole ? v.recordAt((v.from + v.to) / 2) : null;
    v.setAxis(next);
    if (whole) v.fit();
  }
  app.linking = false;
  if (!whole) link(app.active);
  $('axis').textContent = next === 'time' ? 'time' : 'records';
}

const keys = {
  w: (v) => v.zoom(0.6), s: (v) => v.zoom(1 / 0.6), a: (v) => v.pan(-0.2), d: (v) => v.pan(0.2),
  '+': (v) => v.zoom(0.6), '-': (v) => v.zoom(1 / 0.6),
  ArrowLeft: (v) => v.cursor > 0 && go(v, v.cursor - 1), ArrowRight: (v) => v.cursor + 1 < v.t.n && go(v, v.cursor + 1),
  ArrowUp: (v) => sameTask(v, -1), ArrowDown: (v) => sameTask(v, 1),
  '/': () => $('search').focus(), n: () => step(app, 1, go), N: () => step(app, -1, go),
  '[': (v) => toWait(v, -1), ']': (v) => toWait(v, 1), o: axis, x: difference,
  f: fit, t: () => theme(!document.documentElement.hasAttribute('data-dark')),
  c: (v) => { const open = v.t.lanes.some((l) => l.cpu === undefined && l.open); for (const l of v.t.lanes) l.open = l.cpu !== undefined || !open; v.draw(); },
  g: large, '?': () => $('keys').showModal(),
  Escape: () => { setFilter(null); $('search').value = ''; search(app, '', $('found')); },
};

function listen() {
  document.addEventListener('keydown', (ev) => {
    if (ev.ctrlKey || ev.metaKey || ev.altKey) return;
    if (ev.target.matches('input[type=search]')) {
      if (ev.key === 'Enter') step(app, ev.shiftKey ? -1 : 1, go);
      if (ev.key === 'Escape') { keys.Escape(); ev.target.blur(); }
      return;
    }
    const key = keys[ev.key];
    if (!key) return;
    ev.preventDefault();
    key(app.active);
  });
  $('search').addEventListener('input', () => search(app, $('search').value, $('found')));
  for (const id of ['bits', 'reduce', 'only']) $(id).addEventListener('change', order);
  $('axis').onclick = axis;
  $('fit').onclick = fit;
  $('theme').onclick = keys.t;
  $('help').onclick = keys['?'];
  $('large').onclick = large;
  $('difference').onclick = difference;
  const wide = window.matchMedia('print');
  const dark = () => document.documentElement.hasAttribute('data-dark');
  let before = false;
  wide.addEventListener('change', (ev) => {
    if (ev.matches) { before = dark(); document.documentElement.removeAttribute('data-dark'); app.views.forEach((v) => v.paint()); drawMaps($('strips'), app.active.t, app.active.cursor); } else theme(before);
  });
}

async function start() {
  theme(window.matchMedia('(prefers-color-scheme: dark)').matches);
  for (const element of document.querySelectorAll('script.trace')) app.traces.push(await load(element));
  app.traces.forEach((t, side) => {
    prepare(t);
    const div = document.createElement('div');
    if (app.traces.length === 2) div.innerHTML = `<h3>${'AB'[side]}</h3>`;
    if (app.traces.length === 2) div.firstChild.append(`   ${t.head.name}`);
    const canvas = document.createElement('canvas');
    div.append(canvas);
    $('timelines').append(div);
    app.views.push(new Timeline(canvas, t, { hover, leave: () => { $('tip').hidden = true; },
      active: (v) => { app.active = v; },
      view: link,
      pick: (v, record, hit) => { go(v, record); if (hit && hit.row && /hold|wait/.test(hit.row.kind)) setFilter([v.t.spanName(hit.row.span[hit.i])]); } }));
  });
  app.active = app.views[0];
  $('difference').hidden = app.traces.length < 2;
  app.views.forEach((v) => v.paint());
  app.painted = performance.now();
  await new Promise((done) => { setTimeout(done, 0); });
  const edges = Math.max(...app.traces.map((t) => t.head.order.graphs[0].edges.length));
  $('reduce').checked = edges > 40;
  about();
  listen();
  order();
  go(app.active, 0);
  if (app.traces.length === 2) difference();
  app.views.forEach((v) => { v.paint(); });
  app.ready = performance.now();
  document.documentElement.dataset.ready = Math.round(app.ready);
  if (location.hash.startsWith('#selftest')) await selftest(app, keys);
  if (location.hash.startsWith('#show=')) show(decodeURIComponent(location.hash.slice(6)));
}

// `#show=KEYS;RECORD`: presses keys and goes to a record, for links and pictures.
function show(words) {
  for (const word of words.split(';')) {
    if (/^\d+$/.test(word)) go(app.active, +word, true);
    else for (const key of word) keys[key]?.(app.active);
  }
}

start().catch((error) => {
  console.error(error);
  const p = document.createElement('p');
  p.textContent = `This page could not be shown: ${error}. It needs a browser with DecompressionStream (Chromium 80, Firefox 113, Safari 16.4 or later).`;
  $('notices').append(p);
});
