// How a timeline looks: lanes, rows, arrows, axis and cursor on a canvas. What is narrower than a
// pixel is drawn once a pixel, found by binary search, so that a frame costs as many rectangles as
// there are pixels and rows, however long the trace is.
import { NONE, bound } from './data.js';
import { groupOf } from './model.js';

export const GUTTER = 118;
export const AXIS = 26;

export class TimelinePainter {
  constructor(canvas, t, on) {
    Object.assign(this, { canvas, t, on, cursor: 0, axis: 'time', scroll: 0, filter: null,
      anchor: null,
      matches: null, hover: null });
    this.cx = canvas.getContext('2d');
  }

  x(record) {
    if (this.axis === 'time') return this.t.time[record] - this.t.start;
    return record < this.t.n ? record : record * 1.04 + 1;
  }
  // A place is a record, or just before or behind one.
  placeX([at, side]) { return this.x(at) + (this.axis === 'time' ? 0 : side / 2); }
  get end() { return Math.max(1, this.x(this.t.n - 1)); }
  get width() { return this.canvas.clientWidth - GUTTER; }
  px(v) { return GUTTER + (v - this.from) / (this.to - this.from) * this.width; }
  at(px) { return this.from + (px - GUTTER) / this.width * (this.to - this.from); }
  rowsOf(lane) { return lane.open ? lane.rows : lane.rows.filter((r) => /run|step|wait|event/.test(r.kind)); }

  layout() {
    let y = AXIS + 4 - this.scroll;
    for (const lane of this.t.lanes) {
      lane.y = y;
      y += 5;
      let hold = false;
      for (const row of lane.rows) row.y = undefined;
      for (const row of this.rowsOf(lane)) {
        if (row.kind === 'hold' && !hold) { hold = true; y += 4; }
        row.y = y;
        y += row.height + 1;
      }
      lane.bottom = Math.max(y + 4, lane.y + 30);
      y = lane.bottom;
    }
    this.tall = y + this.scroll;
    const most = Math.max(0, this.tall - this.canvas.clientHeight + 10);
    if (this.scroll > most) { this.scroll = most; this.layout(); }
    if (this.scroll < 0) { this.scroll = 0; this.layout(); }
  }

  draw() {
    if (this.pending) return;
    this.pending = requestAnimationFrame(() => { this.pending = 0; this.paint(); });
  }

  color(name) { return this.colors[name] || (this.colors[name] = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()); }

  paint() {
    const { canvas, cx, t } = this;
    const w = canvas.clientWidth;
    const h = canvas.clientHeight;
    if (!w || !h) return;
    const dpr = window.devicePixelRatio || 1;
    if (canvas.width !== Math.round(w * dpr) || canvas.height !== Math.round(h * dpr)) {
      canvas.width = Math.round(w * dpr);
      canvas.height = Math.round(h * dpr);
    }
    this.colors = {};
    cx.setTransform(dpr, 0, 0, dpr, 0, 0);
    cx.fillStyle = this.color('canvas');
    cx.fillRect(0, 0, w, h);
    this.layout();
    this.drawn = 0;
    cx.save();
    cx.beginPath();
    cx.rect(0, AXIS, w, h - AXIS);
    cx.clip();
    t.lanes.forEach((lane, i) => {
      if (lane.bottom < AXIS || lane.y > h) return;
      cx.fillStyle = this.color(lane.cpu === undefined ? (i % 2 ? 'band' : 'canvas') : 'cpuband');
      cx.fillRect(0, lane.y, w, lane.bottom - lane.y);
      for (const row of this.rowsOf(lane)) {
        if (row.y + row.height >= AXIS && row.y <= h) this.paintRow(row, w);
      }
    });
    this.paintDiff(w, h);
    this.paintArrows(w);
    this.paintGutter(h);
    cx.restore();
    this.paintAxis(w);
    this.paintCursor(h);
  }

  styleOf(row, i) {
    const t = this.t;
    const s = row.span[i];
    if (row.kind === 'run') return { name: t.taskName(t.run_task[s]), fill: `task${t.run_task[s] % 6}` };
    if (s < 0) return { name: '', fill: 'tick' };
    const name = t.spanName(s);
    if (row.kind === 'call') return { name, fill: `g-${groupOf(name)}` };
    return { name, fill: row.kind };
  }

