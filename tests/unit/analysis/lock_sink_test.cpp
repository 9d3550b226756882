// The lock order from records: a tracer with the sink on it plays what the lock primitives of a run
// record, and the findings are compared with the words they should have.
#include "catch.hpp"

#include "analysis/lock_order_sink.hpp"
#include "locking/mutex.hpp"
#include "locking/rwsem.hpp"

using namespace faultline;

namespace {

/// Emits lock records as a run does.
struct Player {
  explicit Player(const LockOrderOptions& options = {}) : sink(options) {
    tracer.add_sink(sink_ref(sink), sink.mask());
  }
  void info(const char* cls, std::uint64_t id, unsigned recursive, std::uint64_t nest) {
    tracer.emit<Event::sim_lock_info>(now, CpuId(0), task, id, cls, 0, recursive, nest);
  }
  void acquire(const char* cls, std::uint64_t id, unsigned flags = 0) {
    now += Nanos(10);
    tracer.emit<Event::lock_acquire>(now, CpuId(0), task, id, flags, cls);
  }
  void try_wait(const char* cls, std::uint64_t id, unsigned flags) {
    tracer.emit<Event::sim_lock_try_wait>(now, CpuId(0), task, id, flags, cls);
  }
  void release(const char* cls, std::uint64_t id) {
    now += Nanos(10);
    tracer.emit<Event::lock_release>(now, CpuId(0), task, id, cls);
  }
  void downgrade(const char* cls, std::uint64_t id) {
    tracer.emit<Event::sim_lock_downgrade>(now, CpuId(0), task, id, cls);
  }
  void bit_acquire(const char* cls, std::uint64_t id) {
    tracer.emit<Event::sim_bitlock_acquire>(now, CpuId(0), task, id, 0, cls);
  }
  void bit_release(const char* cls, std::uint64_t id) {
    tracer.emit<Event::sim_bitlock_release>(now, CpuId(0), task, id, cls);
  }
  void call(const char* f) { tracer.emit<Event::sim_call>(now, CpuId(0), task, f); }
  void ret(const char* f) { tracer.emit<Event::sim_ret>(now, CpuId(0), task, f, RetKind::none, 0); }
  std::vector<Finding> findings() const {
    return sink.findings(tracer.symbols(), [](TaskId t) { return "task" + std::to_string(t.v); });
  }

  Tracer tracer;
  LockOrderSink sink;
  Nanos now;
  TaskId task;
};

constexpr const char* iolock = "&sb->s_type->i_mutex_key";
constexpr const char* mmap_lock = "&mm->mmap_lock";
constexpr unsigned try_flag = 1, read_flag = 2;

std::string edges_of(const Player& p, const LockOrder& order) {
  std::string text;
  for (const LockEdge& e : order.graph().edges()) {
    if (!text.empty()) text += ", ";
    text += std::string(p.tracer.symbols().text(p.sink.printed(e.from))) + " -> " +
            std::string(p.tracer.symbols().text(p.sink.printed(e.to)));
  }
  return text;
}

}  // namespace

TEST_CASE("an inversion is a finding with both sides' locks, tasks, times and call paths") {
  Player p;
  p.call("vfs_write");
  p.acquire(iolock, 0x11);
  p.call("copy_from_iter");
  p.acquire(mmap_lock, 0x22, read_flag);
  p.release(mmap_lock, 0x22);
  p.ret("copy_from_iter");
  p.release(iolock, 0x11);
  p.ret("vfs_write");
  CHECK(p.findings().empty());
  p.task = TaskId(1);
  p.call("vm_mmap_pgoff");
  p.acquire(mmap_lock, 0x22);
  p.call("xfs_file_mmap");
  p.acquire(iolock, 0x11);
  CHECK(p.sink.cycles() == 1);
  const auto found = p.findings();
  REQUIRE(found.size() == 1);
  CHECK(found[0].kind == "lock-cycle");
  CHECK(found[0].text ==
        "possible deadlock: &mm->mmap_lock -> &sb->s_type->i_mutex_key -> &mm->mmap_lock; "
        "task1 at 0.000000060 wanted &sb->s_type->i_mutex_key (exclusive) holding &mm->mmap_lock "
        "(exclusive); task0 at 0.000000020 wanted &mm->mmap_lock (shared) holding "
        "&sb->s_type->i_mutex_key (exclusive)");
  REQUIRE(found[0].locks.size() == 4);
  const FindingLock& held = found[0].locks[0];
  CHECK(held.lock_class == mmap_lock);
  CHECK(held.instance == 0x22);
  CHECK(held.role == "held");
  CHECK(held.mode == "exclusive");
  CHECK(held.task == "task1");
  CHECK(held.path == std::vector<std::string>{"vm_mmap_pgoff"});
  const FindingLock& wanted = found[0].locks[3];
  CHECK(wanted.lock_class == mmap_lock);
  CHECK(wanted.role == "wanted");
  CHECK(wanted.mode == "shared");
  CHECK(wanted.task == "task0");
  CHECK(wanted.path == std::vector<std::string>{"vfs_write", "copy_from_iter"});
}

