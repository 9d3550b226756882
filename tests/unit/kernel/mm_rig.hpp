// A kernel with one process, for tests of memory management that look at its state: runs one
// coroutine as the program and gives access to the mm.
#pragma once

#include <functional>

#include "catch.hpp"
#include "kernel/arch/x86/access.hpp"
#include "kernel/kernel.hpp"
#include "kernel/mm/mmap.hpp"
#include "kernel/mm/tlb.hpp"
#include "kernel/mm/vma.hpp"

namespace faultline {

struct MmRig {
  explicit MmRig(std::uint32_t processes = 1)
      : engine(tracer, EngineOptions{}),
        costs(make_costs(find_preset("x86-dram").value_or(DEFAULT_PRESET))),
        cpus(engine, 1, costs),
        k(engine, cpus, costs, LockCosts{costs.lock_op, costs.lock_handoff, costs.spin_handoff},
          Profile{}, Nanos(4'000'000)) {
    for (std::uint32_t n = 0; n < processes; ++n) {
      Task& task = engine.add_task();
      task_struct& ts = k.tasks.emplace_back();
      ts.id = task.id;
      ts.pid = Pid(101 + static_cast<std::int32_t>(n));
      ts.caps = ~0ULL;
    }
    cpus.set_switch_hook(&k, [](void* self, Cpu& cpu, const Task* from, Task& to) {
      switch_mm(*static_cast<Kernel*>(self), cpu, from, to);
    });
    k.tasks[0].mm = &k.new_mm();
    k.tasks[0].mm->mm_users = 1;
  }

  mm_struct& mm() { return *k.tasks[0].mm; }

  /// Runs the first task to its end.
  void run(Path<void> program) {
    engine.start(engine.task(TaskId(0)), std::move(program));
    REQUIRE(engine.run() == Outcome::completed);
  }

  Tracer tracer;
  Engine engine;
  Costs costs;
  Cpus cpus;
  Kernel k;
};

inline FramePool& frame_pool(MmRig& rig) { return rig.engine.frames(); }

}  // namespace faultline
