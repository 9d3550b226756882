// The timeline of one trace: CPU lanes, task lanes, arrows, cursor; what is in view, and what a
// pointer does to it.
import { bound } from './data.js';
import { AXIS, GUTTER, TimelinePainter } from './timeline_paint.js';

export class Timeline extends TimelinePainter {
  constructor(canvas, t, on) {
    super(canvas, t, on);
    this.fit();
    this.listen();
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  // The point that is laid beside the other trace's: the record `anchor`, else the start.
  get base() { return this.anchor === null ? 0 : this.x(this.anchor); }
  fit() { this.from = -this.end * 0.01; this.to = this.end * 1.05; this.draw(); }
  recordAt(v) {
    const t = this.t;
    const i = bound(t.n, (k) => this.x(k) < v);
    if (i >= t.n) return t.n - 1;
    return i > 0 && v - this.x(i - 1) < this.x(i) - v ? i - 1 : i;
  }

  setAxis(axis) {
    const a = this.recordAt(this.from);
    const b = this.recordAt(this.to);
    this.axis = axis;
    const [x, y] = [this.x(a), this.x(b)];
    this.show(x, y > x ? y : x + 1);
  }

  show(from, to) {
    const smallest = this.axis === 'time' ? 20 : 6;
    const middle = (from + to) / 2;
    const half = Math.min(Math.max(to - from, smallest), this.end * 1.2 + smallest) / 2;
    this.from = middle - half;
    this.to = middle + half;
    const slack = half * 1.6;
    if (this.to < -slack + half) { this.from = -slack; this.to = this.from + 2 * half; }
    if (this.from > this.end + slack - half) { this.to = this.end + slack; this.from = this.to - 2 * half; }
    this.draw();
    this.on.view?.(this);
  }
  zoom(k, px = GUTTER + this.width / 2) {
    const v = this.at(px);
    this.show(v - (v - this.from) * k, v + (this.to - v) * k);
  }
  pan(part) { const d = (this.to - this.from) * part; this.show(this.from + d, this.to + d); }

  go(record, zoom) {
    this.cursor = record;
    const v = this.x(record);
    const size = zoom ? Math.min(this.to - this.from, this.axis === 'time' ? 4000 : 120) : this.to - this.from;
    if (zoom || v < this.from || v > this.to) this.show(v - size / 2, v + size / 2);
    const lane = this.t.laneOfTask(this.t.task[record]);
    if (lane.y !== undefined && (lane.y < AXIS || lane.y > this.canvas.clientHeight - 20)) {
      this.scroll += lane.y - AXIS - 40;
    }
    this.draw();
  }

  hit(px, py) {
    for (const lane of this.t.lanes) {
      if (py < lane.y || py >= lane.bottom) continue;
      if (px < GUTTER) return { lane, gutter: true };
      for (const row of this.rowsOf(lane)) {
        if (py < row.y || py > row.y + row.height) continue;
        const v = this.at(px);
        const slack = (this.to - this.from) / this.width * (row.kind === 'event' ? 6 : 2);
        const i = bound(row.begin.length, (k) => this.x(row.begin[k]) <= v + slack) - 1;
        if (i >= 0 && this.x(row.end[i]) >= v - slack) return { lane, row, i, record: row.begin[i] };
      }
      return { lane };
    }
    return null;
  }

  listen() {
    const c = this.canvas;
    const place = (ev) => { const b = c.getBoundingClientRect(); return [ev.clientX - b.x, ev.clientY - b.y]; };
    c.addEventListener('wheel', (ev) => {
      ev.preventDefault();
      const [px] = place(ev);
      if (ev.ctrlKey || ev.metaKey || ev.altKey) this.zoom(Math.exp(ev.deltaY * 0.003), px);
      else if (ev.shiftKey || Math.abs(ev.deltaX) > Math.abs(ev.deltaY)) this.pan((ev.deltaX || ev.deltaY) / this.width);
      else if (this.tall > c.clientHeight) { this.scroll += ev.deltaY; this.draw(); }
      else this.zoom(Math.exp(ev.deltaY * 0.002), px);
    }, { passive: false });
    c.addEventListener('pointerdown', (ev) => {
      c.setPointerCapture(ev.pointerId);
      const [px, py] = place(ev);
      const start = { px, py, from: this.from, to: this.to, scroll: this.scroll, moved: false };
      c.onpointerup = () => {
        c.onpointerup = null;
        this.drag = null;
        if (!start.moved) this.click(px, py);
      };
      this.drag = start;
      this.on.active?.(this);
    });
    c.addEventListener('pointermove', (ev) => {
      const [px, py] = place(ev);
      const d = this.drag;
      if (!d) { this.on.hover(ev, this, px >= GUTTER ? this.hit(px, py) : null); return; }
      if (Math.abs(px - d.px) + Math.abs(py - d.py) > 3) d.moved = true;
      if (!d.moved) return;
      const v = (px - d.px) / this.width * (d.to - d.from);
      this.scroll = d.scroll - (py - d.py);
      this.show(d.from - v, d.to - v);
    });
    c.addEventListener('pointerleave', () => this.on.leave());
    c.addEventListener('dblclick', (ev) => { const [px] = place(ev); this.zoom(0.25, px); });
  }

  click(px, py) {
    const hit = this.hit(px, py);
    if (hit && hit.gutter) { hit.lane.open = !hit.lane.open; this.draw(); return; }
    const record = hit && hit.record !== undefined ? hit.record : this.recordAt(this.at(px));
    this.on.pick(this, record, hit);
  }
}
