// Unpacks what sim/export/viewer_pack.cpp packed: a JSON head, columns of LEB128 numbers, messages.

const NONE = 0xffffffff;
export { NONE };

function bytesOf(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Columns whose numbers are differences to the one before, and those that do not fit 32 bits.
const NEAR = new Set(['time', 'span_begin', 'wait_at', 'wake_at', 'run_begin', 'extent_at',
  'extent_from', 'extent_target', 'pte_at', 'pte_from', 'pte_target']);
const WIDE = new Set(['time', 'extent_at', 'extent_length', 'extent_target', 'pte_at',
  'pte_length', 'pte_target']);

function column(bytes, at, name, count) {
  const out = WIDE.has(name) ? new Float64Array(count) : new Uint32Array(count);
  const near = NEAR.has(name);
  let last = 0;
  for (let i = 0; i < count; i++) {
    let b = bytes[at++];
    let v = b;
    if (b >= 128) {
      v = b - 128;
      let scale = 128;
      do {
        b = bytes[at++];
        v += (b & 127) * scale;
        scale *= 128;
      } while (b >= 128);
    }
    if (near) {
      last += v % 2 ? -(v + 1) / 2 : v / 2;
      v = last;
    }
    out[i] = v;
  }
  return out;
}

// 0 is none, else one more than the distance to `base`.
function indexes(list, base) {
  for (let i = 0; i < list.length; i++) {
    list[i] = list[i] === 0 ? NONE : list[i] - 1 + (base ? base[i] : 0);
  }
}

export async function load(element) {
  const bytes = await inflate(bytesOf(element.textContent));
  element.remove();
  const size = new DataView(bytes.buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + size)));
  const t = { head, events: head.events };
  let at = 4 + size;
  for (const [name, count, length] of head.columns) {
    t[name] = name === 'text' ? bytes.subarray(at, at + length) : column(bytes, at, name, count);
    at += length;
  }
  indexes(t.span_end, t.span_begin);
  indexes(t.wait_owner);
  indexes(t.wait_waker, t.wait_at);
  indexes(t.wait_woken, t.wait_at);
  indexes(t.wake_woken, t.wake_at);
  indexes(t.run_end, t.run_begin);
  indexes(t.extent_to, t.extent_from);
  indexes(t.pte_to, t.pte_from);
  let next = 1;
  for (let i = 0; i < t.message.length; i++) {
    t.message[i] = next - t.message[i];
    if (t.message[i] === next) next++;
  }
  t.n = t.time.length;
  t.start = t.time[0];
  // One more, to which is drawn what does not end in the trace.
  const last = t.time[t.n - 1];
  const longer = new Float64Array(t.n + 1);
  longer.set(t.time);
  longer[t.n] = last + Math.max((last - t.start) * 0.04, 1);
  t.time = longer;
  t.textAt = new Uint32Array(t.message_length.length + 1);
  for (let i = 0; i < t.message_length.length; i++) {
    t.textAt[i + 1] = t.textAt[i] + t.message_length[i];
  }
  const decoder = new TextDecoder();
  const seen = new Map();
  t.text_of = (message) => {
    let text = seen.get(message);
    if (text === undefined) {
      text = decoder.decode(t.text.subarray(t.textAt[message], t.textAt[message + 1]));
      if (seen.size > 50000) seen.clear();
      seen.set(message, text);
    }
    return text;
  };
  t.record = (i) => t.text_of(t.message[i]);
  t.event = (i) => t.events[t.message_event[t.message[i]]];
  t.taskName = (task) => `${head.tasks[task][0]}-${head.tasks[task][1]}`;
  return t;
}

// The first index in [0, n) for which `ahead(i)` is not true any more.
export function bound(n, ahead) {
  let low = 0;
  let high = n;
  while (low < high) {
    const mid = (low + high) >>> 1;
    if (ahead(mid)) low = mid + 1; else high = mid;
  }
  return low;
}

export function duration(ns) {
  const units = [['s', 1e9], ['ms', 1e6], ['µs', 1e3]];
  for (const [name, size] of units) {
    if (Math.abs(ns) >= size) return `${+(ns / size).toFixed(3)} ${name}`;
  }
  return `${Math.round(ns)} ns`;
}

export const seconds = (ns) => (ns / 1e9).toFixed(9);

export function bytesText(n) {
  for (const [name, size] of [['TiB', 2 ** 40], ['GiB', 2 ** 30], ['MiB', 2 ** 20], ['KiB', 1024]]) {
    if (n >= size) return `${+(n / size).toFixed(1)} ${name}`;
  }
  return `${n} B`;
}
