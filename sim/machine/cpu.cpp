// The run queues. A task occupies its CPU from dispatch() until it blocks, ends or is preempted;
// the engine only sees when it may run next.
#include "machine/cpu.hpp"

#include <array>
#include <utility>

#include "base/bug.hpp"

namespace faultline {

Cpus::Cpus(Engine& engine, std::uint32_t count, const Costs& costs)
    : engine_(engine), costs_(costs), cpus_(count) {
  engine.set_cpu_policy({this, [](void* self, Task& t) { static_cast<Cpus*>(self)->blocked(t); },
                         [](void* self, Task& t) { static_cast<Cpus*>(self)->woken(t); },
                         [](void* self, Task& t) { static_cast<Cpus*>(self)->expired(t); }});
}

void Cpus::set_mmu(const TlbGeometry& geometry, unsigned page_table_levels) {
  page_table_levels_ = page_table_levels;
  for (Cpu& cpu : cpus_) cpu.tlb = Tlb(geometry, page_table_levels);
}

void Cpus::allow(const Task& task, std::vector<std::uint32_t> cpus) {
  if (task.id.v >= allowed_.size()) allowed_.resize(task.id.v + 1);
  allowed_[task.id.v] = std::move(cpus);
}

void Cpus::set_attr(const Task& task, SchedAttr attr) {
  if (attrs_.size() <= task.id.v) attrs_.resize(task.id.v + 1);
  attrs_[task.id.v] = attr;
}

bool Cpus::may_run_on(const Task& task, std::uint32_t cpu) const {
  if (task.id.v >= allowed_.size() || allowed_[task.id.v].empty()) return true;
  const auto& allowed = allowed_[task.id.v];
  return std::find(allowed.begin(), allowed.end(), cpu) != allowed.end();
}

// Where the fewest would run before it: none on an idle CPU, the one the task ran on last if
// possible. A real-time task counts only those it cannot preempt. Lowest number first.
CpuId Cpus::place(const Task& task) const {
  static const std::vector<std::uint32_t> anywhere;
  const auto& allowed = task.id.v < allowed_.size() ? allowed_[task.id.v] : anywhere;
  const std::size_t n = allowed.empty() ? cpus_.size() : allowed.size();
  const int rank = rank_of(task);
  const auto before = [&](const Task* other) { return other && rank_of(*other) >= rank; };
  const auto load = [&](const Cpu& cpu) {
    const auto queued = std::count_if(cpu.queue.begin(), cpu.queue.end(), before);
    const std::size_t all = cpu.queue.size() + (cpu.running ? 1 : 0);
    return std::pair(static_cast<std::size_t>(queued) + (before(cpu.running) ? 1 : 0), all);
  };
  std::pair best{~std::size_t{0}, ~std::size_t{0}};
  std::uint32_t chosen = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint32_t c = allowed.empty() ? static_cast<std::uint32_t>(i) : allowed[i];
    const auto l = load(cpus_[c]);
    if (l < best || (l == best && c == task.cpu.v)) {
      best = l;
      chosen = c;
    }
  }
  return CpuId(static_cast<std::uint16_t>(chosen));
}

// kernel/sched/fair.c select_task_rq_fair() for CPUs that share a cache.
CpuId Cpus::place_affine(const Task& task) const {
  const auto n = static_cast<std::uint32_t>(cpus_.size());
  const std::uint32_t previous = task.cpu.v;
  for (std::uint32_t i = 0; i < n; ++i) {
    const std::uint32_t c = (previous + i) % n;
    if (!cpus_[c].running && may_run_on(task, c)) return CpuId(static_cast<std::uint16_t>(c));
  }
  if (!engine_.in_task() || !may_run_on(task, previous)) return place(task);
  const CpuId waker = engine_.current().cpu;
  const bool shorter = cpus_[waker.v].queue.size() < cpus_[previous].queue.size();
  return shorter && may_run_on(task, waker.v) ? waker : task.cpu;
}

// One step of nice is a tenth of the CPU between two tasks: kernel/sched/core.c (6.12) gives these
// weights, 1024 for nice 0.
Nanos Cpus::slice_of(const Task& task) const {
  constexpr std::array<std::uint64_t, 40> weight{
      88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916,  //
      9548,  7620,  6100,  4904,  3906,  3121,  2501,  1991,  1586,  1277,   //
      1024,  820,   655,   526,   423,   335,   272,   215,   172,   137,    //
      110,   87,    70,    56,    45,    36,    29,    23,    18,    15};
  constexpr Nanos rr_timeslice{100'000'000};  // RR_TIMESLICE
  const SchedAttr attr = attr_of(task);
  if (attr.policy != SchedPolicy::normal) return rr_timeslice;
  const auto at = static_cast<std::size_t>(attr.priority + 20);
  return Nanos(costs_.time_slice.v * weight[at] / weight[20]);
}

// The queue is in order of rank, and of arrival within one.
void Cpus::enqueue(Cpu& cpu, Task& task, Place place) {
  const int rank = rank_of(task);
  const auto at = std::find_if(cpu.queue.begin(), cpu.queue.end(), [&](const Task* other) {
    return place == Place::behind_equals ? rank_of(*other) < rank : rank_of(*other) <= rank;
  });
  cpu.queue.insert(at, &task);
}

