// The writer's lines as ftrace and our own format want them; tracer, symbols, digest, and sinks
// with their errors.
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "catch.hpp"
#include "trace/digest.hpp"
#include "trace_test_util.hpp"

using namespace trace_test;

namespace {

const CpuId cpu0(0), cpu1(1);
const TaskId task0(0), task1(1);

void emit_two(Tracer& tracer) {
  tracer.set_task(task0, "writer", 101);
  tracer.emit<Event::xfs_ilock>(Nanos(2500), cpu0, task0, make_dev(259, 0), Ino(0x85), 0x20,
                                "xfs_dax_read_fault");
  tracer.emit<Event::sim_ret>(Nanos(12'345'678'901'234), cpu1, task0, "handle_mm_fault",
                              RetKind::vm_fault, 0x104);
}

}  // namespace

TEST_CASE("a whole trace is written byte for byte as specified") {
  Tracer tracer;
  std::string text;
  TextWriter writer(tracer,
                    {"map_direct/sealed_store", "linux-4.13+map-direct-v6", 1, Level::all, ""},
                    TextSink::to_memory(&text));
  tracer.add_sink(sink_ref(writer), EventMask::all());
  emit_two(tracer);
  CHECK(writer.finish("completed") == 0);
  // The second line of the design's example; %5lu.%09lu for the time.
  CHECK(text ==
        "# tracer: nop\n"
        "# faultline: format=1 scenario=map_direct/sealed_store profile=linux-4.13+map-direct-v6 "
        "seed=1 level=all\n"
        "          writer-101     [000] .....     0.000002500: xfs_ilock: dev 259:0 ino 0x85 "
        "flags MMAPLOCK_SHARED caller xfs_dax_read_fault\n"
        "          writer-101     [001] ..... 12345.678901234: sim_ret: handle_mm_fault = "
        "MAJOR|NOPAGE\n"
        "# faultline: end outcome=completed records=2\n");
}

