// The lock-order graph: dagre places it, SVG draws it. With two traces the graph is the union and
// what only one of them has says so. Kinds are told apart by dash and by the label.
import dagre from '@dagrejs/dagre';

const SVG = 'http://www.w3.org/2000/svg';
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
  g.setGraph({ rankdir: 'TB', nodesep: 22, ranksep: 46, edgesep: 14, marginx: 16, marginy: 16 });
  g.setDefaultEdgeLabel(() => ({}));
  const names = new Set(shown.flatMap((e) => [e.from, e.to]));
  for (const name of names) g.setNode(name, { width: name.length * 7.1 + 22, height: 28 });
  for (const e of shown) {
    const text = kindText(e.kinds);
    if (e.from !== e.to) {
      g.setEdge(e.from, e.to, { e, text, width: text.length * 5.6 + 8, height: 14, labelpos: 'c' });
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
  for (const name of g.edges()) drawEdge(svg, g.edge(name), on, traces.length);
  for (const name of g.nodes()) drawNode(svg, name, g.node(name), inCircle.has(name), on);
  box.append(svg);
  zoomable(svg);
  return { edges: shown.length, circles };
}

function drawEdge(svg, edge, on, sides) {
  const { e, points, text } = edge;
  const red = e.flags & 1;
  const weak = !red && e.flags & 2;
  const shared = !(e.kinds & 0x33);
  const only = sides === 2 && e.sides !== 3 ? ` only ${'AB'[e.sides - 1]}` : '';
  const group = make('g', { class: `edge ${red ? 'red' : weak ? 'weak' : ''} ${
    e.kinds & 15 ? '' : 'tried'} ${shared ? 'shared' : ''}`, tabindex: 0 }, svg);
  let d = `M${points[0].x},${points[0].y}`;
  for (let i = 1; i < points.length - 1; i++) {
    const p = points[i];
    const q = points[i + 1];
    d += i === points.length - 2 ? ` Q${p.x},${p.y} ${q.x},${q.y}`
      : ` Q${p.x},${p.y} ${(p.x + q.x) / 2},${(p.y + q.y) / 2}`;
  }
  const width = Math.min(7, 1.1 + Math.log2(1 + e.count) * 0.42) + (red ? 0.8 : 0);
  make('path', { d, class: 'hit' }, group);
  make('path', { d, class: 'line', 'stroke-width': width.toFixed(2),
    'marker-end': `url(#head-${red ? 'red' : weak ? 'weak' : 'plain'})` }, group);
  const label = make('text', { x: edge.x, y: edge.y + 3.5, class: 'kind' }, group);
  label.textContent = text + (weak ? ' weak' : '') + only;
  group.addEventListener('pointermove', (ev) => on.hover(ev, e));
  group.addEventListener('pointerleave', () => on.leave());
  group.addEventListener('click', () => on.pick([e.from, e.to], e));
  group.addEventListener('keydown', (ev) => ev.key === 'Enter' && on.pick([e.from, e.to], e));
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

function zoomable(svg) {
  const whole = () => [0, 0, +svg.dataset.w, +svg.dataset.h];
  let view = whole();
  const apply = () => svg.setAttribute('viewBox', view.join(' '));
  svg.addEventListener('wheel', (ev) => {
    ev.preventDefault();
    const k = Math.exp(ev.deltaY * 0.0015);
    const box = svg.getBoundingClientRect();
    const fx = (ev.clientX - box.x) / box.width;
    const fy = (ev.clientY - box.y) / box.height;
    view = [view[0] + view[2] * (1 - k) * fx, view[1] + view[3] * (1 - k) * fy, view[2] * k, view[3] * k];
    apply();
  }, { passive: false });
  svg.addEventListener('pointerdown', (ev) => {
    if (ev.target.closest('.edge, .node')) return;
    svg.setPointerCapture(ev.pointerId);
    const from = [ev.clientX, ev.clientY, ...view];
    const box = svg.getBoundingClientRect();
    const scale = Math.max(view[2] / box.width, view[3] / box.height);
    svg.onpointermove = (e) => {
      view[0] = from[2] - (e.clientX - from[0]) * scale;
      view[1] = from[3] - (e.clientY - from[1]) * scale;
      apply();
    };
    svg.onpointerup = () => { svg.onpointermove = null; };
  });
  svg.addEventListener('dblclick', () => { view = whole(); apply(); });
}
