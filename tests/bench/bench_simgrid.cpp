// Tasks against SimGrid's actors: 1024 that sleep, and 64 that share 8 mutexes (hold and think
// times exponential with the same mean): with the engine's own FIFO mutex, and with the modelled
// kernel mutex and all its accounts.
#include <simgrid/s4u.hpp>

#include <deque>
#include <memory>

#include "engine/fifo_mutex.hpp"
#include "harness.hpp"
#include "locking/mutex.hpp"

namespace sg4 = simgrid::s4u;

namespace faultline {
namespace {

constexpr std::uint64_t sleep_tasks = 1024;
constexpr std::uint64_t sleeps_ours = 4'000;
constexpr std::uint64_t sleeps_peer = 400;
constexpr std::uint64_t lock_tasks = 64;
constexpr std::uint64_t lock_count = 8;
constexpr std::uint64_t sections_ours = 40'000;
constexpr std::uint64_t sections_peer = 4'000;

struct World {
  explicit World(bool spin) : engine(tracer, {}), locks(engine, LockCosts{}), spins(spin) {
    for (std::uint64_t i = 0; i < lock_count; ++i) {
      init_lock(kernel[i], locks, locks.lock_class("M", LockType::mutex), lock_id(1, i));
      fifo.emplace_back(engine);
    }
  }
  Tracer tracer;
  Engine engine;
  LockContext locks;
  std::deque<FifoMutex> fifo;
  mutex kernel[lock_count];
  bool spins;  // holders keep their CPU, so that others spin on them
  bench::Durations sleeps{1};
  bench::Durations times{2, 1e6, 0};
};

FramePool& frame_pool(World& world) { return world.engine.frames(); }

Path<void> sleeper(World& world) {
  for (std::uint64_t i = 0; i < sleeps_ours; ++i) {
    co_await world.engine.block_until(world.engine.now() + Nanos(world.sleeps.next()));
  }
}

Path<void> fifo_locker(World& world) {
  for (std::uint64_t i = 0; i < sections_ours; ++i) {
    FifoMutex& m = world.fifo[world.times.below(lock_count)];
    co_await m.lock();
    co_await world.engine.spend(Nanos(world.times.next()));
    m.unlock();
    co_await world.engine.spend(Nanos(world.times.next()));
  }
}

Path<void> kernel_locker(World& world) {
  for (std::uint64_t i = 0; i < sections_ours; ++i) {
    mutex& m = world.kernel[world.times.below(lock_count)];
    co_await mutex_lock(m);
    const Nanos hold(world.times.next());
    if (world.spins) {
      co_await world.engine.spend(hold);
    } else {
      co_await world.engine.block_until(world.engine.now() + hold);
    }
    mutex_unlock(m);
    co_await world.engine.spend(Nanos(world.times.next()));
  }
}

double run_ours(Path<void> (*body)(World&), std::uint64_t tasks, std::uint64_t each, bool spin) {
  World world(spin);
  for (std::uint64_t i = 0; i < tasks; ++i) {
    world.engine.start(world.engine.add_task(), body(world));
  }
  const double start = bench::cpu_seconds();
  if (world.engine.run() != Outcome::completed) std::abort();
  return static_cast<double>(tasks * each) / (bench::cpu_seconds() - start);
}

// SimGrid counts in seconds with a precision of its own; a tick is a microsecond's worth of them.
double seconds(std::uint64_t ticks) { return static_cast<double>(ticks) * 1e-3; }

sg4::Host* simgrid_host() {
  static int argc = 1;
  static char name[] = "bench";
  static char* argv[] = {name, nullptr};
  static sg4::Engine engine(&argc, argv);
  auto* zone = sg4::create_full_zone("zone");
  auto* host = zone->create_host("host", 1e9);
  zone->seal();
  return host;
}

double run_simgrid_sleep() {
  sg4::Host* const host = simgrid_host();
  bench::Durations sleeps(1);
  for (std::uint64_t i = 0; i < sleep_tasks; ++i) {
    sg4::Actor::create("sleeper", host, [&sleeps] {
      for (std::uint64_t k = 0; k < sleeps_peer; ++k) {
        sg4::this_actor::sleep_for(seconds(sleeps.next()));
      }
    });
  }
  const double start = bench::cpu_seconds();
  sg4::Engine::get_instance()->run();
  return static_cast<double>(sleep_tasks * sleeps_peer) / (bench::cpu_seconds() - start);
}

double run_simgrid_mutex() {
  sg4::Host* const host = simgrid_host();
  bench::Durations times(2, 1e6, 0);
  std::vector<sg4::MutexPtr> mutexes;
  for (std::uint64_t i = 0; i < lock_count; ++i) mutexes.push_back(sg4::Mutex::create());
  for (std::uint64_t i = 0; i < lock_tasks; ++i) {
    sg4::Actor::create("locker", host, [&times, &mutexes] {
      for (std::uint64_t k = 0; k < sections_peer; ++k) {
        sg4::Mutex& m = *mutexes[times.below(lock_count)];
        m.lock();
        sg4::this_actor::sleep_for(seconds(times.next()));
        m.unlock();
        sg4::this_actor::sleep_for(seconds(times.next()));
      }
    });
  }
  const double start = bench::cpu_seconds();
  sg4::Engine::get_instance()->run();
  return static_cast<double>(lock_tasks * sections_peer) / (bench::cpu_seconds() - start);
}

}  // namespace
}  // namespace faultline

int main() {
  bench::Table table;
  using namespace faultline;
  const auto sleep = bench::medians(
      {[] { return run_ours(sleeper, sleep_tasks, sleeps_ours, false); }, run_simgrid_sleep});
  table.row("1024 sleeping tasks / SimGrid sleep_for", sleep[0], sleep[1], 15);
  const auto lock = bench::medians(
      {[] { return run_ours(fifo_locker, lock_tasks, sections_ours, false); },
       [] { return run_ours(kernel_locker, lock_tasks, sections_ours, false); },
       [] { return run_ours(kernel_locker, lock_tasks, sections_ours, true); }, run_simgrid_mutex});
  table.row("64 tasks on 8 FIFO mutexes / SimGrid Mutex", lock[0], lock[3], 15);
  table.row("64 tasks on 8 kernel mutexes, sleeping holders / SimGrid Mutex", lock[1], lock[3], 5);
  table.row("64 tasks on 8 kernel mutexes, spinning waiters / SimGrid Mutex", lock[2], lock[3], 5);
  return table.exit_code();
}
