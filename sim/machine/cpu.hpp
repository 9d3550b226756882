// CPUs and their run queues: who runs where in virtual time. A sleeping task leaves its CPU to the
// next in the queue; a woken one goes to an allowed idle CPU, else to the shortest queue; with a
// non-empty queue the running task is preempted when its time slice ends. One FIFO per CPU stands
// for Linux' scheduler: CPU time is shared by the weights of nice values, as slices of different
// length in turn. Left out: real-time classes, load balancing, wake-up preemption.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <vector>

#include <faultline/types.hpp>

#include "engine/engine.hpp"
#include "machine/presets.hpp"
#include "machine/tlb.hpp"

namespace faultline {

/// Who runs on a CPU, who waits for it, and what its MMU has cached.
struct Cpu {
  Task* running = nullptr;
  const Task* last = nullptr;  ///< the task whose state is loaded: no switch cost to go on with it
  std::deque<Task*> queue;
  Nanos slice_end{};
  std::uint64_t last_line = ~0ULL;  ///< physical cache line touched last
  Tlb tlb;
};

class Cpus {
 public:
  /// `count` is 1..4096. Installs itself as the engine's CPU policy.
  Cpus(Engine& engine, std::uint32_t count, const Costs& costs);

  /// What the MMUs are like: the sizes of their caches, and how many levels page tables have. To be
  /// set before any mm exists; without a call they are those of the default preset, with four.
  void set_mmu(const TlbGeometry& geometry, unsigned page_table_levels);
  unsigned page_table_levels() const { return page_table_levels_; }

  /// On which CPUs `task` may run; empty: on all. Before Engine::start.
  void allow(const Task& task, std::vector<std::uint32_t> cpus);
  /// The nice value of `task`, -20 to 19: what share of a CPU it gets beside others. Without a call
  /// it is 0.
  void set_nice(const Task& task, int nice);
  /// Called with a task each time a CPU begins to run another one, or any after it was idle, and
  /// with the task that it leaves for it; null if it was idle.
  void set_switch_hook(void* self, void (*hook)(void*, Cpu&, const Task* from, Task& to)) {
    hook_self_ = self;
    hook_ = hook;
  }

  /// A task that `parent` has just made, queued behind it on the same CPU, is to run as soon as the
  /// parent leaves the kernel: before all others, and instead of it.
  void prefer_new(const Task& child, Task& parent);
  /// sched_switch of a task that is about to leave its CPU; `state` as printed.
  void trace_switch(const Task& task, const char* state);

  std::size_t size() const { return cpus_.size(); }
  Cpu& operator[](CpuId id) { return cpus_[id.v]; }
  const Cpu& operator[](CpuId id) const { return cpus_[id.v]; }
  /// The CPU that `task` runs on.
  Cpu& of(const Task& task) { return cpus_[task.cpu.v]; }
  CpuId id_of(const Cpu& cpu) const {
    return CpuId(static_cast<std::uint16_t>(&cpu - cpus_.data()));
  }

 private:
  void blocked(Task& task);
  void trace_sleep(const Task& task);
  void woken(Task& task);
  void expired(Task& task);
  CpuId place(const Task& task) const;
  int nice_of(const Task& task) const { return task.id.v < nice_.size() ? nice_[task.id.v] : 0; }
  Nanos slice_of(const Task& task) const;
  void dispatch(Cpu& cpu, Task& task, Nanos delay, bool was_idle);
  void next(Cpu& cpu);

  Engine& engine_;
  Costs costs_;
  std::vector<Cpu> cpus_;
  unsigned page_table_levels_ = 4;
  std::vector<std::vector<std::uint32_t>> allowed_;  // by task id
  std::vector<int> nice_;                            // by task id, as far as set
  void* hook_self_ = nullptr;
  void (*hook_)(void*, Cpu&, const Task*, Task&) = nullptr;
};

}  // namespace faultline
