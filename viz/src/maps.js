// The file's extents and the page tables as they were at the cursor: a strip for each, states told
// apart by colour and by pattern.
import { NONE, bytesText } from './data.js';

// By state; none is solid.
const PATTERN = { extent: { 2: 'diagonal', 3: 'dots', 4: 'bars' },
  pte: { 0: 'diagonal', 2: 'cross', 3: 'grid' } };
const EXTENT = ['hole', 'written', 'unwritten', 'delayed', 'mapped'];
const PTE = ['read-only', 'writable', 'read-only, special', 'writable, special'];

const colorOf = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

// A piece in its state: colour, and over it the pattern in the colour of the page.
function piece(cx, prefix, state, x, y, w, h) {
  cx.fillStyle = colorOf(`${prefix}${state}`);
  cx.fillRect(x, y, w, h);
  const pattern = PATTERN[prefix][state];
  if (!pattern || w <= 2) return;
  cx.save();
  cx.beginPath(); cx.rect(x, y, w, h); cx.clip();
  cx.strokeStyle = cx.fillStyle = colorOf('canvas');
  cx.lineWidth = 1.3;
  cx.beginPath();
  if (pattern === 'diagonal' || pattern === 'cross') {
    for (let k = x - h; k < x + w; k += 7) {
      cx.moveTo(k, y + h); cx.lineTo(k + h, y);
      if (pattern === 'cross') { cx.moveTo(k, y); cx.lineTo(k + h, y + h); }
    }
  }
  cx.stroke();
  if (pattern === 'grid') for (let k = Math.ceil(x) + 3; k < x + w; k += 6) cx.fillRect(k, y, 1, h);
  if (pattern === 'bars' || pattern === 'grid') {
    for (let k = y + 2; k < y + h; k += 5) cx.fillRect(x, k, w, pattern === 'bars' ? 2 : 1);
  }
  if (pattern === 'dots') for (let k = x + 2; k < x + w; k += 5) for (let l = y + 2; l < y + h; l += 5) cx.fillRect(k, l, 2, 2);
  cx.restore();
}

// Ranges that anything ever was in, with what lies far between them left out.
function ranges(t, prefix, space, limit) {
  const list = [];
  for (let i = 0; i < t[`${prefix}_at`].length; i++) {
    if (t[`${prefix}_space`][i] !== space) continue;
    const at = t[`${prefix}_at`][i];
    const hole = prefix === 'extent' && t.extent_state[i] === 0;
    const length = t[`${prefix}_length`][i];
    list.push([at, hole ? Math.min(at + length, Math.max(limit, at + 65536)) : at + length]);
  }
  list.sort((a, b) => a[0] - b[0]);
  const out = [];
  for (const [a, b] of list) {
    const last = out[out.length - 1];
    if (last && a - last[1] < 262144) last[1] = Math.max(last[1], b);
    else out.push([a, b]);
  }
  return out;
}

function paint(canvas, t, prefix, space, parts, cursor) {
  const w = canvas.clientWidth || 400;
  const h = canvas.clientHeight || 30;
  const dpr = window.devicePixelRatio || 1;
  canvas.width = w * dpr;
  canvas.height = h * dpr;
  const cx = canvas.getContext('2d');
  cx.scale(dpr, dpr);
  const gap = 10;
  const total = parts.reduce((sum, [a, b]) => sum + b - a, 0);
  const room = w - gap * (parts.length - 1);
  let x = 0;
  let count = 0;
  const place = parts.map(([a, b]) => {
    const size = (b - a) / total * room;
    const p = { a, b, x, size };
    cx.fillStyle = colorOf('band');
    cx.fillRect(x, 0, size, h);
    cx.strokeStyle = colorOf('line');
    cx.strokeRect(x + 0.5, 0.5, Math.max(size - 1, 1), h - 1);
    x += size + gap;
    return p;
  });
  const at = t[`${prefix}_at`];
  for (let i = 0; i < at.length; i++) {
    if (t[`${prefix}_space`][i] !== space || t[`${prefix}_from`][i] > cursor) continue;
    const to = t[`${prefix}_to`][i];
    if (to !== NONE && to <= cursor) continue;
    const p = place.find((q) => at[i] >= q.a && at[i] < q.b);
    if (!p) continue;
    const left = p.x + (at[i] - p.a) / (p.b - p.a) * p.size;
    const end = Math.min(at[i] + t[`${prefix}_length`][i], p.b);
    const size = Math.max((end - at[i]) / (p.b - p.a) * p.size, 1.2);
    const state = t[`${prefix}_state`][i];
    count++;
    piece(cx, prefix, state, left, 1, size, h - 2);
    if (size > 6) {
      cx.fillStyle = colorOf('canvas');
      cx.fillRect(left + size - 0.7, 1, 0.7, h - 2);
    }
  }
  return count;
}