// When `woken`, which is queued now, takes the CPU from who runs there.
Nanos Cpus::preempts_at(const Cpu& cpu, const Task& woken) const {
  const Nanos now = engine_.now();
  const int mine = rank_of(*cpu.running), theirs = rank_of(woken);
  if (theirs > mine) return now;
  const bool for_good = attr_of(*cpu.running).policy == SchedPolicy::fifo;
  if (theirs < mine || for_good) return cpu.running->preempt_at;
  const Nanos slice_end = std::max(cpu.slice_end, now);
  if (mine != 0 || rules_.wakeup_preemption.v == 0) return slice_end;
  return std::min(slice_end, std::max(now, cpu.since + rules_.wakeup_preemption));
}

void Cpus::dispatch(Cpu& cpu, Task& task, Nanos delay, bool was_idle) {
  const Task* const from = cpu.last;
  cpu.running = &task;
  cpu.last = &task;
  task.cpu = id_of(cpu);
  task.on_cpu = true;
  if (from != &task) {
    if (from) delay += costs_.context_switch;
  }
  // Also a task that goes on where it was, after its CPU was idle: flushes may have passed it by.
  if (hook_ && (from != &task || was_idle)) {
    hook_(hook_self_, cpu, was_idle ? nullptr : from, task);
  }
  cpu.since = engine_.now() + delay;
  cpu.slice_end = cpu.since + slice_of(task);
  const bool shares = !cpu.queue.empty() && rank_of(*cpu.queue.front()) == rank_of(task) &&
                      attr_of(task).policy != SchedPolicy::fifo;
  task.preempt_at = shares ? cpu.slice_end : Nanos(~0ULL);
  engine_.run_at(task, engine_.now() + delay);
}

void Cpus::next(Cpu& cpu) {
  cpu.running = nullptr;
  if (cpu.queue.empty()) return;
  Task* const task = cpu.queue.front();
  cpu.queue.pop_front();
  dispatch(cpu, *task, Nanos{}, false);
}

// The kernel's own scale: 0 to 98 for real-time tasks, 100 to 139 for nice values.
int Cpus::printed_priority(const Task& task) const {
  const SchedAttr attr = attr_of(task);
  return attr.policy == SchedPolicy::normal ? 120 + attr.priority : 99 - attr.priority;
}

void Cpus::trace_switch(const Task& task, const char* state) {
  if (!engine_.tracer().wants(Event::sched_switch)) return;
  constexpr int base = 120;  // nice 0
  const int prio = printed_priority(task);
  const Cpu& cpu = of(task);
  const TaskName& from = engine_.tracer().tasks().name(task.id);
  if (cpu.queue.empty()) {
    const std::string idle = "swapper/" + std::to_string(id_of(cpu).v);
    engine_.trace<Event::sched_switch>(std::string_view(from.comm), from.pid, prio, state,
                                       std::string_view(idle), 0, base);
    return;
  }
  const TaskName& to = engine_.tracer().tasks().name(cpu.queue.front()->id);
  engine_.trace<Event::sched_switch>(std::string_view(from.comm), from.pid, prio, state,
                                     std::string_view(to.comm), to.pid,
                                     printed_priority(*cpu.queue.front()));
}

// sched_switch of a task that goes to sleep. Left out: those of tasks that are preempted.
void Cpus::trace_sleep(const Task& task) {
  if (task.state != TaskState::blocked || task.sleep == SleepState::unseen) return;
  trace_switch(task, task.sleep == SleepState::interruptible ? "S" : "D");
}

void Cpus::prefer_new(const Task& child, Task& parent) {
  if (child.cpu != parent.cpu || child.on_cpu || rank_of(child) != rank_of(parent)) return;
  auto& queue = of(parent).queue;
  const auto at = std::find(queue.begin(), queue.end(), &child);
  if (at == queue.end()) return;
  Task* const first = *at;
  queue.erase(at);
  enqueue(of(parent), *first, Place::before_equals);
  engine_.set_preempt_at(parent, engine_.now());
}

void Cpus::blocked(Task& task) {
  Cpu& cpu = of(task);
  FL_ASSERT(cpu.running == &task);
  task.on_cpu = false;
  trace_sleep(task);
  next(cpu);
}

void Cpus::woken(Task& task) {
  const bool affine = rules_.placement == WakePlacement::affine && rank_of(task) == 0;
  const CpuId id = affine ? place_affine(task) : place(task);
  Cpu& cpu = cpus_[id.v];
  if (!cpu.running) {
    dispatch(cpu, task, engine_.now() == Nanos{} ? Nanos{} : costs_.lock_wake, true);
    return;
  }
  task.cpu = id;
  task.on_cpu = false;
  enqueue(cpu, task, Place::behind_equals);
  engine_.set_preempt_at(*cpu.running, preempts_at(cpu, task));
}

void Cpus::expired(Task& task) {
  Cpu& cpu = of(task);
  task.on_cpu = false;
  // A real-time task that another has preempted goes on as soon as that sleeps.
  const bool used_up = rank_of(task) == 0 || engine_.now() >= cpu.slice_end;
  enqueue(cpu, task, used_up ? Place::behind_equals : Place::before_equals);
  next(cpu);
}

}  // namespace faultline
