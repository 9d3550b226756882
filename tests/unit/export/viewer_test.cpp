// What the viewer makes of a trace: spans, waits, CPU time, extents and page tables, and the bytes
// that the page carries. The traces are written by hand, so what must come of them is known.
#include "export/viewer_collect.hpp"
#include "export/viewer_maps.hpp"
#include "export/viewer_pack.hpp"

#include <string>

#include "base/rng.hpp"
#include "catch.hpp"

using namespace faultline;

namespace {

ViewerInput collected(const std::string& text) {
  std::vector<Diagnostic> problems;
  auto input = collect_text_for_viewer(text, "folder/some.trace", problems);
  REQUIRE(problems.empty());
  REQUIRE(input.has_value());
  return std::move(*input);
}

std::string line(const std::string& task, int cpu, int ns, const std::string& event) {
  std::string time = std::to_string(ns);
  time.insert(0, 9 - time.size(), '0');
  return "     " + task + " [00" + std::to_string(cpu) + "] .....     0." + time + ": " + event +
         "\n";
}

const std::string lock = "0100000000000001";

// Task a has the lock; b finds it taken, and gets it when a lets go.
std::string contended() {
  return "# tracer: nop\n" + line("a-1", 0, 10, "lock_acquire: " + lock + " L") +  // 0
         line("b-2", 1, 20, "lock_acquire: " + lock + " read L") +                 // 1
         line("b-2", 1, 20, "lock_contended: " + lock + " L") +                    // 2
         line("a-1", 0, 50, "lock_release: " + lock + " L") +                      // 3
         line("b-2", 1, 60, "lock_acquired: " + lock + " L") +                     // 4
         line("b-2", 1, 70, "lock_release: " + lock + " L");                       // 5
}

bool has(const ViewerModel& m, ViewerSpanKind kind, RecordIndex begin, RecordIndex end) {
  for (const auto& s : m.spans) {
    if (s.kind == kind && s.begin == begin && s.end == end) return true;
  }
  return false;
}

std::size_t count(const ViewerModel& m, ViewerSpanKind kind) {
  std::size_t n = 0;
  for (const auto& s : m.spans) n += s.kind == kind;
  return n;
}

}  // namespace

TEST_CASE("a wait knows whom it waits for and who ends it") {
  const auto input = collected(contended());
  const ViewerModel& m = input.model;
  CHECK(m.name == "some.trace");
  REQUIRE(m.waits.size() == 1);
  CHECK(m.waits[0].at == 2);
  CHECK(m.waits[0].owner == 0);
  CHECK(m.waits[0].waker == 3);
  CHECK(m.waits[0].woken == 4);
  CHECK(count(m, ViewerSpanKind::hold) == 2);
  CHECK(has(m, ViewerSpanKind::hold, 0, 3));
  CHECK(has(m, ViewerSpanKind::hold, 4, 5));
  CHECK(has(m, ViewerSpanKind::wait, 2, 4));
}

TEST_CASE("a bit lock's acquisition ends the wait for it") {
  const auto input = collected(line("a-1", 0, 1, "sim_bitlock_acquire: " + lock + " dax_entry") +
                               line("b-2", 1, 2, "sim_bitlock_contended: " + lock + " dax_entry") +
                               line("a-1", 0, 3, "sim_bitlock_release: " + lock + " dax_entry") +
                               line("b-2", 1, 4, "sim_bitlock_acquire: " + lock + " dax_entry") +
                               line("a-1", 0, 5, "sim_bitlock_release: " + lock + " dax_entry"));
  const ViewerModel& m = input.model;
  REQUIRE(m.waits.size() == 1);
  CHECK(m.waits[0].owner == 0);
  CHECK(m.waits[0].waker == 2);
  CHECK(m.waits[0].woken == 3);
  CHECK(has(m, ViewerSpanKind::hold, 0, 2));
  CHECK(has(m, ViewerSpanKind::wait, 1, 3));
  CHECK(has(m, ViewerSpanKind::hold, 3, 4));  // released by another task than took it
}