// So many strips are drawn at once; a button brings the rest.
const MOST = 12;

export function drawMaps(box, t, cursor) {
  if (box.trace !== t) {
    if (box.of !== t) Object.assign(box, { of: t, most: MOST });
    box.trace = t;
    box.replaceChildren();
    box.strips = [];
    box.swatches = [];
    const add = (prefix, space, title, limit) => {
      const parts = ranges(t, prefix, space, limit);
      if (!parts.length) return;
      const div = document.createElement('div');
      div.className = 'strip';
      div.innerHTML = '<h4></h4><canvas></canvas><p class="ends"></p>';
      div.firstChild.textContent = title;
      const text = (v) => (prefix === 'extent' ? bytesText(v) : `0x${v.toString(16)}`);
      div.lastChild.textContent = parts.slice(0, 4).map(([a, b]) => `${text(a)} – ${text(b)}`).join('   ·   ');
      box.append(div);
      box.strips.push({ canvas: div.querySelector('canvas'), prefix, space, parts });
    };
    const { files, spaces } = t.head;
    files.slice(0, box.most).forEach((name, i) => add('extent', i, `File on ${name}`, t.head.file_sizes[i]));
    spaces.slice(0, box.most).forEach((name, i) => add('pte', i, `Page tables of ${name}`, 0));
    const left = Math.max(0, files.length - box.most) + Math.max(0, spaces.length - box.most);
    if (left > 0) more(box, t, left);
    if (t.head.ptes_are_inferred) {
      box.insertAdjacentHTML('beforeend', '<p class="note">Page-table changes are not recorded in this trace; entries are taken from its dax events and never seen to go away.</p>');
    }
    if (!box.strips.length) box.innerHTML = '<p class="empty">No record of this trace maps a file or changes a page table.</p>';
    else legend(box);
  }
  for (const { canvas, prefix, state } of box.swatches) {
    const dpr = window.devicePixelRatio || 1;
    Object.assign(canvas, { width: 14 * dpr, height: 12 * dpr });
    const cx = canvas.getContext('2d');
    cx.scale(dpr, dpr);
    piece(cx, prefix, state, 0, 0, 14, 12);
  }
  let shown = 0;
  box.cursor = cursor;
  for (const s of box.strips) shown += paint(s.canvas, t, s.prefix, s.space, s.parts, cursor);
  box.dataset.shown = shown;
}

function more(box, t, left) {
  const button = document.createElement('button');
  button.textContent = `show ${left} more files and address spaces`;
  button.onclick = () => {
    Object.assign(box, { trace: null, most: Infinity });
    drawMaps(box, t, box.cursor);
  };
  box.append(button);
}

function legend(box) {
  const p = document.createElement('p');
  p.className = 'legend';
  const used = new Set(box.strips.map((s) => s.prefix));
  const add = (prefix, words) => words.forEach((word, i) => {
    const span = document.createElement('span');
    const swatch = document.createElement('canvas');
    box.swatches.push({ canvas: swatch, prefix, state: i });
    span.append(swatch);
    span.append(word);
    p.append(span);
  });
  if (used.has('extent')) add('extent', box.trace.extent_state.includes(4) ? EXTENT : EXTENT.slice(0, 4));
  if (used.has('pte')) add('pte', PTE);
  box.append(p);
}