  paintRow(row, w) {
    const { cx } = this;
    const n = row.begin.length;
    let i = bound(n, (k) => this.x(row.end[k]) < this.from);
    const perPixel = (this.to - this.from) / this.width;
    const points = row.kind === 'event';
    cx.font = '11px var(--mono), ui-monospace, "DejaVu Sans Mono", monospace';
    while (i < n) {
      const a = this.x(row.begin[i]);
      if (a > this.to) break;
      const b = this.x(row.end[i]);
      const style = this.styleOf(row, i);
      const left = Math.max(this.px(a), GUTTER);
      const right = Math.min(Math.max(this.px(b), this.px(a) + 1), w);
      const size = right - left;
      const dim = this.filter && !((row.kind === 'hold' || row.kind === 'wait') && this.filter.has(style.name));
      cx.globalAlpha = dim ? 0.16 : 1;
      this.drawn++;
      if (points) this.paintPoint(row, i, left);
      else {
        cx.fillStyle = this.color(style.fill);
        cx.fillRect(left, row.y, Math.max(size - (size > 3 ? 0.6 : 0), 1), row.height);
        if (row.kind === 'wait' && size > 3) this.hatch(left, row.y, size, row.height);
        if (size > 26) {
          cx.fillStyle = this.color(row.kind === 'wait' ? 'waitink' : 'ink');
          this.label(style.name, left + 4, row.y + row.height - 4.5, size - 7);
        }
      }
      if (size <= 1.5) {
        // The next one that begins beyond this pixel.
        const beyond = a + perPixel * 1.2;
        const rest = bound(n - i - 1, (k) => this.x(row.begin[i + 1 + k]) < beyond && this.x(row.end[i + 1 + k]) < beyond);
        i += 1 + rest;
      } else i++;
    }
    cx.globalAlpha = 1;
  }

  paintPoint(row, i, left) {
    const { cx, t } = this;
    const event = t.event(row.begin[i]);
    const y = row.y + row.height;
    if (/^page_fault/.test(event)) {
      cx.fillStyle = this.color('fault');
      cx.beginPath(); cx.moveTo(left - 5, y); cx.lineTo(left + 5, y); cx.lineTo(left, y - 10); cx.fill();
    } else if (/^signal_|^lost$|^sim_warn/.test(event)) {
      cx.strokeStyle = this.color('signal');
      cx.lineWidth = 2.4;
      cx.beginPath(); cx.moveTo(left - 4, y - 9); cx.lineTo(left + 4, y - 1);
      cx.moveTo(left + 4, y - 9); cx.lineTo(left - 4, y - 1); cx.stroke();
    } else {
      cx.fillStyle = this.color('tick');
      cx.fillRect(left, y - 7, 1, 7);
    }
  }

  hatch(x, y, w, h) {
    const { cx } = this;
    cx.save();
    cx.beginPath(); cx.rect(x, y, w, h); cx.clip();
    cx.strokeStyle = this.color('waitline');
    cx.lineWidth = 1.4;
    cx.beginPath();
    const start = x - ((x - this.px(0)) % 7) - h;
    for (let k = start; k < x + w; k += 7) { cx.moveTo(k, y + h); cx.lineTo(k + h, y); }
    cx.stroke();
    cx.restore();
  }

  label(text, x, y, room) {
    const most = Math.floor(room / 6.65);
    if (most < 2) return;
    this.cx.fillText(text.length <= most ? text : `${text.slice(0, most - 1)}…`, x, y);
  }

  rowY(task, kind) {
    const lane = this.t.laneOfTask(task);
    const row = lane.rows.find((r) => r.kind === kind && r.y !== undefined);
    return row ? row.y + row.height / 2 : (lane.y || 0) + 15;
  }

