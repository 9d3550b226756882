// Whole traces as views. What a real kernel printed and what was reduced from it by other means
// must give the same views, and so must the two builds of that kernel; hand-written native text
// must give the lines that the rules say.
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "analysis/trace_diff.hpp"
#include "analysis/views.hpp"
#include "analysis/views_lines.hpp"
#include "catch.hpp"

using namespace faultline;

namespace {

const std::string data = FAULTLINE_SOURCE_DIR "/tests/conformance/";

DiffResult compare(const std::string& a, const std::string& b, ViewKind kind,
                   std::vector<std::string> allow = {}) {
  DiffOptions options;
  options.view = kind;
  options.allow = std::move(allow);
  return diff_traces(data + a, data + b, options);
}

/// `kind` view of a text as lines: `actor.step text`, steps counted from 1.
std::vector<std::string> view(const std::string& text, ViewKind kind,
                              std::vector<std::string> allow = {}) {
  TextPool pool;
  std::vector<Diagnostic> problems;
  const ViewOptions options{kind, std::move(allow)};
  const auto trace = reduce_text(text, "text", options, pool, problems);
  REQUIRE(problems.empty());
  std::vector<std::string> lines;
  for (std::size_t a = 0; a < trace.actors.size(); ++a) {
    for (std::size_t s = 0; s < trace.actors[a].steps.size(); ++s) {
      for (const auto& line : trace.actors[a].steps[s].lines) {
        lines.push_back(std::to_string(a + 1) + "." + std::to_string(s) + " " +
                        std::string(pool.view(line.text)));
      }
    }
  }
  return lines;
}

/// A native trace of one task from `event: body` lines.
std::string native(std::initializer_list<const char*> lines, const char* task = "main-100") {
  std::string text = "# tracer: nop\n# faultline: format=1 scenario=s profile=linux-6.12 seed=1\n";
  int time = 0;
  for (const auto* line : lines) {
    text += std::string("  ") + task + "     [000] .....     0." +
            std::to_string(100000000 + ++time) + ": " + line + "\n";
  }
  return text + "# faultline: end outcome=completed records=" + std::to_string(time) + "\n";
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("raw ftrace text and the reduced format give the same events view") {
  for (const std::string name : {"dax-read-hole", "dax-write-hole"}) {
    const auto result = compare("raw/" + name + ".events.ftrace.txt",
                                "cases/" + name + "/" + name + ".events.txt", ViewKind::events);
    INFO(diff_text(result, "raw", "reduced"));
    CHECK(result.same);
    CHECK(result.equal > 20);
  }
  const auto signals = compare("raw/dax-truncate-mapped.events.ftrace.txt",
                               "raw/dax-truncate-mapped.events.txt", ViewKind::events);
  INFO(diff_text(signals, "raw", "reduced"));
  CHECK(signals.same);
  CHECK(signals.equal > 60);
}

TEST_CASE("raw ftrace text and the reduced format give the same locks view") {
  for (const std::string name : {"dax-read-hole", "dax-write-hole"}) {
    const auto result = compare("raw/" + name + ".locks.ftrace.txt",
                                "cases/" + name + "/" + name + ".locks.txt", ViewKind::locks);
    INFO(diff_text(result, "raw", "reduced"));
    CHECK(result.same);
    CHECK(result.equal > 30);
  }
}

TEST_CASE("a forked child's lines are compared under its own steps") {
  const auto result = compare("raw/dax-fork-child-write-shared.locks.ftrace.txt",
                              "raw/dax-fork-child-write-shared.locks.txt", ViewKind::locks);
  INFO(diff_text(result, "raw", "reduced"));
  CHECK(result.same);
  CHECK(result.equal > 200);
  TextPool pool;
  std::vector<Diagnostic> problems;
  const auto trace = reduce_trace(data + "raw/dax-fork-child-write-shared.locks.txt",
                                  {ViewKind::locks, {}}, pool, problems);
  REQUIRE(trace.actors.size() == 2);
  CHECK(trace.actors[0].steps.size() == 1 + 4);
  CHECK(trace.actors[1].steps.size() == 1 + 3);
  CHECK_FALSE(trace.actors[1].steps[0].lines.empty());
}

TEST_CASE("two builds of one kernel give the same events") {
  // The build with lock debugging inlines other functions and takes timestamp transactions at
  // other steps; its log and buffer events were reduced to locks and waits.
  const std::vector<std::string> allow{"xfs_log_reserve", "xfs_log_reserve_exit",
                                       "xfs_buf_lock",    "xfs_buf_lock_done",
                                       "xfs_buf_trylock", "xfs_buf_unlock"};
  for (const std::string name :
       {"anon-read", "anon-write", "dax-fault-beyond-eof", "dax-munmap", "dax-pmd-read-hole",
        "dax-pmd-write-aligned", "dax-read-hole", "dax-read-then-write", "dax-read-unwritten",
        "dax-read-written", "dax-write-hole", "dax-write-written"}) {
    const auto path = "cases/" + name + "/" + name;
    const auto result = compare(path + ".events.txt", path + ".locks.txt", ViewKind::events, allow);
    INFO(diff_text(result, name + ".events.txt", name + ".locks.txt"));
    CHECK(result.same);
    CHECK(result.equal > 5);
  }
}

TEST_CASE("native records become lines of the views") {
  const auto trace = native({
      "sim_step: main.setup_fd open",
      "sys_enter: NR 2 (0, 0, 0, 0, 0, 0)",
      "sys_exit: NR 2 = 3",
      "sim_step_done: main.setup_fd 0 0x3",
      "sim_step: main.map mmap",
      "sys_enter: NR 9 (1000001d0000, 10000, 3, 11, 3, 0)",
      "lock_acquire: 0000000000000001 &mm->mmap_lock",
      "sim_call: vma_merge_new_range",
      "lock_acquire: 0000000000000002 fs_reclaim",
      "lock_release: 0000000000000002 fs_reclaim",
      "lock_acquire: 0000000000000003 &ip->i_flags_lock",
      "lock_release: 0000000000000003 &ip->i_flags_lock",
      "lock_acquire: 0000000000000002 fs_reclaim",
      "lock_release: 0000000000000002 fs_reclaim",
      "sim_bitlock_acquire: 0000000000000004 try xfs_buf(agf)",
      "sim_bitlock_release: 0000000000000004 xfs_buf(agf)",
      "lock_release: 0000000000000001 &mm->mmap_lock",
      "sys_exit: NR 9 = 17592187944960",
      "sim_step_done: main.map 0 0x1000001d0000",
      "sim_step: main.nothing compute",
      "sim_step: main.read load",
      "page_fault_user: address=0x1000001d3000 ip=0x0 error_code=0x4",
      "sim_tlb_fill: address=0x1000001d3000 pfn=0x1 order=0 writable=0",
      "lock_acquire: 0000000000000001 read &mm->mmap_lock",
      "lock_release: 0000000000000001 &mm->mmap_lock",
      "lock_acquire: 0000000000000001 read &mm->mmap_lock",
      "mmap_lock_acquire_returned: mm=0000000000000009 memcg_path=/ write=false success=true",
      "lock_release: 0000000000000001 &mm->mmap_lock",
  });
  CHECK(view(trace, ViewKind::events) ==
        Lines{"1.1 sys_enter mmap", "1.1 sys_exit mmap = 0x1000001d0000",
              "1.3 page_fault_user error_code=0x4",
              "1.3 mmap_lock_acquire_returned write=false success=true"});
  CHECK(view(trace, ViewKind::locks) ==
        Lines{"1.1 ACQ &mm->mmap_lock excl", "1.1 ALLOC", "1.1 ACQ xfs_buf(agf) trylock",
              "1.1 REL xfs_buf(agf)", "1.1 REL &mm->mmap_lock", "1.3 MIGHT_FAULT",
              "1.3 ACQ &mm->mmap_lock read", "1.3 REL &mm->mmap_lock"});
  CHECK(view(trace, ViewKind::locks, {"xfs_buf(agf)", "ALLOC"}) ==
        Lines{"1.1 ACQ &mm->mmap_lock excl", "1.1 REL &mm->mmap_lock", "1.3 MIGHT_FAULT",
              "1.3 ACQ &mm->mmap_lock read", "1.3 REL &mm->mmap_lock"});
}

TEST_CASE("timestamp transactions are cut with their locks and nothing else is") {
  const auto trace = native({
      "sim_step: main.pwrite pwrite",
      "lock_acquire: 01 read sb_writers",
      "lock_acquire: 02 &sb->s_type->i_mutex_key",
      "xfs_update_time: dev 259:0 ino 0x85 iflags 0x0",
      "lock_acquire: 03 fs_reclaim",
      "lock_release: 03 fs_reclaim",
      "lock_acquire: 04 read sb_internal",
      "xfs_trans_alloc: dev 259:0 trans 1 flags 0x0 caller xfs_vn_update_time",
      "lock_acquire: 05 &xfs_nondir_ilock_class",
      "lock_acquire: 06 read &cil->xc_ctx_lock",
      "lock_release: 05 &xfs_nondir_ilock_class",
      "lock_release: 06 &cil->xc_ctx_lock",
      "xfs_trans_free: dev 259:0 trans 0 flags 0x1 caller __xfs_trans_commit",
      "lock_release: 04 sb_internal",
      "lock_acquire: 04 read sb_internal",
      "lock_release: 04 sb_internal",
      "lock_release: 02 &sb->s_type->i_mutex_key",
      "lock_release: 01 sb_writers",
      "lock_acquire: 01 try read sb_writers",
      "xfs_update_time: dev 259:0 ino 0x85 iflags 0x0",
      "lock_acquire: 04 read sb_internal",
      "xfs_trans_free: dev 259:0 trans 0 flags 0x1 caller __xfs_trans_commit",
      "lock_release: 04 sb_internal",
      "lock_release: 01 sb_writers",
      "xfs_update_time: dev 259:0 ino 0x85 iflags 0x0",
      "lock_acquire: 02 &sb->s_type->i_mutex_key",
  });
  CHECK(view(trace, ViewKind::locks) ==
        Lines{"1.1 ACQ sb_writers read", "1.1 ACQ &sb->s_type->i_mutex_key excl",
              "1.1 ACQ sb_internal read", "1.1 REL sb_internal", "1.1 REL &sb->s_type->i_mutex_key",
              "1.1 REL sb_writers", "1.1 ACQ &sb->s_type->i_mutex_key excl"});
  CHECK(view(trace, ViewKind::events).empty());
}

TEST_CASE("the test program's own calls and interrupts are dropped with all inside them") {
  const auto trace = native({
      "sim_step: main.a load",
      "sys_enter: NR 14 (0, 0, 0, 0, 0, 0)",
      "lock_acquire: 01 &mm->mmap_lock",
      "lock_release: 01 &mm->mmap_lock",
      "page_fault_user: address=0x10000000000 ip=0x0 error_code=0x6",
      "sys_exit: NR 14 = 0",
      "page_fault_user: address=0x10000000000 ip=0x0 error_code=0x4",
  });
  CHECK(view(trace, ViewKind::events) == Lines{"1.1 page_fault_user error_code=0x4"});
  CHECK(view(trace, ViewKind::locks).empty());
  std::string interrupted =
      "  main-1  [000] d.h1.  0.000000001: lock_acquire: 01 &mm->mmap_lock\n"
      "  main-1  [000] d....  0.000000002: lock_release: 01 &mm->mmap_lock\n";
  CHECK(view(interrupted, ViewKind::locks) == Lines{"1.0 REL &mm->mmap_lock"});
}

TEST_CASE("what a thread did in a call that began before the trace is not compared") {
  const std::string text =
      "# case: c\n## STEP 1: go\nP mmap_lock_start_locking: write=true\n"
      "C ACQ sb_writers@1 read trylock\nC REL sb_writers@1\nC sys_exit: read = 1\n"
      "## STEP (C) thread\nC ACQ &mm->mmap_lock@1 write/excl\nC REL &mm->mmap_lock@1\n";
  const Lines expected{"2.1 ACQ &mm->mmap_lock excl", "2.1 REL &mm->mmap_lock"};
  CHECK(view(text, ViewKind::locks) == expected);
}

TEST_CASE("a DAX entry counts as locked only when the kernel's probe returned one") {
  const auto trace = [](const char* value) {
    return std::string(
               "  pf-1  [000] .....  0.000001: grab_mapping_entry: (f+0x0/0x9)\n"
               "  pf-1  [000] .....  0.000002: grab_mapping_entry_ret: "
               "(dax_iomap_pte_fault+0x126/0x400 <- grab_mapping_entry) ret=") +
           value + "\n";
  };
  CHECK(view(trace("0x11"), ViewKind::locks) == Lines{"1.0 ACQ dax_entry"});
  CHECK(view(trace("0x6"), ViewKind::locks).empty());  // VM_FAULT_OOM as an internal entry
}

TEST_CASE("lines are read with the byte at which they begin") {
  const auto path =
      std::filesystem::temp_directory_path() / ("lines." + std::to_string(getpid()) + ".txt");
  const std::string longest(LineReader::max_line + 10, 'x');
  std::ofstream(path) << "one\n\nthree\n" << longest << "\nlast";
  LineReader reader(path.string());
  std::vector<std::pair<std::uint64_t, std::size_t>> found;
  for (auto line = reader.next(); line; line = reader.next()) {
    found.emplace_back(reader.offset(), line->size());
  }
  const auto max = LineReader::max_line;
  CHECK(found == std::vector<std::pair<std::uint64_t, std::size_t>>{
                     {0, 3}, {4, 0}, {5, 5}, {11, max}, {11 + max, 10}, {11 + max + 11, 4}});
  reader.seek(5);
  CHECK(reader.next().value() == "three");
  CHECK(reader.offset() == 5);
  CHECK_FALSE(reader.problem());
  std::filesystem::remove(path);
}

TEST_CASE("what is no trace is refused with its reason") {
  TextPool pool;
  std::vector<Diagnostic> problems;
  reduce_text("", "empty", {}, pool, problems);
  reduce_text("hello\nworld\n", "prose", {}, pool, problems);
  reduce_trace("/nonexistent/trace", {}, pool, problems);
  reduce_trace("/", {}, pool, problems);
  REQUIRE(problems.size() == 4);
  CHECK(problems[0].what == "the file is empty");
  CHECK(to_string(problems[1]) ==
        "prose:1:1: this is no trace: neither ftrace text nor the reduced format");
  CHECK(to_string(problems[2]) == "/nonexistent/trace: cannot be read: No such file or directory");
  CHECK(to_string(problems[3]) == "/: cannot be read: Is a directory");
}

TEST_CASE("an incomplete native trace says so") {
  TextPool pool;
  std::vector<Diagnostic> problems;
  auto text = native({"sim_step: main.a load"});
  CHECK(reduce_text(text, "t", {}, pool, problems).complete);
  text.erase(text.find("# faultline: end"));
  CHECK_FALSE(reduce_text(text, "t", {}, pool, problems).complete);
}