TEST_CASE("a fault's try-then-wait is counted, and the finding says that a kernel would not") {
  for (const bool told_before : {true, false}) {
    CAPTURE(told_before);
    Player p;
    p.acquire(iolock, 1);
    if (told_before) p.try_wait(mmap_lock, 2, read_flag);
    p.acquire(mmap_lock, 2, read_flag | try_flag);
    if (!told_before) p.try_wait(mmap_lock, 2, read_flag | try_flag);
    p.release(mmap_lock, 2);
    p.release(iolock, 1);
    p.acquire(mmap_lock, 2);
    p.acquire(iolock, 1);
    const auto found = p.findings();
    REQUIRE(found.size() == 1);
    CHECK(found[0].text.find("tried, and would have waited for, &mm->mmap_lock (shared)") !=
          std::string::npos);
    CHECK(found[0].text.find("stays silent") != std::string::npos);
  }
}

TEST_CASE("a successful trylock alone makes no cycle") {
  Player p;
  p.acquire(iolock, 1);
  p.acquire(mmap_lock, 2, read_flag | try_flag);
  p.release(mmap_lock, 2);
  p.release(iolock, 1);
  p.acquire(mmap_lock, 2);
  p.acquire(iolock, 1);
  CHECK(p.sink.cycles() == 0);
  CHECK(p.findings().empty());
}

TEST_CASE("annotations are acquisitions: fs_reclaim closes a circle, might_fault reads mmap_lock") {
  Player p;
  p.acquire("A", 1);
  p.acquire("fs_reclaim", 3);
  p.release("fs_reclaim", 3);
  p.acquire(mmap_lock, 2, read_flag);
  p.release(mmap_lock, 2);
  p.release("A", 1);
  CHECK(edges_of(p, p.sink.order()) == "A -> fs_reclaim, A -> &mm->mmap_lock");
  p.acquire("fs_reclaim", 3);
  p.acquire("A", 1);
  CHECK(p.sink.cycles() == 1);
}

TEST_CASE("recursion names both acquisitions; readers recurse where their lock says so") {
  Player p;
  p.acquire(mmap_lock, 2, read_flag);
  p.acquire(mmap_lock, 2, read_flag);
  const auto found = p.findings();
  REQUIRE(found.size() == 1);
  CHECK(found[0].kind == "recursion");
  CHECK(found[0].text ==
        "possible recursive locking: task0 at 0.000000020 wanted &mm->mmap_lock (shared) holding "
        "it (shared) since 0.000000010");
  REQUIRE(found[0].locks.size() == 2);
  CHECK(found[0].locks[0].role == "held");
  CHECK(found[0].locks[1].role == "wanted");

  Player q;
  q.info("dax_srcu", 7, 1, 0);
  q.acquire("dax_srcu", 7, read_flag);
  q.acquire("dax_srcu", 7, read_flag);
  CHECK(q.findings().empty());
  q.info("dax_srcu", 7, 0, 0);  // the latest word counts
  q.acquire("dax_srcu", 7, read_flag);
  CHECK(q.findings().size() == 1);
}

TEST_CASE("subclasses are classes of their own; the finding has them apart") {
  Player p;
  p.acquire("&ip->i_lock", 1);
  p.acquire("&ip->i_lock/1", 2);
  CHECK(p.findings().empty());
  p.acquire("&ip->i_lock/1", 3);
  const auto found = p.findings();
  REQUIRE(found.size() == 1);
  CHECK(found[0].locks[0].lock_class == "&ip->i_lock");
  CHECK(found[0].locks[0].subclass == 1);
  CHECK(split_printed_class("a/8").name == "a/8");
  CHECK(split_printed_class("a/0").name == "a/0");
  CHECK(split_printed_class("/1").subclass == 0);
  CHECK(split_printed_class("wq/pmem1").subclass == 0);
}

TEST_CASE("a nest lock comes from the lock's description") {
  Player p;
  p.info("A", 12, 0, 5);
  p.acquire("N", 5);
  p.acquire("A", 11);
  p.acquire("B", 6);
  p.acquire("A", 12);
  CHECK(p.findings().empty());
  p.release("N", 5);
  const auto found = p.findings();
  REQUIRE(found.size() == 2);  // the excuse is gone with the nest lock
  CHECK(found[0].kind == "kernel-warn");
  CHECK(found[1].kind == "recursion");
}

TEST_CASE("a bad release says who holds the lock") {
  Player p;
  p.acquire("A", 1);
  p.task = TaskId(1);
  p.release("A", 1);
  p.release("B", 9);
  const auto found = p.findings();
  REQUIRE(found.size() == 2);
  CHECK(found[0].kind == "bad-release");
  CHECK(found[0].text ==
        "task1 at 0.000000020 released A, which it does not hold; task0 does since 0.000000010");
  CHECK(found[0].locks.size() == 2);
  CHECK(found[1].text == "task1 at 0.000000030 released B, which it does not hold");
  REQUIRE(found[1].locks.size() == 1);
  CHECK(found[1].locks[0].role == "wanted");  // it holds nothing
  CHECK(found[1].locks[0].mode == "exclusive");
}