TEST_CASE("waits and holds that do not end are open, and end where records are lost") {
  const std::string text = line("a-1", 0, 1, "lock_acquire: " + lock + " L") +
                           line("b-2", 1, 2, "lock_acquire: " + lock + " L") +
                           line("b-2", 1, 2, "lock_contended: " + lock + " L");
  const auto open = collected(text);
  CHECK(has(open.model, ViewerSpanKind::hold, 0, no_record));
  CHECK(has(open.model, ViewerSpanKind::wait, 2, no_record));
  CHECK(open.model.waits.at(0).woken == no_record);
  const auto lost = collected("# tracer: nop\n" + text + "CPU:0 [LOST 7 EVENTS]\n" +
                              line("a-1", 0, 9, "lock_release: " + lock + " L"));
  CHECK_FALSE(lost.model.info.complete);
  CHECK(has(lost.model, ViewerSpanKind::hold, 0, 3));
  CHECK(has(lost.model, ViewerSpanKind::wait, 2, 3));
  CHECK(count(lost.model, ViewerSpanKind::hold) == 1);
}

TEST_CASE("calls nest, and a fault lasts as long as its handler") {
  const auto input =
      collected(line("a-1", 0, 1, "sim_step: a.st store") +
                line("a-1", 0, 2, "page_fault_user: address=0x1000 ip=0x401000 error_code=0x6") +
                line("a-1", 0, 2, "sim_call: do_user_addr_fault") +
                line("a-1", 0, 3, "sim_call: handle_mm_fault") +
                line("a-1", 0, 4, "sim_call: left_without_a_record") +
                line("a-1", 0, 5, "sim_ret: handle_mm_fault = NOPAGE") +
                line("a-1", 0, 6, "sim_ret: do_user_addr_fault") +
                line("a-1", 0, 7, "sim_step_done: a.st 0 0x0"));
  const ViewerModel& m = input.model;
  CHECK(has(m, ViewerSpanKind::step, 0, 7));
  CHECK(has(m, ViewerSpanKind::fault, 1, 6));
  CHECK(has(m, ViewerSpanKind::call, 2, 6));
  CHECK(has(m, ViewerSpanKind::call, 3, 5));
  CHECK(has(m, ViewerSpanKind::call, 4, 5));
  for (const auto& s : m.spans) {
    if (s.kind == ViewerSpanKind::call) CHECK(s.depth == s.begin - 2);
  }
}

TEST_CASE("the scheduler's events give the CPU and wake") {
  const std::string prev = "sched_switch: prev_comm=a prev_pid=1 prev_prio=120 prev_state=R ==> ";
  const auto input =
      collected(line("a-1", 0, 1, "sched_waking: comm=b pid=2 prio=120 target_cpu=000") +
                line("a-1", 0, 2, prev + "next_comm=b next_pid=2 next_prio=120") +
                line("b-2", 0, 3, "xfs_filemap_fault: dev 1:1 ino 0x2 order 0 write_fault 0") +
                line("b-2", 0, 4, "xfs_filemap_fault: dev 1:1 ino 0x2 order 0 write_fault 0"));
  const ViewerModel& m = input.model;
  REQUIRE(m.wakes.size() == 1);
  CHECK(m.wakes[0].waker == 0);
  CHECK(m.wakes[0].woken == 2);
  REQUIRE(m.runs.size() == 2);
  CHECK(m.tasks[m.runs[1].task].name == "b");
  CHECK(m.runs[1].begin == 1);
  CHECK(m.runs[1].end == 3);
}

TEST_CASE("who waits has the CPU only while it spins") {
  const auto input = collected(line("a-1", 0, 1, "lock_acquire: " + lock + " L") +
                               line("b-2", 1, 2, "lock_acquire: " + lock + " L") +
                               line("b-2", 1, 2, "lock_contended: " + lock + " L") +
                               line("b-2", 1, 2, "sim_call: rwsem_optimistic_spin") +
                               line("b-2", 1, 5, "sim_ret: rwsem_optimistic_spin = false") +
                               line("a-1", 0, 8, "lock_release: " + lock + " L") +
                               line("b-2", 1, 9, "lock_acquired: " + lock + " L"));
  const auto& runs = input.model.runs;
  REQUIRE(runs.size() == 3);
  CHECK(runs[1].cpu == 1);
  CHECK(runs[1].begin == 1);
  CHECK(runs[1].end == 4);
  CHECK(runs[2].begin == 6);
}

