// Pairs of mmap and munmap of 64 KiB in a process that has 10 VMAs, and in one that has a million,
// packed without a gap between them: the address search, the tree of VMAs and its changes. Rates
// are per CPU second, without records.
#include <sys/mman.h>

#include "harness.hpp"
#include "kernel/kernel.hpp"
#include "kernel/mm/mmap.hpp"

namespace {

using namespace faultline;

constexpr std::uint64_t pairs = 400'000;

struct Process {
  Process()
      : engine(tracer, EngineOptions{}),
        costs(make_costs(find_preset("x86-dram").value_or(DEFAULT_PRESET))),
        cpus(engine, 1, costs),
        k(engine, cpus, costs, LockCosts{costs.lock_op, costs.lock_handoff, costs.spin_handoff},
          profile(), Nanos(4'000'000)) {
    Task& task = engine.add_task();
    task_struct& ts = k.tasks.emplace_back();
    ts.id = task.id;
    ts.mm = &k.new_mm();
    ts.mm->mm_users = 1;
  }
  static Profile profile() {
    Profile p;
    p.max_map_count = 10'000'000;
    return p;
  }

  Tracer tracer;
  Engine engine;
  Costs costs;
  Cpus cpus;
  Kernel k;
};

FramePool& frame_pool(Process& process) { return process.engine.frames(); }

Path<void> program(Process& process, std::uint64_t vmas, double* seconds, bool* good) {
  Kernel& k = process.k;
  constexpr std::uint64_t flags = MAP_PRIVATE | MAP_ANONYMOUS;
  for (std::uint64_t n = 0; n < vmas; ++n) {
    // Neighbours differ in protection, so that none is merged.
    const std::uint64_t prot = n % 2 == 0 ? PROT_READ : PROT_READ | PROT_WRITE;
    const auto at = co_await ksys_mmap_pgoff(k, 0, PAGE_SIZE, prot, flags, -1, 0);
    *good = *good && at > 0;
  }
  const double start = bench::cpu_seconds();
  for (std::uint64_t n = 0; n < pairs; ++n) {
    const auto at = co_await ksys_mmap_pgoff(k, 0, 65536, PROT_READ | PROT_WRITE, flags, -1, 0);
    const auto error = co_await vm_munmap(k, static_cast<std::uint64_t>(at), 65536);
    *good = *good && at > 0 && error == 0;
  }
  *seconds = bench::cpu_seconds() - start;
}

double pairs_per_second(std::uint64_t vmas) {
  Process process;
  double seconds = 0;
  bool good = true;
  process.engine.start(process.engine.task(TaskId(0)),
                       program(process, vmas, &seconds, &good));
  const Outcome outcome = process.engine.run();
  return outcome == Outcome::completed && good ? static_cast<double>(pairs) / seconds : 0;
}

}  // namespace

int main() {
  std::vector<double> few;
  std::vector<double> many;
  for (int n = 0; n < 3; ++n) {
    few.push_back(bench::sample([] { return pairs_per_second(10); }));
    many.push_back(bench::sample([] { return pairs_per_second(1'000'000); }));
  }
  const double small = bench::median(few);
  const double large = bench::median(many);
  std::printf("mmap+munmap, 10 VMAs        %6.2f M pairs/s  (at least 0.5)\n", small / 1e6);
  std::printf("mmap+munmap, 1 M VMAs       %6.2f M pairs/s  (at least 0.5)\n", large / 1e6);
  std::printf("cost of a pair, 1 M to 10   %6.2f            (below 3)\n", small / large);
  return small >= 0.5e6 && large >= 0.5e6 && small / large < 3 ? 0 : 1;
}