TEST_CASE("a downgraded lock goes on as a shared one") {
  Player p;
  p.acquire("A", 1);
  p.downgrade("A", 1);
  p.acquire("B", 2);
  REQUIRE(p.sink.order().graph().edges().size() == 1);
  CHECK(p.sink.order().graph().edges()[0].kinds == edge_kind::SN);
}

TEST_CASE("bit locks stay out of the graph, and have one of their own when asked for") {
  Player plain, both({true, true});
  for (Player* p : {&plain, &both}) {
    p->acquire("A", 1);
    p->bit_acquire("xfs_buf(agf)", 20);
    p->bit_acquire("xfs_buf(agf)", 21);
    p->acquire("B", 2);
    p->release("B", 2);
    p->release("A", 1);
    p->task = TaskId(1);
    p->bit_release("xfs_buf(agf)", 20);  // by another task: these belong to nobody
    p->bit_release("xfs_buf(agf)", 21);
    p->task = TaskId(0);
    p->bit_acquire("xfs_buf(agf)", 20);
    p->acquire("A", 1);
    CHECK(p->findings().empty());
    CHECK(edges_of(*p, p->sink.order()) == "A -> B");
  }
  CHECK(plain.sink.with_bit_locks() == nullptr);
  REQUIRE(both.sink.with_bit_locks() != nullptr);
  CHECK(both.sink.with_bit_locks()->held(TaskId(0)).size() == 2);
  CHECK(edges_of(both, *both.sink.with_bit_locks()) ==
        "A -> xfs_buf(agf), xfs_buf(agf) -> B, xfs_buf(agf) -> A");
  CHECK(both.sink.with_bit_locks()->graph().circles().size() == 1);
  CHECK(both.sink.cycles() == 0);
}

TEST_CASE("a return ends its call and those within it that ended without a word") {
  Player p;
  p.call("outer");
  p.call("middle");
  p.call("lost");
  p.ret("middle");
  p.acquire("A", 1);
  p.ret("outer");
  p.ret("never_called");
  p.acquire("A", 1);
  const auto found = p.findings();
  REQUIRE(found.size() == 1);
  CHECK(found[0].locks[0].path == std::vector<std::string>{"outer"});
  CHECK(found[0].locks[1].path.empty());
}

TEST_CASE("without paths no calls are asked for") {
  CHECK(LockOrderSink().mask().test(Event::sim_call));
  const LockOrderSink sink({false, false});
  CHECK_FALSE(sink.mask().test(Event::sim_call));
  CHECK_FALSE(sink.mask().test(Event::sim_bitlock_acquire));
  CHECK(sink.mask().test(Event::lock_acquire));
}

namespace {

struct LiveRun {
  Tracer tracer;
  LockOrderSink sink;
  Engine engine{tracer, {}};
  LockContext locks{engine, {}};
  rw_semaphore sem;
  mutex mtx;
};

FramePool& frame_pool(LiveRun& run) { return run.engine.frames(); }

Path<void> reader(LiveRun& run) {
  co_await down_read(run.sem);
  co_await mutex_lock(run.mtx);
  up_read(run.sem);
  mutex_unlock(run.mtx);
}

Path<void> writer(LiveRun& run) {
  co_await mutex_lock(run.mtx);
  co_await down_write(run.sem);
  downgrade_write(run.sem);
  up_read(run.sem);
  mutex_unlock(run.mtx);
}

Path<void> second_task(LiveRun& run) { co_await writer(run); }

}  // namespace

TEST_CASE("the real primitives of two tasks, one after the other") {
  LiveRun run;
  run.tracer.add_sink(sink_ref(run.sink), run.sink.mask());
  init_lock(run.sem, run.locks, run.locks.lock_class("S", LockType::rwsem), 1);
  init_lock(run.mtx, run.locks, run.locks.lock_class("M", LockType::mutex, 2), 2);
  run.engine.start(run.engine.add_task(), reader(run));
  REQUIRE(run.engine.run() == Outcome::completed);
  CHECK(run.sink.cycles() == 0);
  run.engine.start(run.engine.add_task(), second_task(run));
  REQUIRE(run.engine.run() == Outcome::completed);
  const auto found = run.sink.findings(run.tracer.symbols(), [](TaskId) { return "t"; });
  REQUIRE(found.size() == 1);
  CHECK(found[0].kind == "lock-cycle");
  CHECK(found[0].text.find("M/2 -> S -> M/2") != std::string::npos);
  REQUIRE(found[0].locks.size() == 4);
  CHECK(found[0].locks[0].subclass == 2);
  CHECK(found[0].locks[0].path == std::vector<std::string>{"writer"});
}