TEST_CASE("a run queue's lock is not held over a switch, and RCU readers make no circle") {
  const std::string rq = "0000000048459902";
  const std::string rcu = "0000000080a87873";
  const auto input = collected(
      line("a-1", 0, 1, "lock_acquire: " + rq + " &rq->__lock") +
      line("a-1", 0, 2,
           "sched_switch: prev_comm=a prev_pid=1 prev_prio=120 prev_state=S ==> next_comm=b "
           "next_pid=2 next_prio=120") +
      line("a-1", 0, 3, "lock_acquire: " + lock + " L") +
      line("a-1", 0, 3, "lock_acquire: " + rcu + " read rcu_read_lock") +
      line("a-1", 0, 3, "lock_release: " + rcu + " rcu_read_lock") +
      line("a-1", 0, 3, "lock_release: " + lock + " L") +
      line("a-1", 0, 4, "lock_acquire: " + rcu + " read rcu_read_lock") +
      line("a-1", 0, 4, "lock_acquire: " + lock + " L"));
  const auto& graph = input.order["graphs"][0];
  CHECK(graph["circles"].empty());
  CHECK(graph["edges"].size() == 2);  // L -> rcu_read_lock -> L, and none from the run queue
}

TEST_CASE("an ABBA is a circle with its first places") {
  const std::string a = "0100000000000001";
  const std::string b = "0100000000000002";
  const auto take = [](const std::string& task, int ns, const std::string& first,
                       const std::string& f, const std::string& second, const std::string& s) {
    return line(task, 0, ns, "lock_acquire: " + first + " " + f) +
           line(task, 0, ns + 1, "lock_acquire: " + second + " " + s) +
           line(task, 0, ns + 2, "lock_release: " + second + " " + s) +
           line(task, 0, ns + 3, "lock_release: " + first + " " + f);
  };
  const auto input =
      collected(take("one-1", 10, a, "A", b, "B") + take("two-2", 20, b, "B", a, "A"));
  const auto& graph = input.order["graphs"][0];
  REQUIRE(graph["circles"].size() == 1);
  REQUIRE(graph["edges"].size() == 2);
  CHECK(graph["edges"][0]["flags"] == 3);
  CHECK(graph["edges"][1]["seen"][0]["task"] == "two");
  CHECK(graph["edges"][1]["seen"][0]["ns"] == 21);
}

TEST_CASE("ranges of states agree with a state for each byte") {
  Rng rng(7);
  ViewerSpace space;
  std::vector<ViewerPiece> out;
  constexpr unsigned size = 64;
  constexpr unsigned changes = 300;
  // naive[when][at]: the state after that change, 0 for none.
  std::vector<std::vector<std::uint8_t>> naive(changes, std::vector<std::uint8_t>(size, 0));
  for (unsigned when = 0; when < changes; ++when) {
    if (when > 0) naive[when] = naive[when - 1];
    const auto at = rng.below(size);
    const auto length = 1 + rng.below(size - at);
    const auto state = static_cast<std::uint8_t>(rng.below(4));
    for (std::uint64_t i = at; i < at + length; ++i) naive[when][i] = state;
    if (state == 0) {
      space.clear(at, length, when, 0, out);
    } else {
      space.set(at, {length, when, state, 1000 + at}, 0, out);
    }
  }
  space.finish(0, out);
  std::vector<std::vector<std::uint8_t>> drawn(changes, std::vector<std::uint8_t>(size, 0));
  for (const auto& piece : out) {
    const unsigned to = piece.to == no_record ? changes : piece.to;
    for (unsigned when = piece.from; when < to; ++when) {
      for (std::uint64_t i = piece.at; i < piece.at + piece.length; ++i) {
        CHECK(drawn[when][i] == 0);  // never two at once
        drawn[when][i] = piece.state;
      }
    }
  }
  CHECK(drawn == naive);
}