TEST_CASE("lines have the columns of the kernel's own text") {
  Tracer tracer;
  tracer.set_task(task0, "pf", 261);
  std::string text;
  TextWriter writer(tracer, {"s", "linux-6.12", 1, Level::all, ""}, TextSink::to_memory(&text));
  tracer.add_sink(sink_ref(writer), EventMask::all());
  tracer.emit<Event::sys_exit>(Nanos(7'134'245'000), cpu1, task0, 1, 1);
  tracer.emit_in<Event::tlb_flush>(Context::hardirq, Nanos(7'134'245'000), cpu1, task0, -1, 1);
  writer.finish("completed");
  const auto raw = data_file("dax-read-hole.events.ftrace.txt");
  const auto at = raw.find("              pf-261     [001] .....     7.134245: sys_exit: NR 1 = 1");
  REQUIRE(at != std::string::npos);
  auto expected = raw.substr(at, raw.find('\n', at) - at);
  expected.insert(expected.find(": sys_exit"), "000");
  CHECK(text.find("\n" + expected + "\n") != std::string::npos);
  CHECK(text.find("[001] d.h..     7.134245000: tlb_flush: pages:-1 reason:remote shootdown (1)") !=
        std::string::npos);
}

TEST_CASE("sim_ret prints each kind of value") {
  Tracer tracer;
  const auto print = [&](RetKind kind, std::int64_t value) {
    Record r;
    r.time = Nanos(0);
    r.event = Event::sim_ret;
    r.cpu = cpu0;
    r.task = task0;
    r.context = Context::task;
    r.n = 3;
    r.arg[0] = tracer.symbols().intern("f").v;
    r.arg[1] = static_cast<std::uint64_t>(kind);
    r.arg[2] = static_cast<std::uint64_t>(value);
    return print_body(tracer, r);
  };
  CHECK(print(RetKind::none, 0) == "f");
  CHECK(print(RetKind::integer, -22) == "f = -22");
  CHECK(print(RetKind::hex, 0x1000) == "f = 0x1000");
  CHECK(print(RetKind::errno_, -28) == "f = -ENOSPC");
  CHECK(print(RetKind::errno_, -516) == "f = -ERESTART_RESTARTBLOCK");
  CHECK(print(RetKind::errno_, 0) == "f = 0");
  CHECK(print(RetKind::errno_, 8192) == "f = 8192");
  CHECK(print(RetKind::vm_fault, 0) == "f = 0");
  CHECK(print(RetKind::vm_fault, 0x100) == "f = NOPAGE");
  CHECK(print(RetKind::vm_fault, 0x1000002) == "f = SIGBUS|0x1000000");
  CHECK(print(RetKind::boolean, 1) == "f = true");
  CHECK(print(RetKind::pointer, 0x2a) == "f = 000000000000002a");
}

TEST_CASE("very long symbols and many lines survive the buffer") {
  Tracer tracer;
  tracer.set_task(task0, "t", 1);
  std::string text;
  TextWriter writer(tracer, {"s", "linux-6.12", 1, Level::all, ""}, TextSink::to_memory(&text));
  tracer.add_sink(sink_ref(writer), EventMask::all());
  std::vector<std::string> bodies;
  for (std::size_t i = 0; i < 400; ++i) {
    const std::size_t length = i * i % 7000 + (i == 200 ? 600'000 : 0);
    const std::string what(length, static_cast<char>('a' + i % 26));
    tracer.emit<Event::sim_log_redo>(Nanos(i), cpu0, task0, i, std::string_view(what), 1, 2);
    bodies.push_back(what);
  }
  REQUIRE(writer.finish("completed") == 0);
  const auto back = read(text);
  REQUIRE(back.result.ok());
  CHECK(back.result.info.complete);
  REQUIRE(back.lines.size() == bodies.size());
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    CHECK((back.lines[i].field("kind")->text == bodies[i]));
  }
}

TEST_CASE("a disabled event reaches nobody and a sink gets what it asked for") {
  Tracer tracer;
  struct Counter {
    int n = 0;
    std::uint64_t last = 0;
    void on_record(const Record& r) {
      ++n;
      last = r.arg[0];
    }
  } locks, calls;
  CHECK(!tracer.wants(Event::lock_acquire));
  tracer.add_sink(sink_ref(locks), EventMask::of_globs("lock_*"));
  tracer.add_sink(sink_ref(calls), EventMask::of_globs("sim_call,lock_release"));
  tracer.emit<Event::lock_acquire>(Nanos(1), cpu0, task0, 7, 0, "A");
  tracer.emit<Event::lock_release>(Nanos(2), cpu0, task0, 8, "A");
  tracer.emit<Event::sim_call>(Nanos(3), cpu0, task0, "f");
  tracer.emit<Event::sys_exit>(Nanos(4), cpu0, task0, 1, 1);
  tracer.emit(Event::lock_release, Nanos(5), cpu0, task0, 9, SymbolId(0));
  CHECK(locks.n == 3);
  CHECK(locks.last == 9);
  CHECK(calls.n == 3);
  CHECK_THROWS(tracer.emit(Event::lock_release, Nanos(5), cpu0, task0, 9));
  CHECK(tracer.wants(Event::sim_call));
  CHECK(!tracer.wants(Event::sys_exit));
}

TEST_CASE("symbols are numbered in order of first sight and found again") {
  SymbolTable table;
  CHECK(table.text(SymbolId(0)).empty());
  CHECK(table.intern("").v == 0);
  const auto a = table.intern("alpha");
  CHECK(a.v == 1);
  static const char literal[] = "alpha";
  CHECK(table.intern_static(literal) == a);
  CHECK(table.intern_static(literal) == a);
  CHECK(table.intern("beta").v == 2);
  CHECK(table.text(table.intern("line\nbreak")) == "line?break");
  std::vector<std::string> texts;
  for (int i = 0; i < 5000; ++i) texts.push_back("symbol" + std::to_string(i));
  std::vector<SymbolId> ids;
  for (const auto& t : texts) ids.push_back(table.intern(t));
  for (std::size_t i = 0; i < texts.size(); ++i) {
    CHECK(table.text(ids[i]) == texts[i]);
    CHECK(table.intern(texts[i]) == ids[i]);
    CHECK(table.intern_static(texts[i].c_str()) == ids[i]);
  }
  CHECK(table.text(SymbolId(999'999)).empty());
}

TEST_CASE("a full disk is told at the end, an unwritable path at once") {
  Tracer tracer;
  tracer.set_task(task0, "t", 1);
  TextWriter writer(tracer, {"s", "linux-6.12", 1, Level::all, ""}, TextSink::to_file("/dev/full"));
  tracer.add_sink(sink_ref(writer), EventMask::all());
  for (int i = 0; i < 20'000; ++i) tracer.emit<Event::sys_exit>(Nanos(1), cpu0, task0, 1, 1);
  CHECK(writer.error() == ENOSPC);  // seen before the end: the run can stop
  CHECK(writer.finish("completed") == ENOSPC);
  auto missing = TextSink::to_file("/nonexistent/dir/trace");
  CHECK(missing.error() == ENOENT);
  CHECK(missing.close() == ENOENT);
}

TEST_CASE("a file holds what was written, and is incomplete when the writer was abandoned") {
  std::string path = "/tmp/faultline_writer_test_XXXXXX";
  const int fd = mkstemp(path.data());
  REQUIRE(fd >= 0);
  close(fd);
  for (const bool whole : {true, false}) {
    Tracer tracer;
    TextWriter writer(tracer, {"s", "linux-6.12", 1, Level::all, ""}, TextSink::to_file(path));
    tracer.add_sink(sink_ref(writer), EventMask::all());
    emit_two(tracer);
    CHECK((whole ? writer.finish("limit") : writer.abandon()) == 0);
    const auto result = read_trace_file(path, {});
    CHECK(result.ok());
    CHECK(result.info.records == 2);
    CHECK(result.info.complete == whole);
    CHECK(result.info.outcome == (whole ? "limit" : ""));
  }
  std::remove(path.c_str());
}

TEST_CASE("the digest is over records and texts, not over symbol numbers") {
  const auto digest = [](auto prepare, auto more) {
    Tracer tracer;
    prepare(tracer);
    Digest d(tracer);
    tracer.add_sink(sink_ref(d), EventMask::all());
    emit_two(tracer);
    more(tracer);
    return d.hex();
  };
  const auto nothing = [](Tracer&) {};
  const auto base = digest(nothing, nothing);
  // Canonical bytes put together by hand from the two records, hashed with XXH3_128bits itself.
  CHECK(base == "ed6fbe8a54f01c59228a9e9a7ca0ab0d");
  CHECK(digest([](Tracer& t) { t.symbols().intern("unused"); }, nothing) == base);
  CHECK(digest(nothing, [](Tracer& t) { t.emit<Event::sim_call>(Nanos(0), cpu0, task0, "f"); }) !=
        base);
  const auto one = [&](auto emit) { return digest(nothing, [&](Tracer& t) { emit(t); }); };
  const auto f = one([](Tracer& t) { t.emit<Event::sim_call>(Nanos(9), cpu0, task0, "f"); });
  CHECK(f == one([](Tracer& t) { t.emit<Event::sim_call>(Nanos(9), cpu0, task0, "f"); }));
  CHECK(f != one([](Tracer& t) { t.emit<Event::sim_call>(Nanos(9), cpu0, task0, "g"); }));
  CHECK(f != one([](Tracer& t) { t.emit<Event::sim_call>(Nanos(8), cpu0, task0, "f"); }));
  CHECK(f != one([](Tracer& t) { t.emit<Event::sim_call>(Nanos(9), cpu1, task0, "f"); }));
  CHECK(f != one([](Tracer& t) { t.emit<Event::sim_call>(Nanos(9), cpu0, task1, "f"); }));
  CHECK(f != one([](Tracer& t) { t.emit<Event::sim_wait>(Nanos(9), cpu0, task0, "f"); }));
  CHECK(f != one([](Tracer& t) {
          t.emit_in<Event::sim_call>(Context::hardirq, Nanos(9), cpu0, task0, "f");
        }));
}
