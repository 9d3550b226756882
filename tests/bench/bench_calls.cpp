// What the small change of a kernel path costs, in nanoseconds of CPU time an operation (median of
// five): a spend that needs no suspension, a nested call, uncontended locks, tracing off.
#include "harness.hpp"
#include "locking/mutex.hpp"
#include "locking/percpu_rwsem.hpp"
#include "locking/rwsem.hpp"
#include "locking/spinlock.hpp"

namespace faultline {
namespace {

constexpr int operations = 10'000'000;

struct World {
  World() : engine(tracer, {}), locks(engine, LockCosts{Nanos(20), Nanos(1000), Nanos(50)}) {
    init_lock(sem, locks, locks.lock_class("R", LockType::rwsem), lock_id(1, 1));
    init_lock(mtx, locks, locks.lock_class("M", LockType::mutex), lock_id(1, 2));
    init_lock(spin, locks, locks.lock_class("P", LockType::spinlock), lock_id(1, 3));
    init_lock(percpu, locks, locks.lock_class("C", LockType::percpu_rwsem), lock_id(1, 4));
  }
  Tracer tracer;
  Engine engine;
  LockContext locks;
  rw_semaphore sem;
  mutex mtx;
  spinlock_t spin;
  percpu_rw_semaphore percpu;
  int sum = 0;
};

FramePool& frame_pool(World& world) { return world.engine.frames(); }

// Not inlined, so that its frame is a real one.
[[gnu::noinline]] Path<int> callee(World& world, int n) { co_return n + 1; }

Path<void> spends(World& world) {
  for (int i = 0; i < operations; ++i) co_await world.engine.spend(Nanos(5));
}

Path<void> try_spends(World& world) {
  for (int i = 0; i < operations; ++i) {
    if (!world.engine.try_spend(Nanos(5))) co_await world.engine.spend(Nanos(5));
  }
}

Path<void> calls(World& world) {
  for (int i = 0; i < operations; ++i) world.sum = co_await callee(world, world.sum);
}

Path<void> read_locks(World& world) {
  for (int i = 0; i < operations; ++i) {
    co_await down_read(world.sem);
    up_read(world.sem);
  }
}

Path<void> write_locks(World& world) {
  for (int i = 0; i < operations; ++i) {
    co_await down_write(world.sem);
    up_write(world.sem);
  }
}

Path<void> mutexes(World& world) {
  for (int i = 0; i < operations; ++i) {
    co_await mutex_lock(world.mtx);
    mutex_unlock(world.mtx);
  }
}

Path<void> spin_locks(World& world) {
  for (int i = 0; i < operations; ++i) {
    co_await spin_lock(world.spin);
    spin_unlock(world.spin);
  }
}

Path<void> percpu_reads(World& world) {
  for (int i = 0; i < operations; ++i) {
    co_await percpu_down_read(world.percpu);
    percpu_up_read(world.percpu);
  }
}

// Ten other tasks sleep far in the future, as in a real run: the queue is not empty.
Path<void> sleeper(World& world) { co_await world.engine.block_until(Nanos(1ULL << 60)); }

double measure(Path<void> (*body)(World&)) {
  World world;
  for (int i = 0; i < 10; ++i) world.engine.start(world.engine.add_task(), sleeper(world));
  world.engine.start(world.engine.add_task(), body(world));
  const double start = bench::cpu_seconds();
  world.engine.run();
  return operations / (bench::cpu_seconds() - start);
}

}  // namespace
}  // namespace faultline

int main() {
  using namespace faultline;
  const std::pair<const char*, Path<void> (*)(World&)> bodies[] = {
      {"spend", spends},
      {"try_spend", try_spends},
      {"nested call", calls},
      {"down_read+up", read_locks},
      {"down_write+up", write_locks},
      {"mutex lock+unlock", mutexes},
      {"spin lock+unlock", spin_locks},
      {"percpu read+up", percpu_reads}};
  std::vector<bench::Program> programs;
  for (const auto& [name, body] : bodies) {
    programs.emplace_back([body = body] { return measure(body); });
  }
  bench::Table table;
  const auto m = bench::medians(programs);
  for (std::size_t i = 0; i < programs.size(); ++i) {
    table.figure(std::string(bodies[i].first) + ", ns", 1e9 / m[i], 0);
  }
  return 0;
}
