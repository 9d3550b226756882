// CPUs and their run queues: who runs where in virtual time. A sleeping task leaves its CPU to the
// next in the queue; with a non-empty queue the running task is preempted when its time slice ends.
// Real-time tasks (SCHED_FIFO, SCHED_RR) come before all normal ones, by priority, and take the CPU
// at once. One FIFO per CPU stands for Linux' fair class: CPU time is shared by the weights of nice
// values, as slices of different length in turn. Where a woken task goes and whether a normal one
// preempts are rules of SchedRules. Left out: load balancing, deadline tasks, throttling of
// real-time tasks.
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

enum class SchedPolicy : std::uint8_t { normal, fifo, rr };

/// sched_setscheduler(2) of a task.
struct SchedAttr {
  SchedPolicy policy = SchedPolicy::normal;
  int priority = 0;  ///< normal: the nice value, -20 to 19; else 1 (lowest) to 99
};

/// Where a woken task goes.
enum class WakePlacement : std::uint8_t {
  least_loaded,  ///< an idle CPU, its previous one if possible; else where the fewest are before it
  affine,  ///< its previous CPU or the next idle one upwards; else its waker's or its previous
};

struct SchedRules {
  /// A woken normal task takes the CPU from a normal one that has had it for so long; 0: it waits
  /// for the end of the slice.
  Nanos wakeup_preemption{};
  WakePlacement placement = WakePlacement::least_loaded;
};

/// Who runs on a CPU, who waits for it, and what its MMU has cached.
struct Cpu {
  Task* running = nullptr;
  const Task* last = nullptr;  ///< the task whose state is loaded: no switch cost to go on with it
  std::deque<Task*> queue;
  Nanos since{};  ///< when it was given to `running`
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
  /// Without a call a task is a normal one of nice value 0.
  void set_attr(const Task& task, SchedAttr attr);
  void set_rules(const SchedRules& rules) { rules_ = rules; }
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
  CpuId place_affine(const Task& task) const;
  bool may_run_on(const Task& task, std::uint32_t cpu) const;
  SchedAttr attr_of(const Task& task) const {
    return task.id.v < attrs_.size() ? attrs_[task.id.v] : SchedAttr{};
  }
  /// Who has the higher one runs; 0: normal.
  int rank_of(const Task& task) const {
    const SchedAttr attr = attr_of(task);
    return attr.policy == SchedPolicy::normal ? 0 : attr.priority;
  }
  int printed_priority(const Task& task) const;
  enum class Place : std::uint8_t { behind_equals, before_equals };
  void enqueue(Cpu& cpu, Task& task, Place place);
  Nanos preempts_at(const Cpu& cpu, const Task& woken) const;
  Nanos slice_of(const Task& task) const;
  void dispatch(Cpu& cpu, Task& task, Nanos delay, bool was_idle);
  void next(Cpu& cpu);

  Engine& engine_;
  Costs costs_;
  std::vector<Cpu> cpus_;
  unsigned page_table_levels_ = 4;
  std::vector<std::vector<std::uint32_t>> allowed_;  // by task id
  std::vector<SchedAttr> attrs_;                     // by task id, as far as set
  SchedRules rules_;
  void* hook_self_ = nullptr;
  void (*hook_)(void*, Cpu&, const Task*, Task&) = nullptr;
};

}  // namespace faultline
