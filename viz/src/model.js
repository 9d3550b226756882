// From the columns of a trace to lanes and rows: what is drawn where. A row holds spans that do not
// overlap, in order, so that what is visible is found by binary search.
import { NONE, bound } from './data.js';

export const KIND = { step: 0, syscall: 1, fault: 2, call: 3, hold: 4, wait: 5 };
const names = ['step', 'system call', 'page fault', 'function', 'lock held', 'waits for'];

const LOCK = /^[a-z_]+: (\S+) (try )?(read )?(.*)$/;
export function lockOf(text) {
  const m = LOCK.exec(text);
  return m ? { id: m[1], tried: !!m[2], read: !!m[3], name: m[4] } : { id: '', name: text };
}

const groups = [
  [/^(xfs_|__xfs|xlog|xfarray)/, 'xfs'], [/^(dax_|grab_mapping|put_unlocked|wait_entry)/, 'dax'],
  [/^iomap/, 'iomap'], [/^(do_user_addr|exc_|handle_page|flush_tlb|tlb_|fault_)/, 'arch'],
  [/(lock|rwsem|mutex|sem_)/, 'lock'],
  [/(mm|vma|vm_|pte|pmd|pud|p4d|fault|folio|page|map|anon|fork|madv|swap)/, 'mm'],
];
export const groupOf = (name) => (groups.find(([re]) => re.test(name)) || [0, 'vfs'])[1];

function makeRow(lane, kind, depth) {
  return { lane, kind, depth, begin: [], end: [], span: [], height: kind === 'event' ? 12 : 16 };
}

// A contention names its lock by a number alone; it is the one that the task has just tried to get.
function attempt(t, record) {
  if (!t.record(record).startsWith('contention_')) return record;
  for (let i = record - 1, left = 500; i >= 0 && left > 0; i--, left--) {
    if (t.task[i] !== t.task[record]) continue;
    const event = t.event(i);
    if (/^(lock_acquire|mmap_lock_start_locking|xfs_ilock)/.test(event)) return i;
    if (!/^(contention_|sched_|lock_contended)/.test(event)) break;
  }
  return record;
}

export function prepare(t) {
  const spanText = (s) => t.record(attempt(t, t.span_begin[s]));
  const cache = new Map();
  t.spanName = (s) => {
    const message = t.message[t.span_begin[s]];
    const key = message * 8 + t.span_kind[s];
    let name = cache.get(key);
    if (name === undefined) {
      name = nameOf(t, t.span_kind[s], spanText(s));
      if (cache.size > 50000) cache.clear();
      cache.set(key, name);
    }
    return name;
  };
  t.kindName = (s) => names[t.span_kind[s]];
  const tasks = t.head.tasks.map(([name, pid], i) => (
    { title: name, sub: `pid ${pid}`, task: i, rows: [], open: true, map: new Map() }));
  for (let s = 0; s < t.span_begin.length; s++) {
    const kind = t.span_kind[s];
    const lane = tasks[t.task[t.span_begin[s]]];
    const key = kind * 256 + t.span_depth[s];
    let row = lane.map.get(key);
    if (!row) {
      row = makeRow(lane, Object.keys(KIND)[kind], t.span_depth[s]);
      lane.map.set(key, row);
    }
    row.begin.push(t.span_begin[s]);
    row.end.push(t.span_end[s] === NONE ? t.n : t.span_end[s]);
    row.span.push(s);
  }
  const order = ['step', 'syscall', 'fault', 'event', 'wait', 'call', 'hold'];
  points(t, tasks);
  for (const lane of tasks) {
    lane.rows = [...lane.map.values()].sort((a, b) => (
      order.indexOf(a.kind) - order.indexOf(b.kind) || a.depth - b.depth));
    for (const row of lane.rows) nest(row);
  }
  t.lanes = [...cpus(t), ...tasks.filter((lane) => lane.rows.length)];
  t.laneOfTask = (task) => tasks[task];
  if (t.lanes.length > 24) for (const lane of t.lanes) lane.open = false;
  t.waitAt = (record) => {
    const i = bound(t.wait_at.length, (k) => t.wait_at[k] < record);
    return i < t.wait_at.length && t.wait_at[i] === record ? i : -1;
  };
}

// An end that reaches into the next span (an interrupt, a lock taken twice) is drawn to its begin.
function nest(row) {
  for (let i = 0; i + 1 < row.end.length; i++) {
    if (row.end[i] > row.begin[i + 1]) row.end[i] = row.begin[i + 1];
  }
}

const MARKED = /^(page_fault|signal_|lost$|sim_warn|tlb_flush|xfs_iomap_alloc|dax_p.d_fault_done|dax_pte_fault_done|sim_pte_|sched_)/;
function points(t, tasks) {
  const marked = t.events.map((e) => MARKED.test(e));
  const plain = t.events.map((e) => !/^(lock_|sim_lock|sim_bitlock|sim_call|sim_ret|sim_step|sys_)/.test(e));
  for (let i = 0; i < t.n; i++) {
    const e = t.message_event[t.message[i]];
    if (!marked[e] && !plain[e]) continue;
    const lane = tasks[t.task[i]];
    let row = lane.map.get(-1);
    if (!row) {
      row = makeRow(lane, 'event', 0);
      lane.map.set(-1, row);
    }
    row.begin.push(i);
    row.end.push(i);
    row.span.push(-1);
  }
}

function cpus(t) {
  const lanes = new Map();
  for (let i = 0; i < t.run_begin.length; i++) {
    const cpu = t.run_cpu[i];
    if (!lanes.has(cpu)) {
      const lane = { title: `CPU ${cpu}`, sub: '', cpu, rows: [], open: true };
      lane.rows.push(makeRow(lane, 'run', 0));
      lanes.set(cpu, lane);
    }
    const row = lanes.get(cpu).rows[0];
    row.begin.push(t.run_begin[i]);
    row.end.push(t.run_end[i]);
    row.span.push(i);
  }
  const sorted = [...lanes.values()].sort((a, b) => a.cpu - b.cpu);
  for (const lane of sorted) nest(lane.rows[0]);
  return sorted;
}

function nameOf(t, kind, text) {
  const body = text.slice(text.indexOf(': ') + 2);
  switch (kind) {
    case KIND.syscall: {
      const m = /^NR (-?\d+) /.exec(body);
      const call = m && t.head.syscalls[m[1]];
      const mark = /^NR 157 \(5046([0-9a-f]{4}),/.exec(body);
      if (mark) return `mark ${parseInt(mark[1], 16)}`;
      return call || body.split('(')[0];
    }
    case KIND.fault: {
      const m = /address=(\S+).*error_code=0x([0-9a-f]+)/.exec(body);
      return m ? `${parseInt(m[2], 16) & 2 ? 'write' : 'read'} fault ${m[1]}` : 'fault';
    }
    case KIND.hold: case KIND.wait: {
      if (/^(lock_|sim_bitlock_|sim_lock)/.test(text)) return lockOf(text).name;
      if (text.startsWith('mmap_lock')) return '&mm->mmap_lock';
      const x = /flags (\w+LOCK)_/.exec(body);
      return x ? `XFS_${x[1]}` : body;
    }
    default: return body;
  }
}

// What is open at a record in its task: spans of each kind, outermost first.
export function openAt(t, record) {
  const lane = t.laneOfTask(t.task[record]);
  const out = [];
  for (const row of lane.rows) {
    if (row.kind === 'event') continue;
    const i = bound(row.begin.length, (k) => row.begin[k] <= record) - 1;
    if (i >= 0 && row.end[i] >= record) out.push({ row, span: row.span[i] });
  }
  return out;
}