  paintArrows(w) {
    const { t, cx } = this;
    const visible = [];
    for (let i = 0; i < t.wait_at.length && visible.length <= 300; i++) {
      const a = this.x(t.wait_at[i]);
      if (a > this.to) break;
      const b = t.wait_woken[i] === NONE ? this.x(t.n) : this.x(t.wait_woken[i]);
      if (b >= this.from) visible.push(i);
    }
    const chosen = t.waitAt(this.cursor);
    const few = visible.length <= 300 ? visible : chosen >= 0 ? [chosen] : [];
    this.arrows = few.length;
    for (const i of few) {
      const waiter = t.task[t.wait_at[i]];
      const name = this.filter && t.record(t.wait_at[i]);
      cx.globalAlpha = this.filter && ![...this.filter].some((f) => name.endsWith(` ${f}`)) ? 0.15 : 1;
      const y = this.rowY(waiter, 'wait');
      if (t.wait_owner[i] !== NONE) {
        const x = this.px(this.x(t.wait_at[i]));
        this.arrow(x, y, x, this.rowY(t.task[t.wait_owner[i]], 'hold'), 'owner', [4, 3]);
      }
      if (t.wait_waker[i] !== NONE && t.wait_woken[i] !== NONE) {
        this.arrow(this.px(this.x(t.wait_waker[i])), this.rowY(t.task[t.wait_waker[i]], 'hold'),
          this.px(this.x(t.wait_woken[i])), y, 'wake', []);
      }
    }
    cx.globalAlpha = 1;
    const from = bound(t.wake_at.length, (k) => this.x(t.wake_at[k]) < this.from);
    for (let i = from, k = 0; i < t.wake_at.length && k < 200 && this.x(t.wake_at[i]) <= this.to; i++, k++) {
      this.arrow(this.px(this.x(t.wake_at[i])), this.rowY(t.task[t.wake_at[i]], 'event'),
        this.px(this.x(t.wake_woken[i])), this.rowY(t.task[t.wake_woken[i]], 'event'), 'wake', []);
    }
  }

  arrow(x0, y0, x1, y1, color, dash) {
    const { cx } = this;
    if (Math.max(x0, x1) < GUTTER) return;
    cx.strokeStyle = cx.fillStyle = this.color(color);
    cx.lineWidth = 1.8;
    cx.setLineDash(dash);
    // Steep ones bend, upward and downward to different sides, so that two do not look like one.
    const bend = Math.abs(x1 - x0) >= 12 ? 0 : y1 > y0 ? 26 : -26;
    const mx = (x0 + x1) / 2 + bend;
    const my = (y0 + y1) / 2;
    cx.beginPath(); cx.moveTo(x0, y0); cx.quadraticCurveTo(mx, my, x1, y1); cx.stroke();
    cx.setLineDash([]);
    const angle = Math.atan2(y1 - my, x1 - mx);
    cx.beginPath(); cx.moveTo(x1, y1);
    cx.lineTo(x1 - 8 * Math.cos(angle - 0.4), y1 - 8 * Math.sin(angle - 0.4));
    cx.lineTo(x1 - 8 * Math.cos(angle + 0.4), y1 - 8 * Math.sin(angle + 0.4));
    cx.fill();
  }

  paintDiff(w, h) {
    const diff = this.t.head.diff;
    if (!diff) return;
    const { cx } = this;
    cx.strokeStyle = cx.fillStyle = this.color('diff');
    let last = -9;
    cx.globalAlpha = 0.35;
    for (const place of diff.places) {
      const x = Math.round(this.px(this.placeX(place)));
      if (x < GUTTER || x > w || x - last < 2) continue;
      last = x;
      if (place[1] === 0) cx.fillRect(x, AXIS, 1, h);
      else this.dashes(x, h, 1);
    }
    cx.globalAlpha = 1;
    this.marked = '';
    if (!diff.first) return;
    const x = this.px(this.placeX(diff.first));
    if (x < GUTTER || x > w) return;
    const lacks = diff.first[1] !== 0;
    if (lacks) this.dashes(x, h, 4);
    else cx.fillRect(x - 1, AXIS, 2.5, h);
    cx.font = '600 11px system-ui, sans-serif';
    const text = lacks ? `first difference: only ${diff.side === 'A' ? 'B' : 'A'} has it` : 'first difference';
    const room = cx.measureText(text).width + 12;
    const left = Math.min(x, w - room);
    cx.fillRect(left, h - 20, room, 18);
    cx.fillStyle = this.color('canvas');
    cx.fillText(text, left + 6, h - 7);
    this.marked = text;
  }

  dashes(x, h, width) {
    const { cx } = this;
    cx.lineWidth = width;
    cx.setLineDash([6, 5]);
    cx.beginPath(); cx.moveTo(x, AXIS); cx.lineTo(x, h); cx.stroke();
    cx.setLineDash([]);
  }

