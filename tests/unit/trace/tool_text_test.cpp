// Text that tools make of a recording. Every line is in the shape that trace-cmd 3.1.6 and perf 6.1
// printed on Linux 6.18; tests/readers/real has whole recordings.
#include "catch.hpp"
#include "trace_test_util.hpp"

using namespace trace_test;

namespace {

Line only(const std::string& text) {
  const auto back = read(text);
  INFO(text);
  REQUIRE(back.result.malformed == 0);
  REQUIRE(back.result.info.unparsed == 0);
  REQUIRE(back.lines.size() == 1);
  return back.lines[0];
}

}  // namespace

TEST_CASE("trace-cmd report: no flag columns, aligned events, pointers with 0x") {
  const auto back = read(
      "cpus=2\n"
      "CPU 1 is empty\n"
      "               w-16922 [001] 26608.802574: mmap_lock_start_locking: mm=0xffff88810f17d780 "
      "memcg_id=13796 write=true\n"
      "         toucher-16924 [001] 26608.825595: contention_begin:     0xffff88810f17d838 "
      "(flags=WRITE)\n"
      "   map per-1 [x]-16923 [000] 26608.825600: lock_acquire:         0xffff88810f17d900 try "
      "read "
      "&mm->mmap_lock\n");
  CHECK(back.result.malformed == 0);
  CHECK(back.result.info.unparsed == 0);
  REQUIRE(back.lines.size() == 3);
  CHECK(back.lines[0].field("mm")->value == 0xffff88810f17d780);
  CHECK(back.lines[1].field("lock")->value == 0xffff88810f17d838);
  CHECK(back.lines[2].task == "map per-1 [x]");
  CHECK(back.lines[2].pid == 16923);
  CHECK(back.lines[2].field("flags")->value == 3);
  CHECK(back.lines[2].field("name")->text == "&mm->mmap_lock");
}

TEST_CASE("trace-cmd report: what its plugins print") {
  const auto change = only(
      "               w-16922 [001] 26608.804869: sched_switch:         w:16922 [120] D ==> "
      "kworker/u8:2:488 [125]\n");
  CHECK(change.field("prev_comm")->text == "w");
  CHECK(change.field("prev_pid")->value == 16922);
  CHECK(change.field("prev_state")->text == "D");
  CHECK(change.field("next_comm")->text == "kworker/u8:2");
  CHECK(change.field("next_pid")->value == 488);
  CHECK(change.field("next_prio")->value == 125);
  const auto bracket = only(
      "               w-1 [001] 26608.804869: sched_switch:         map per-1 [x]:7 [120] R+ ==> "
      "swapper/1:0 [120]\n");
  CHECK(bracket.field("prev_comm")->text == "map per-1 [x]");
  CHECK(bracket.field("prev_state")->text == "R+");
  const auto wakeup = only(
      "               w-24093 [000] 27064.941627: sched_wakeup:         kworker/u8:2:488 [120] "
      "CPU:001\n");
  CHECK(wakeup.field("pid")->value == 488);
  CHECK(wakeup.field("target_cpu")->value == 1);
  const auto flush = only(
      "               w-23994 [001] 27049.649403: tlb_flush:            pages=-1 reason= (4)\n");
  CHECK(flush.field("pages")->value == ~0ULL);
  CHECK(flush.field("reason")->value == 4);
}

TEST_CASE("perf script: the subsystem in front of the event, thread and process, call chains") {
  const auto back = read(
      "   map per-1 [x] 16456 [001] 26553.095887:               raw_syscalls:sys_enter: NR 9 (0, "
      "100000, 3, 8001, 3, 0)\n"
      "               w 16454/16460 [001] 26553.090417160:    mmap_lock:mmap_lock_start_locking: "
      "mm=0xffff88810f178c80 memcg_id=13796 write=true\n"
      "\tffffffff815dc08b __mmap_lock_do_trace_start_locking+0x4b ([kernel.kallsyms])\n"
      "\t    7efc208f2ad7 [unknown] ([unknown])\n"
      "\n");
  CHECK(back.result.malformed == 0);
  CHECK(back.result.info.unparsed == 0);
  // Of the call chain, the kernel's frame; the program's has no name.
  REQUIRE(back.lines.size() == 3);
  CHECK(back.lines[2].kind == TraceLine::Kind::frame);
  CHECK(back.lines[2].body == "__mmap_lock_do_trace_start_locking");
  CHECK(back.lines[2].pid == 16460);
  CHECK(back.lines[0].task == "map per-1 [x]");
  CHECK(back.lines[0].pid == 16456);
  CHECK(back.lines[0].event == "sys_enter");
  CHECK(back.lines[0].field("a1")->value == 0x100000);
  CHECK(back.lines[1].pid == 16460);
  CHECK(back.lines[1].tgid == 16454);
  CHECK(back.lines[1].time_ns == 26'553'090'417'160);
}

TEST_CASE("in a native trace nothing but the native text is right") {
  const auto back = read(
      "# tracer: nop\n# faultline: format=1 scenario=s profile=linux-6.12 seed=1 level=all\n"
      "cpus=2\n"
      "    w-1 [001] .....     0.000000001: tlb_flush: pages=1 reason=local mm shootdown (3)\n"
      "# faultline: end outcome=completed records=1\n");
  CHECK(back.result.malformed == 2);
}