TEST_CASE("extents come from iomap, page tables from the tasks that share them") {
  const std::string map = "iomap_iter_dstmap: dev 259:0 ino 0x83 bdev 259:0 ";
  const auto input = collected(
      line("a-1", 0, 1, "lock_acquire: " + lock + " &mm->mmap_lock") +
      line("b-2", 1, 1, "lock_acquire: 0100000000000009 &mm->mmap_lock") +
      line("c-3", 2, 1, "lock_acquire: " + lock + " read &mm->mmap_lock") +
      line("a-1", 0, 2, map + "addr 0x14000 offset 0x0 length 0x2000 type UNWRITTEN flags ") +
      line("a-1", 0, 3, map + "addr 0x14000 offset 0x0 length 0x1000 type MAPPED flags DIRTY") +
      line("a-1", 0, 4, "sim_pte_set: address=0x7000 pfn=0x14 order=0 flags=0x8000000000000067") +
      line("b-2", 1, 5, "sim_pte_set: address=0x7000 pfn=0x14 order=0 flags=0x8000000000000025") +
      line("c-3", 2, 6, "sim_pte_clear: address=0x7000 order=0") +
      line("c-3", 2, 7, "sim_pte_clear: address=0x7000 order=0"));
  const ViewerMaps& maps = input.model.maps;
  CHECK(maps.files == std::vector<std::string>{"259:0 ino 0x83"});
  REQUIRE(maps.extents.size() == 3);
  CHECK(maps.extents[0].length == 0x2000);
  CHECK(maps.extents[0].from == 3);
  CHECK(maps.extents[0].to == 4);
  CHECK(maps.extents[1].at == 0);
  CHECK(maps.extents[1].state == static_cast<std::uint8_t>(ViewerExtent::written));
  CHECK(maps.extents[2].at == 0x1000);
  CHECK(maps.extents[2].target == 0x15000);
  CHECK(maps.spaces == std::vector<std::string>{"a, c", "b"});
  REQUIRE(maps.ptes.size() == 2);
  CHECK(maps.ptes[0].space == 0);
  CHECK(maps.ptes[0].state == static_cast<std::uint8_t>(ViewerPte::rw));
  CHECK(maps.ptes[0].to == 7);
  CHECK(maps.ptes[1].space == 1);  // not in the task's own space any more: the other's
  CHECK(maps.ptes[1].state == static_cast<std::uint8_t>(ViewerPte::ro));
  CHECK(maps.ptes[1].to == 8);
}

TEST_CASE("base64 has the values of RFC 4648") {
  CHECK(base64("") == "");
  CHECK(base64("f") == "Zg==");
  CHECK(base64("fo") == "Zm8=");
  CHECK(base64("foobar") == "Zm9vYmFy");
}

TEST_CASE("what is no trace is refused") {
  std::vector<Diagnostic> problems;
  CHECK_FALSE(collect_text_for_viewer("hello\n", "x", problems).has_value());
  CHECK_FALSE(problems.empty());
}

TEST_CASE("without lock events a wait belongs to the attempt before it, spinlocks aside") {
  const auto mmap = [](const char* what) {
    return std::string("mmap_lock_") + what + ": mm=0000000000000007 memcg_path=/ write=true";
  };
  const auto input =
      collected(line("a-1", 0, 1, mmap("start_locking")) +                               // 0
                line("a-1", 0, 2, mmap("acquire_returned") + " success=true") +          // 1
                line("b-2", 1, 3, mmap("start_locking")) +                               // 2
                line("b-2", 1, 4, "contention_begin: 00000000000000aa (flags=SPIN)") +   // 3
                line("b-2", 1, 5, "contention_end: 00000000000000aa (ret=0)") +          // 4
                line("b-2", 1, 6, "contention_begin: 00000000000000bb (flags=WRITE)") +  // 5
                line("a-1", 0, 7, mmap("released")) +                                    // 6
                line("b-2", 1, 8, "contention_end: 00000000000000bb (ret=0)") +          // 7
                line("b-2", 1, 9, mmap("acquire_returned") + " success=true") +          // 8
                line("b-2", 1, 10, mmap("released")));                                   // 9
  const ViewerModel& m = input.model;
  CHECK(m.locks_are_inferred);
  CHECK(has(m, ViewerSpanKind::hold, 0, 6));
  CHECK(has(m, ViewerSpanKind::wait, 3, 4));
  CHECK(has(m, ViewerSpanKind::wait, 5, 7));
  CHECK(has(m, ViewerSpanKind::hold, 7, 9));
  REQUIRE(m.waits.size() == 2);
  CHECK(m.waits[0].owner == no_record);
  CHECK(m.waits[1].owner == 0);
  CHECK(m.waits[1].waker == 6);
}