  paintGutter(h) {
    const { cx, t } = this;
    for (const lane of t.lanes) {
      if (lane.bottom < AXIS || lane.y > h) continue;
      cx.fillStyle = this.color('gutter');
      cx.fillRect(0, lane.y, GUTTER - 1, lane.bottom - lane.y - 1);
      cx.fillStyle = this.color('text');
      cx.font = '600 12px system-ui, sans-serif';
      const y = Math.max(lane.y, AXIS) + 17;
      if (lane.cpu === undefined) {
        cx.fillStyle = this.color(`task${lane.task % 6}`);
        cx.fillRect(0, lane.y, 4, lane.bottom - lane.y - 1);
        cx.fillStyle = this.color('text');
      }
      if (y > lane.bottom + 8) continue;
      cx.fillText(`${lane.cpu === undefined ? (lane.open ? '▾ ' : '▸ ') : ''}${lane.title}`, 10, y, GUTTER - 16);
      if (!lane.open || lane.cpu !== undefined) continue;
      cx.font = '10.5px system-ui, sans-serif';
      cx.fillStyle = this.color('muted');
      let before = '';
      for (const row of lane.rows) {
        const word = { event: 'events', wait: 'waits', call: 'calls', hold: 'locks' }[row.kind];
        if (word && word !== before && row.y > lane.y + 18) cx.fillText(word, GUTTER - 8 - cx.measureText(word).width, row.y + 12);
        before = word;
      }
    }
    cx.fillStyle = this.color('line');
    cx.fillRect(GUTTER - 1, AXIS, 1, h);
  }

  paintAxis(w) {
    const { cx } = this;
    cx.fillStyle = this.color('panel');
    cx.fillRect(0, 0, w, AXIS);
    cx.fillStyle = this.color('line');
    cx.fillRect(0, AXIS - 1, w, 1);
    const span = this.to - this.from;
    const wanted = span / Math.max(2, this.width / 110);
    const power = 10 ** Math.floor(Math.log10(wanted));
    const step = Math.max(1, [1, 2, 5, 10].find((k) => k * power >= wanted) * power);
    cx.font = '11px system-ui, sans-serif';
    cx.fillStyle = this.color('muted');
    for (let v = Math.ceil(Math.max(this.from, 0) / step) * step; v <= this.to; v += step) {
      const x = this.px(v);
      cx.fillRect(x, AXIS - 6, 1, 6);
      if (x < w - 30) cx.fillText(this.axis === 'time' ? this.tick(v, step) : `#${v}`, x + 4, 16);
    }
    cx.clearRect(0, 0, 0, 0);
    cx.fillStyle = this.color('panel');
    cx.fillRect(0, 0, GUTTER - 1, AXIS - 1);
    cx.fillStyle = this.color('muted');
    cx.fillText(this.axis === 'time' ? 'time since start' : 'record number', 10, 17);
    if (!this.matches) return;
    cx.fillStyle = this.color('match');
    let last = -9;
    const m = this.matches;
    for (let i = bound(m.length, (k) => this.x(m[k]) < this.from); i < m.length;) {
      const v = this.x(m[i]);
      if (v > this.to) break;
      last = this.px(v);
      cx.fillRect(last - 1, AXIS - 7, 2.5, 7);
      const next = this.at(last + 1);
      i += 1 + bound(m.length - i - 1, (k) => this.x(m[i + 1 + k]) < next);
    }
  }

  // As many decimals as tell one tick from the next.
  tick(v, step) {
    const [name, size] = [['s', 1e9], ['ms', 1e6], ['µs', 1e3], ['ns', 1]].find(([, k]) => this.to >= k) || ['ns', 1];
    const decimals = Math.max(0, Math.ceil(-Math.log10(step / size) - 1e-9));
    return `${(v / size).toFixed(decimals)} ${name}`;
  }

  paintCursor(h) {
    const { cx } = this;
    const x = this.px(this.x(this.cursor));
    if (x < GUTTER) return;
    cx.fillStyle = this.color('cursor');
    cx.fillRect(x - 0.5, AXIS - 8, 1.5, h);
    cx.beginPath(); cx.moveTo(x - 5, AXIS - 10); cx.lineTo(x + 5, AXIS - 10); cx.lineTo(x, AXIS - 2); cx.fill();
  }
}
