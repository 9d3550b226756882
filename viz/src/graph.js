// The lock-order graph: dagre places it, SVG draws it. With two traces the graph is the union and
// what only one of them has says so. Kinds are told apart by dash and by the label. Drawn no smaller
// than can be read: a larger graph is scrolled.
import dagre from '@dagrejs/dagre';

const SVG = 'http://www.w3.org/2000/svg';
const READABLE = 0.9;  // the smallest scale that is chosen: labels of 9 pixels
const KINDS = ['E→N', 'E→R', 'S→N', 'S→R'];

function make(tag, attributes, parent) {
  const node = document.createElementNS(SVG, tag);
  for (const [k, v] of Object.entries(attributes)) node.setAttribute(k, v);
  if (parent) parent.append(node);
  return node;
}

export function kindText(kinds) {
  const plain = KINDS.filter((_, i) => kinds & (1 << i));
  const tried = KINDS.filter((_, i) => kinds & (16 << i)).map((k) => `try ${k}`);
  return [...plain, ...tried].join(' ');
}

export function merged(traces, which) {
  const edges = new Map();
  const circles = [];
  traces.forEach((t, side) => {
    const { classes, graphs } = t.head.order;
    const graph = graphs[which];
    graph.edges.forEach((e) => {
      const key = `${classes[e.from]}\n${classes[e.to]}`;
      const old = edges.get(key) || { from: classes[e.from], to: classes[e.to], kinds: 0, count: 0,
        flags: 0, seen: [], sides: 0 };
      old.kinds |= e.kinds;
      old.count += e.count;
      old.flags |= e.flags;
      old.sides |= 1 << side;
      old.seen.push(...e.seen.map((s) => ({ ...s, side })));
      edges.set(key, old);
    });
    for (const c of graph.circles) circles.push({ ...c, side });
  });
  return { edges: [...edges.values()], circles };
}

// Leaves out an edge that a longer way implies; never one on a closed path.
function reduced(edges) {
  const next = new Map();
  for (const e of edges) {
    if (e.from === e.to) continue;
    if (!next.has(e.from)) next.set(e.from, []);
    next.get(e.from).push(e.to);
  }
  const reaches = (from, to, without) => {
    const seen = new Set([from]);
    const todo = [...(next.get(from) || [])].filter((v) => v !== without);
    while (todo.length) {
      const v = todo.pop();
      if (v === to) return true;
      if (seen.has(v)) continue;
      seen.add(v);
      todo.push(...(next.get(v) || []));
    }
    return false;
  };
  return edges.filter((e) => e.flags || !reaches(e.from, e.to, e.to));
}

export function drawGraph(box, traces, options, on) {
  box.replaceChildren();
  const { edges, circles } = merged(traces, options.bits ? 1 : 0);
  let shown = options.reduce ? reduced(edges) : edges;
  if (options.only) {
    const near = new Set(circles.flatMap((c) => c.names));
    shown = shown.filter((e) => near.has(e.from) && near.has(e.to));
  }
  if (!shown.length) {
    box.innerHTML = '<p class="empty">No lock was taken while another was held.</p>';
    return { edges: 0, circles };
  }
  const g = new dagre.graphlib.Graph({ multigraph: false });
  g.setGraph({ rankdir: 'TB', nodesep: 22, ranksep: 56, edgesep: 18, marginx: 16, marginy: 16 });
  g.setDefaultEdgeLabel(() => ({}));
  const names = new Set(shown.flatMap((e) => [e.from, e.to]));
  for (const name of names) g.setNode(name, { width: name.length * 7.1 + 22, height: 28 });
  for (const e of shown) {
    const text = labelText(e, traces.length);
    if (e.from !== e.to) {
      g.setEdge(e.from, e.to, { e, text, width: text.length * 6.05 + 8, height: 14, labelpos: 'c' });
    }
  }
  dagre.layout(g);
  const { width, height } = g.graph();
  const svg = make('svg', { viewBox: `0 0 ${width} ${height}`, class: 'graph', role: 'img',
    'aria-label': 'lock order graph' });
  svg.dataset.w = width;
  svg.dataset.h = height;
  const defs = make('defs', {}, svg);
  for (const id of ['plain', 'red', 'weak']) {
    const m = make('marker', { id: `head-${id}`, viewBox: '0 0 8 8', refX: 7, refY: 4,
      markerWidth: 8, markerHeight: 8, markerUnits: 'userSpaceOnUse', orient: 'auto' }, defs);
    make('path', { d: 'M0,0.6 L8,4 L0,7.4 z', class: `head ${id}` }, m);
  }
  const inCircle = new Set(circles.flatMap((c) => c.names));
  // Labels are above all edges, with a ground of their own.
  const placed = g.edges().map((name) => [g.edge(name), g.node(name.v), g.node(name.w)]);
  const drawn = placed.map(([edge, from, to]) => drawEdge(svg, edge, from, to, on));
  placed.forEach(([edge], i) => drawLabel(svg, edge, drawn[i], on));
  for (const name of g.nodes()) drawNode(svg, name, g.node(name), inCircle.has(name), on);
  box.append(svg);
  const first = g.nodes().find((name) => inCircle.has(name))
    ?? g.nodes().reduce((p, q) => (g.node(q).y < g.node(p).y ? q : p));
  zoomable(box, svg, g.node(first));
  return { edges: shown.length, circles };
}

const isRed = (e) => e.flags & 1;
const isWeak = (e) => !isRed(e) && e.flags & 2;

function labelText(e, sides) {
  const only = sides === 2 && e.sides !== 3 ? ` only ${'AB'[e.sides - 1]}` : '';
  return kindText(e.kinds) + (isWeak(e) ? ' weak' : '') + only;
}

