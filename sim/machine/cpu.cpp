// The run queues. A task occupies its CPU from dispatch() until it blocks, ends or is preempted;
// the engine only sees when it may run next.
#include "machine/cpu.hpp"

#include <array>

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

// An idle allowed CPU, the one the task ran on last if possible; else the shortest queue, lowest
// number first.
CpuId Cpus::place(const Task& task) const {
  static const std::vector<std::uint32_t> anywhere;
  const auto& allowed = task.id.v < allowed_.size() ? allowed_[task.id.v] : anywhere;
  const std::size_t n = allowed.empty() ? cpus_.size() : allowed.size();
  const auto load = [](const Cpu& cpu) { return cpu.queue.size() + (cpu.running ? 1 : 0); };
  std::size_t best = ~std::size_t{0};
  std::uint32_t chosen = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint32_t c = allowed.empty() ? static_cast<std::uint32_t>(i) : allowed[i];
    const std::size_t l = load(cpus_[c]);
    if (l < best || (l == best && c == task.cpu.v)) {
      best = l;
      chosen = c;
    }
  }
  return CpuId(static_cast<std::uint16_t>(chosen));
}

void Cpus::set_nice(const Task& task, int nice) {
  if (nice_.size() <= task.id.v) nice_.resize(task.id.v + 1);
  nice_[task.id.v] = nice;
}

// One step of nice is a tenth of the CPU between two tasks: kernel/sched/core.c (6.12) gives these
// weights, 1024 for nice 0.
Nanos Cpus::slice_of(const Task& task) const {
  constexpr std::array<std::uint64_t, 40> weight{
      88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916,  //
      9548,  7620,  6100,  4904,  3906,  3121,  2501,  1991,  1586,  1277,   //
      1024,  820,   655,   526,   423,   335,   272,   215,   172,   137,    //
      110,   87,    70,    56,    45,    36,    29,    23,    18,    15};
  const auto at = static_cast<std::size_t>(nice_of(task) + 20);
  return Nanos(costs_.time_slice.v * weight[at] / weight[20]);
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
  cpu.slice_end = engine_.now() + delay + slice_of(task);
  task.preempt_at = cpu.queue.empty() ? Nanos(~0ULL) : cpu.slice_end;
  engine_.run_at(task, engine_.now() + delay);
}

void Cpus::next(Cpu& cpu) {
  cpu.running = nullptr;
  if (cpu.queue.empty()) return;
  Task* const task = cpu.queue.front();
  cpu.queue.pop_front();
  dispatch(cpu, *task, Nanos{}, false);
}

void Cpus::trace_switch(const Task& task, const char* state) {
  if (!engine_.tracer().wants(Event::sched_switch)) return;
  constexpr int base = 120;  // nice 0
  const int prio = base + nice_of(task);
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
                                     base + nice_of(*cpu.queue.front()));
}

// sched_switch of a task that goes to sleep. Left out: those of tasks that are preempted.
void Cpus::trace_sleep(const Task& task) {
  if (task.state != TaskState::blocked || task.sleep == SleepState::unseen) return;
  trace_switch(task, task.sleep == SleepState::interruptible ? "S" : "D");
}

void Cpus::prefer_new(const Task& child, Task& parent) {
  if (child.cpu != parent.cpu || child.on_cpu) return;
  auto& queue = of(parent).queue;
  const auto at = std::find(queue.begin(), queue.end(), &child);
  if (at == queue.end()) return;
  Task* const first = *at;
  queue.erase(at);
  queue.push_front(first);
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
  const CpuId id = place(task);
  Cpu& cpu = cpus_[id.v];
  if (!cpu.running) {
    dispatch(cpu, task, engine_.now() == Nanos{} ? Nanos{} : costs_.lock_wake, true);
    return;
  }
  task.cpu = id;
  task.on_cpu = false;
  cpu.queue.push_back(&task);
  engine_.set_preempt_at(*cpu.running, std::max(cpu.slice_end, engine_.now()));
}

void Cpus::expired(Task& task) {
  Cpu& cpu = of(task);
  task.on_cpu = false;
  cpu.queue.push_back(&task);
  next(cpu);
}

}  // namespace faultline
