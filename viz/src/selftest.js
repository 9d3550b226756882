// With `#selftest` in its address the page uses itself as a person would and writes what came of it
// into the document, so that a browser without a driver can be the test.
import { search } from './search.js';

const frame = () => new Promise((done) => { setTimeout(done, 40); });

function inked(canvas) {
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const colors = new Set();
  for (let i = 0; i < data.length; i += 4 * 53) colors.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
  return colors.size;
}

// How large the graph's labels are, in pixels, and how many of them lie on the line of another edge.
function labels() {
  const svg = document.querySelector('#graph svg');
  const lines = [...svg.querySelectorAll('.edge .line')].map((line) => {
    const points = [];
    for (let at = 0, all = line.getTotalLength(); at < all; at += 3) points.push(line.getPointAtLength(at));
    return points;
  });
  const boxes = [...svg.querySelectorAll('.label')].map((label) => label.getBBox());
  const on = (box, { x, y }) => x > box.x && x < box.x + box.width && y > box.y && y < box.y + box.height;
  const crossed = boxes.filter((box, i) => lines.some((line, k) => k !== i && line.some((p) => on(box, p))));
  return { size: 10 * svg.getScreenCTM().a, crossed: crossed.length };
}

// The patterns of the maps' legend without their colours: where a swatch shows the page through.
function swatches() {
  return document.getElementById('strips').swatches.map(({ canvas, prefix, state }) => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const page = document.createElement('canvas').getContext('2d');
    page.fillStyle = getComputedStyle(document.documentElement).getPropertyValue('--canvas');
    page.fillRect(0, 0, 1, 1);
    const ground = page.getImageData(0, 0, 1, 1).data;
    let pattern = '';
    for (let i = 0; i < data.length; i += 4) pattern += data[i] === ground[0] && data[i + 1] === ground[1] ? '1' : '0';
    return [prefix, state, pattern];
  });
}

// Of two traces: on both axes, where in its view each first difference is and what is written there.
function beside(app, keydown) {
  const look = () => app.views.map((v) => {
    v.paint();
    const x = v.px(v.x(v.t.head.diff.first[0]));
    return { part: (x - v.px(v.from)) / v.width, marked: v.marked, records: v.recordAt(v.to) - v.recordAt(v.from) };
  });
  keydown('x');
  const time = look();
  keydown('o');
  const order = look();
  keydown('w');
  const zoomed = look();
  keydown('o');
  keydown('f');
  keydown('o');
  const whole = app.views.map((v) => v.from <= 0 && v.to >= v.end);
  keydown('o');
  return { time, order, zoomed, whole, holder: app.views.indexOf(app.active) };
}

export async function selftest(app) {
  const result = { painted_ms: Math.round(app.painted), ready_ms: Math.round(app.ready), traces: app.traces.length };
  const view = app.views[0];
  const { t } = view;
  const keydown = (key) => { document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true })); };
  result.records = t.n;
  result.lanes = t.lanes.map((l) => l.title);
  result.spans = t.span_begin.length;
  result.waits = t.wait_at.length;
  result.colors = inked(view.canvas);
  result.drawn = view.drawn;
  result.arrows = view.arrows;
  result.nodes = document.querySelectorAll('#graph .node').length;
  result.edges = document.querySelectorAll('#graph .edge').length;
  result.red_edges = document.querySelectorAll('#graph .edge.red').length;
  result.dashed = document.querySelectorAll('#graph .edge.shared, #graph .edge.tried').length;
  result.circles = document.querySelectorAll('#findings li').length;
  if (result.edges) result.labels = labels();
  // A click on a class of the graph filters the timeline, Escape ends that.
  const node = document.querySelector('#graph .node');
  if (node) {
    node.dispatchEvent(new MouseEvent('click', { bubbles: true }));
    result.filtered = !!view.filter && view.filter.has(node.dataset.name);
    keydown('Escape');
    result.unfiltered = view.filter === null;
    const edge = document.querySelector('#graph .edge');
    edge.dispatchEvent(new PointerEvent('pointermove', { bubbles: true, clientX: 50, clientY: 50 }));
    result.tip = document.getElementById('tip').textContent.slice(0, 300);
    edge.dispatchEvent(new PointerEvent('pointerleave'));
  }
  // A click on the timeline moves the cursor and shows the record.
  keydown('f');
  const row = t.lanes.find((l) => l.cpu === undefined).rows.find((r) => r.y !== undefined);
  const k = row.begin.length >> 1;
  view.click((Math.max(view.px(view.x(row.begin[k])), 119) + view.px(view.x(row.end[k]))) / 2, row.y + 5);
  result.clicked = document.getElementById('record').textContent.includes(t.record(view.cursor));
  const cursor = view.cursor;
  keydown('ArrowRight');
  result.arrow_key = view.cursor === Math.min(cursor + 1, t.n - 1);
  const wide = view.to - view.from;
  keydown('w');
  result.zoomed = view.to - view.from < wide;
  keydown('f');
  keydown('g');
  result.large = view.canvas.clientWidth === 0 && document.querySelector('#graph svg, #graph .empty').clientWidth > innerWidth * 0.7;
  keydown('g');
  keydown('o');
  result.axis = view.axis;
  keydown('o');
  if (app.views.every((v) => v.t.head.diff && v.t.head.diff.first)) result.beside = beside(app, keydown);
  const dark = document.documentElement.hasAttribute('data-dark');
  const light = swatches();
  keydown('t');
  result.swatches = [light, swatches()];
  result.theme = document.documentElement.hasAttribute('data-dark') !== dark;
  result.found = search(app, t.record(0), document.getElementById('found'));
  keydown('n');
  keydown('Escape');
  keydown('f');
  result.strips = document.querySelectorAll('.strip canvas').length;
  const pieces = () => +document.getElementById('strips').dataset.shown;
  const early = pieces();
  result.pieces = [early];
  view.on.pick(view, t.n - 1, null);
  result.pieces.push(pieces());
  result.difference = app.views.map((v) => v.t.head.diff && v.t.head.diff.first);
  // How long a frame takes at several zooms, all of it in view first.
  const times = [];
  view.fit();
  for (let i = 0; i < 30; i++) {
    const begin = performance.now();
    view.paint();
    times.push(performance.now() - begin);
    view.zoom(i < 15 ? 0.5 : 1.6, 400 + i * 9);
  }
  times.sort((a, b) => a - b);
  result.frame_ms = { median: +times[15].toFixed(2), most: +times[29].toFixed(2) };
  view.fit();
  await frame();
  result.notices = document.getElementById('notices').innerText;
  result.errors = app.errors;
  const pre = document.createElement('pre');
  pre.id = 'selftest';
  pre.hidden = true;
  pre.textContent = `SELFTEST ${JSON.stringify(result)}`;
  document.body.append(pre);
}
