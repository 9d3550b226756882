// The reader on what kernels, tools and accidents make: columns, comms, lost events, interrupts,
// foreign and damaged text. Nothing may crash, and every complaint has its place.
#include "base/rng.hpp"
#include "catch.hpp"
#include "trace_test_util.hpp"

using namespace trace_test;

namespace {

const std::string native_header =
    "# tracer: nop\n# faultline: format=1 scenario=a/b profile=linux-6.12 seed=7 level=locks\n";
const std::string native_line =
    "          writer-101     [000] .....     0.000002500: sys_exit: NR 1 = 1\n";
const std::string native_end = "# faultline: end outcome=completed records=1\n";

Line only(const std::string& text) {
  const auto back = read(text);
  INFO(text);
  REQUIRE(back.result.malformed == 0);
  REQUIRE(back.lines.size() == 1);
  return back.lines[0];
}

bool complains(const TraceResult& result, const std::string& part) {
  for (const auto& d : result.diagnostics) {
    if (to_string(d).find(part) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("columns come in several numbers") {
  const auto five = only(
      "           <...>-123     [001] d.h2.     7.134245: lock_release: "
      "00000000d5f70398 trace_types_lock\n");
  CHECK(five.task == "<...>");
  CHECK(five.pid == 123);
  CHECK(five.tgid == -1);
  CHECK(five.cpu == 1);
  CHECK(five.flags == "d.h2.");
  CHECK(five.context == Context::hardirq);
  CHECK(five.time_ns == 7'134'245'000);
  CHECK(five.event == "lock_release");
  CHECK(five.field("id")->value == 0xd5f70398);
  CHECK(five.field("name")->text == "trace_types_lock");
  const auto four = only("   bash-99    [012] ..s1  1000.000001: sys_exit: NR 1 = -22\n");
  CHECK(four.flags == "..s1");
  CHECK(four.context == Context::softirq);
  CHECK(four.cpu == 12);
  CHECK(four.field("ret")->value == static_cast<std::uint64_t>(-22));
  const auto none = only("   bash-99    [012]  1000.000001: sys_exit: NR 1 = 0\n");
  CHECK(none.flags.empty());
  CHECK(none.time_ns == 1'000'000'001'000);
  CHECK(only(" a-1 [000] d.Z.. 1.5: sys_exit: NR 1 = 0\n").context == Context::hardirq);
  CHECK(only(" a-1 [000] d.... 1.5: sys_exit: NR 1 = 0\n").context == Context::task);
  CHECK(only(" a-1 [000] ..... 123456789: sys_exit: NR 1 = 0\n").time_ns == 123'456'789);
}

TEST_CASE("the tgid column is read, known or not") {
  const auto known = only("  pf-261     (    259) [001] .....     7.1: sys_exit: NR 1 = 1\n");
  CHECK(known.tgid == 259);
  CHECK(known.pid == 261);
  CHECK(known.task == "pf");
  const auto unknown = only("  <...>-261     (-------) [001] .....     7.1: sys_exit: NR 1 = 1\n");
  CHECK(unknown.tgid == -1);
  CHECK(unknown.task == "<...>");
}

TEST_CASE("a comm may hold spaces, dashes, colons and brackets") {
  CHECK(only("  Web Content-4711 [000] .....     1.5: sys_exit: NR 1 = 1\n").task == "Web Content");
  const auto worker = only("  kworker/u4:1-ev-37 [000] .....     1.5: sys_exit: NR 1 = 1\n");
  CHECK(worker.task == "kworker/u4:1-ev");
  CHECK(worker.pid == 37);
  const auto bracket = only("  a-7 [001] b-12    [003] .....     1.5: sys_exit: NR 1 = 1\n");
  CHECK(bracket.task == "a-7 [001] b");
  CHECK(bracket.cpu == 3);
  CHECK(only("  (sd-pam)-12 [003] .....     1.5: sys_exit: NR 1 = 1\n").task == "(sd-pam)");
  CHECK(only("          -12 [003] .....     1.5: sys_exit: NR 1 = 1\n").task.empty());
}

TEST_CASE("symbols lose offset and module") {
  const auto line = only(
      "  pf-261 [001] ..... 7.1: iomap_iter: dev 259:1 ino 0x101d pos 0x2800 length 0x800 "
      "processed 0 flags ZERO|0x100 (0x102) ops xfs_dax_write_iomap_ops [xfs] caller "
      "dax_zero_range+0x70/0x370 [fs_dax]\n");
  CHECK(line.field("ops")->text == "xfs_dax_write_iomap_ops");
  CHECK(line.field("caller")->text == "dax_zero_range");
  CHECK(line.field("flags")->value == 0x102);
  const auto fault = only(
      "  pf-2 [001] d.... 7.1: page_fault_kernel: address=0x509650 "
      "ip=__put_user_4+0x12/0x20 error_code=0x3\n");
  CHECK(fault.field("ip")->text == "__put_user_4");
  CHECK(fault.field("address")->value == 0x509650);
}

TEST_CASE("pointers may be hidden, spaces at the end stripped, events aligned") {
  const auto hidden = only("  a-1 [000] ..... 1.0: exit_mmap: mt_mod (____ptrval____), DESTROY\n");
  CHECK(hidden.field("mt")->value == 0);
  const auto stripped = only(
      "  a-1 [000] 1.0: dax_pte_fault: dev 259:1 ino 0x1 shared WRITE address 0x1 pgoff 0x3\n");
  CHECK(stripped.field("result")->value == 0);
  const auto cr = only("  a-1 [000] ..... 1.0: sys_exit: NR 1 = 1\r\n");
  CHECK(cr.field("ret")->value == 1);
  const auto aligned = only("  a-1 [000] 1.0: sys_exit:             NR 1 = 1\n");
  CHECK(aligned.field("ret")->value == 1);
  const auto cgroup = only(
      "  a-1 [000] 1.0: mmap_lock_released: mm=00000000f218b14d "
      "memcg_path=/user.slice/x.scope write=true\n");
  CHECK(cgroup.field("memcg")->text == "/user.slice/x.scope");
  CHECK(cgroup.field("write")->value == 1);
}

TEST_CASE("both wordings of a format are understood without a header") {
  const auto modern = only("  a-1 [000] 1.0: tlb_flush: pages:8 reason:remote IPI send (4)\n");
  CHECK(modern.field("reason")->value == 4);
  const auto older = only("  a-1 [000] 1.0: xfs_filemap_fault: dev 259:0 ino 0x85\n");
  CHECK(older.field("ino")->value == 0x85);
  CHECK(older.field("order") == nullptr);
}

TEST_CASE("unknown events, probes and the function tracer are kept as text") {
  const auto unknown = only("  a-1 [000] ..... 1.0: ext4_sync: dev 8,1 ino 12 -> : x\n");
  CHECK(!unknown.known);
  CHECK(unknown.event == "ext4_sync");
  CHECK(unknown.body == "dev 8,1 ino 12 -> : x");
  CHECK(unknown.fields.empty());
  const auto probe =
      only("  a-1 [000] 1.0: xfs_filemap_huge_fault: (xfs_filemap_huge_fault+0x4/0x50)\n");
  CHECK(!probe.known);
  const auto function = only("  a-1 [000] ..... 1.0: mutex_unlock <-vfs_read\n");
  CHECK(function.event.empty());
  CHECK(function.body == "mutex_unlock <-vfs_read");
  const auto strange = read("  a-1 [000] ..... 1.0: sys_exit: no such shape\n");
  CHECK(strange.result.ok());
  CHECK(strange.result.info.unparsed == 1);
  CHECK(strange.lines[0].known == Event::sys_exit);
  CHECK(strange.lines[0].fields.empty());
}

TEST_CASE("lost events are told in every wording and make a trace incomplete") {
  for (const auto& [text, cpu, count] : {std::tuple{"CPU:1 [LOST 17 EVENTS]", 1, 17},
                                         {"[LOST 3 EVENTS]", -1, 3},
                                         {"CPU:0 [LOST EVENTS]", 0, 0},
                                         {"CPU 2 [142 EVENTS DROPPED]", 2, 142},
                                         {"CPU:12 [EVENTS DROPPED]", 12, 0}}) {
    const auto back = read(native_line + text + "\n" + native_line);
    INFO(text);
    REQUIRE(back.result.ok());
    REQUIRE(back.lines.size() == 3);
    CHECK(back.lines[1].kind == TraceLine::Kind::lost);
    CHECK(back.lines[1].cpu == cpu);
    CHECK(back.lines[1].lost == static_cast<std::uint64_t>(count));
    CHECK(back.result.info.lost == 1);
    CHECK(!back.result.info.complete);
  }
  const auto wrapped = read("# entries-in-buffer/entries-written: 48/160   #P:2\n" + native_line);
  CHECK(wrapped.result.info.overwritten == 112);
  CHECK(!wrapped.result.info.complete);
  CHECK(read("# entries-in-buffer/entries-written: 48/48   #P:2\n" + native_line)
            .result.info.complete);
}

TEST_CASE("a native trace is complete only with its end line and the right count") {
  const auto whole = read(native_header + native_line + native_end);
  CHECK(whole.result.ok());
  CHECK(whole.result.info.complete);
  CHECK(whole.result.info.native);
  CHECK(whole.result.info.scenario == "a/b");
  CHECK(whole.result.info.seed == 7);
  CHECK(whole.result.info.level == Level::locks);
  const auto open = read(native_header + native_line);
  CHECK(open.result.ok());
  CHECK(!open.result.info.complete);
  CHECK(open.result.info.outcome.empty());
  const auto short_count = read(native_header + native_line + native_line + native_end);
  CHECK(!short_count.result.info.complete);
  CHECK(complains(short_count.result, "the end line counts 1 records, but there are 2"));
  const auto behind = read(native_header + native_line + native_end + native_line);
  CHECK(complains(behind.result, "test.txt:5:1: there is text behind the end line"));
  // Cut anywhere, a trace is never whole, and half a number is never a number.
  const auto text = native_header + native_line + native_end;
  for (std::size_t n = native_header.size(); n < text.size(); ++n) {
    const auto cut = read(text.substr(0, n));
    CHECK(!cut.result.info.complete);
    if (n < native_header.size() + native_line.size()) CHECK(cut.lines.empty());
  }
}

TEST_CASE("what cannot be read is refused with its reason") {
  const auto graph = read(data_file("dax-read-hole.function_graph.ftrace.txt"));
  CHECK(!graph.result.readable);
  CHECK(!graph.result.info.complete);
  CHECK(graph.lines.empty());
  CHECK(complains(graph.result, "test.txt:1:1: text of the function_graph tracer cannot be read"));
  CHECK(complains(read("# latency trace v1.1.5 on 6.12\n").result, "latency format"));
  CHECK(complains(read("# faultline: format=2 scenario=x\n").result, "format 2 is not known"));
  CHECK(complains(read(native_header + native_header).result, "a second header"));
  CHECK(complains(read(native_line + native_header).result, "the header must come before"));
  CHECK(!read("{ \"format\": 1 }\n").result.readable);
  CHECK(!read(std::string(100, '\n') + std::string(5000, 'x')).result.readable);
  std::string junk;
  for (int i = 0; i < 1000; ++i) junk += "no trace " + std::to_string(i) + "\n";
  const auto nonsense = read(junk);
  CHECK(!nonsense.result.readable);
  CHECK(nonsense.result.diagnostics.size() <= TraceResult::max_diagnostics);
  CHECK(complains(nonsense.result, "this is not a trace"));
  const auto missing = read_trace_file("/nonexistent/x.trace", {});
  CHECK(!missing.readable);
  CHECK(complains(missing, "/nonexistent/x.trace: No such file"));
  CHECK(!read_trace_file("/", {}).readable);
}

TEST_CASE("malformed lines are skipped and told with their place") {
  const auto back = read(native_line + "          writer-101     [000] ..... 0.x: sys_exit: 1\n" +
                         "garbage\n" + native_line);
  CHECK(back.lines.size() == 2);
  CHECK(back.result.readable);
  CHECK(!back.result.ok());
  CHECK(back.result.malformed == 2);
  CHECK(complains(back.result, "test.txt:2:31: not a trace line"));
  CHECK(complains(back.result, "test.txt:3:1: not a trace line"));
  CHECK(complains(read(native_header + "  w-1 [000] ..... 0.1: sys_exit: what\n").result,
                  "test.txt:3:1: the fields of sys_exit do not fit its format"));
  const auto huge = read(native_line + std::string(3 << 20, 'a') + "\n" + native_line);
  CHECK(huge.lines.size() == 2);
  CHECK(complains(huge.result, "test.txt:2:1: the line is longer than 1 MiB"));
  for (const char* time :
       {"99999999999999999999.1", "18446744073.999999999", "1.0000000001", "1."}) {
    CHECK(read(std::string(" a-1 [000] ..... ") + time + ": x: y\n").result.malformed == 1);
  }
  CHECK(read(" a-99999999999 [000] ..... 1.0: x: y\n").result.malformed == 1);
}

TEST_CASE("an empty text is a trace of nothing") {
  const auto back = read("");
  CHECK(back.result.ok());
  CHECK(back.result.info.records == 0);
  CHECK(!back.result.info.native);
}

TEST_CASE("the size of the pieces does not matter, and a sink may stop") {
  const auto text = data_file("dax-write-hole.locks.ftrace.txt");
  const auto whole = read(text);
  for (const std::size_t size : {std::size_t{1}, std::size_t{7}, std::size_t{4096}}) {
    std::uint64_t n = 0, sum = 0;
    auto callback = [&](const TraceLine& l) {
      ++n;
      sum += l.fields.size();
    };
    TraceReader reader("x", line_sink(callback));
    for (std::size_t at = 0; at < text.size(); at += size) reader.feed(text.substr(at, size));
    CHECK(reader.finish().ok());
    CHECK(n == whole.lines.size());
    std::uint64_t expected = 0;
    for (const auto& l : whole.lines) expected += l.fields.size();
    CHECK(sum == expected);
  }
  int left = 10;
  auto stop = [&](const TraceLine&) { return --left > 0; };
  const auto result = read_trace_text(text, "x", line_sink(stop));
  CHECK(left == 0);
  CHECK(result.info.records == 10);
  std::istringstream stream(text);
  CHECK(read_trace(stream, "x", {}).info.records == whole.lines.size());
}

TEST_CASE("damaged text never crashes the reader") {
  Rng rng(2024);
  std::vector<std::string> seeds = {native_header + native_line + native_end};
  for (const auto& name : raw_files()) seeds.push_back(data_file(name).substr(0, 12'000));
  for (int round = 0; round < 600; ++round) {
    std::string text = seeds[rng.below(seeds.size())];
    for (auto n = rng.below(40); n > 0 && !text.empty(); --n) {
      const auto at = rng.below(text.size());
      switch (rng.below(5)) {
        case 0:
          text[at] = static_cast<char>(rng.next());
          break;
        case 1:
          text.erase(at, rng.below(30));
          break;
        case 2:
          text.insert(at, text.substr(at / 2, rng.below(60)));
          break;
        case 3:
          text.insert(at, std::string(1, "|=:-[]()#% \n\0+x"[rng.below(15)]));
          break;
        default:
          text.resize(at);
      }
    }
    const auto back = read(text);
    CHECK(back.result.diagnostics.size() <= TraceResult::max_diagnostics);
    for (const auto& line : back.lines) {
      for (const auto& field : line.fields) CHECK(field.text.size() <= text.size());
    }
  }
}