// Through the points that dagre kept free, upright in each, so that an edge passes between the labels
// of its rank, to the border of both nodes.
function route(points, from, to) {
  const down = to.y > from.y ? 1 : -1;
  const border = (node, near, side) => ({ y: node.y + side * 14,
    x: Math.min(Math.max(near.x, node.x - node.width / 2 + 9), node.x + node.width / 2 - 9) });
  const inner = points.slice(1, -1);
  const way = [border(from, inner[0], down), ...inner, border(to, inner[inner.length - 1], -down)];
  let d = `M${way[0].x},${way[0].y}`;
  for (let i = 1; i < way.length; i++) {
    const [p, q] = [way[i - 1], way[i]];
    const middle = (p.y + q.y) / 2;
    d += ` C${p.x},${middle} ${q.x},${middle} ${q.x},${q.y}`;
  }
  return d;
}

function act(group, e, on) {
  group.addEventListener('pointermove', (ev) => on.hover(ev, e));
  group.addEventListener('pointerleave', () => on.leave());
  group.addEventListener('click', () => on.pick([e.from, e.to], e));
}

function drawEdge(svg, edge, from, to, on) {
  const { e, points } = edge;
  const kind = isRed(e) ? 'red' : isWeak(e) ? 'weak' : '';
  const shared = !(e.kinds & 0x33);
  const group = make('g', { class: `edge ${kind} ${
    e.kinds & 15 ? '' : 'tried'} ${shared ? 'shared' : ''}`, tabindex: 0 }, svg);
  const d = route(points, from, to);
  const width = Math.min(7, 1.1 + Math.log2(1 + e.count) * 0.42) + (isRed(e) ? 0.8 : 0);
  make('path', { d, class: 'hit' }, group);
  make('path', { d, class: 'line', 'stroke-width': width.toFixed(2),
    'marker-end': `url(#head-${kind || 'plain'})` }, group);
  act(group, e, on);
  group.addEventListener('keydown', (ev) => ev.key === 'Enter' && on.pick([e.from, e.to], e));
  return group;
}

function drawLabel(svg, { e, text, x, y }, line, on) {
  const group = make('g', { class: `label ${isRed(e) ? 'red' : ''}` }, svg);
  const width = text.length * 6.05 + 4;
  make('rect', { x: x - width / 2, y: y - 7, width, height: 14, rx: 3 }, group);
  make('text', { x, y: y + 3.5, class: 'kind' }, group).textContent = text;
  act(group, e, on);
  group.addEventListener('pointerenter', () => line.classList.add('picked'));
  group.addEventListener('pointerleave', () => line.classList.remove('picked'));
}

function drawNode(svg, name, node, red, on) {
  const bit = /^(dax_entry|folio|xfs_buf\()/.test(name);
  const group = make('g', { class: `node ${red ? 'red' : ''} ${bit ? 'bit' : ''}`, tabindex: 0 }, svg);
  group.dataset.name = name;
  make('rect', { x: node.x - node.width / 2, y: node.y - 14, width: node.width, height: 28,
    rx: bit ? 14 : 5 }, group);
  make('text', { x: node.x, y: node.y + 4.5 }, group).textContent = name;
  group.addEventListener('click', () => on.pick([name]));
  group.addEventListener('keydown', (ev) => ev.key === 'Enter' && on.pick([name]));
}

// Scrolls by wheel and by dragging, zooms with Ctrl, and begins with the whole if that can be read,
// else at `first`.
function zoomable(box, svg, first) {
  const [w, h] = [+svg.dataset.w, +svg.dataset.h];
  const whole = () => Math.min(box.clientWidth / w, box.clientHeight / h);
  let scale = 1;
  const apply = (next) => {
    scale = Math.min(Math.max(next, Math.min(whole(), READABLE)), 4);
    // What fits is as large as the box; more than that brings the scroll bars.
    svg.style.width = `max(100%, ${Math.floor(w * scale)}px)`;
    svg.style.height = `max(100%, ${Math.floor(h * scale)}px)`;
    svg.dataset.scale = Math.max(scale, whole()).toFixed(3);
    // Where only a part is seen, the button that shows more stands out.
    document.getElementById('large').classList.toggle('urgent', whole() < scale - 0.001);
  };
  apply(Math.max(whole(), READABLE));
  box.scrollLeft = first.x * scale - box.clientWidth / 2;
  box.scrollTop = (first.y - 30) * scale;
  box.onwheel = (ev) => {
    if (!ev.ctrlKey && !ev.metaKey && !ev.altKey) return;
    ev.preventDefault();
    const edge = box.getBoundingClientRect();
    const [px, py] = [ev.clientX - edge.x, ev.clientY - edge.y];
    const before = scale;
    apply(scale * Math.exp(-ev.deltaY * 0.0015));
    box.scrollLeft = (box.scrollLeft + px) * scale / before - px;
    box.scrollTop = (box.scrollTop + py) * scale / before - py;
  };
  svg.addEventListener('pointerdown', (ev) => {
    if (ev.target.closest('.edge, .node, .label')) return;
    svg.setPointerCapture(ev.pointerId);
    const from = [ev.clientX + box.scrollLeft, ev.clientY + box.scrollTop];
    svg.onpointermove = (e) => box.scrollTo(from[0] - e.clientX, from[1] - e.clientY);
    svg.onpointerup = () => { svg.onpointermove = null; };
  });
  svg.addEventListener('dblclick', () => apply(scale > whole() + 0.001 ? whole() : READABLE));
}
