// Lock events made from mmap_lock and XFS inode lock tracepoints. The lines are in the shape of
// Linux 6.12 (include/trace/events/mmap_lock.h, fs/xfs/xfs_trace.h); what they mean is in
// mm/mmap_lock.c and fs/xfs/xfs_inode.c.
#include "catch.hpp"

#include "analysis/lock_report.hpp"
#include "analysis/trace_files.hpp"

using namespace faultline;

namespace {

std::string lines(const std::vector<std::string>& events) {
  std::string text = "# tracer: nop\n#\n";
  int time = 100000;
  for (const std::string& event : events) {
    text +=
        "           app-77      [001] .....     1." + std::to_string(++time) + ": " + event + "\n";
  }
  return text;
}

// `+name` acquire, `=name` acquired, `-name` release, `!name` contended, `vname` downgrade; `r`
// shared, `t` tried.
std::string told(const std::vector<std::string>& events) {
  std::string out;
  bool inferred = false;
  auto take = [&](const TraceLine& line) {
    if (!line.inferred) return true;
    const std::uint64_t flags = line.value("flags");
    const char mark = line.known == Event::lock_acquire     ? '+'
                      : line.known == Event::lock_release   ? '-'
                      : line.known == Event::lock_contended ? '!'
                      : line.known == Event::lock_acquired  ? '='
                                                            : 'v';
    out += std::string(out.empty() ? "" : " ") + mark + std::string(line.text("name"));
    if (flags & 2) out += ":r";
    if (flags & 1) out += ":t";
    return true;
  };
  read_text_and_locks(lines(events), "t", line_sink(take), &inferred);
  CHECK(inferred == !out.empty());
  return out;
}

std::string mmap(const std::string& what, bool write, int success = -1) {
  std::string text = "mmap_lock_" + what + ": mm=00000000eba12316 memcg_path=/ write=";
  text += write ? "true" : "false";
  if (success >= 0) text += success ? " success=true" : " success=false";
  return text;
}

std::string ilock(const std::string& what, const std::string& flags) {
  return what + ": dev 259:1 ino 0x1003 flags " + flags + " caller f+0x1/0x2 [xfs]";
}

}  // namespace

TEST_CASE("mmap_lock: attempt, success, release; a writer that becomes a reader") {
  CHECK(told({mmap("start_locking", true), mmap("acquire_returned", true, 1),
              mmap("released", true)}) == "+&mm->mmap_lock =&mm->mmap_lock -&mm->mmap_lock");
  CHECK(told({mmap("start_locking", true), mmap("acquire_returned", true, 1),
              mmap("acquire_returned", false, 1), mmap("released", false)}) ==
        "+&mm->mmap_lock =&mm->mmap_lock v&mm->mmap_lock -&mm->mmap_lock");
}

TEST_CASE("mmap_lock: a try that fails waits for nothing, one that returns at once was a try") {
  CHECK(told({mmap("start_locking", false), mmap("acquire_returned", false, 0)}) ==
        "+&mm->mmap_lock:r !&mm->mmap_lock -&mm->mmap_lock");
  CHECK(told({mmap("acquire_returned", false, 1), mmap("released", false)}) ==
        "+&mm->mmap_lock:r:t -&mm->mmap_lock");
  CHECK(told({mmap("acquire_returned", false, 0)}).empty());
  CHECK(told({mmap("released", true)}).empty());
}

TEST_CASE("xfs_ilock: several locks at once in XFS's order, subclasses, tries, demotion") {
  CHECK(told({ilock("xfs_ilock", "IOLOCK_EXCL|MMAPLOCK_EXCL"), ilock("xfs_ilock", "ILOCK_SHARED"),
              ilock("xfs_iunlock", "ILOCK_SHARED"),
              ilock("xfs_iunlock", "IOLOCK_EXCL|MMAPLOCK_EXCL")}) ==
        "+XFS_IOLOCK +XFS_MMAPLOCK +XFS_ILOCK:r -XFS_ILOCK -XFS_IOLOCK -XFS_MMAPLOCK");
  CHECK(told({ilock("xfs_ilock", "ILOCK_EXCL|0x5000000"), ilock("xfs_iunlock", "ILOCK_EXCL")}) ==
        "+XFS_ILOCK/5 -XFS_ILOCK/5");
  CHECK(told({ilock("xfs_ilock", "MMAPLOCK_EXCL"), ilock("xfs_ilock_demote", "MMAPLOCK_EXCL"),
              ilock("xfs_iunlock", "MMAPLOCK_SHARED")}) ==
        "+XFS_MMAPLOCK vXFS_MMAPLOCK -XFS_MMAPLOCK");
  // The try failed: the lock is taken by the attempt that follows.
  CHECK(told({ilock("xfs_ilock_nowait", "ILOCK_EXCL"), ilock("xfs_ilock", "ILOCK_EXCL"),
              ilock("xfs_iunlock", "ILOCK_EXCL")}) ==
        "+XFS_ILOCK:t -XFS_ILOCK +XFS_ILOCK -XFS_ILOCK");
}

TEST_CASE("nothing of this is held across the return to a program, or after a gap") {
  CHECK(told({ilock("xfs_ilock_nowait", "ILOCK_EXCL"), "sys_exit: NR 3 = 0",
              ilock("xfs_iunlock", "ILOCK_EXCL")}) == "+XFS_ILOCK:t -XFS_ILOCK");
}

TEST_CASE("where there are lock events, nothing is inferred") {
  CHECK(told({"lock_acquire: 0000000000000001 A", mmap("start_locking", true),
              mmap("acquire_returned", true, 1)})
            .empty());
}

TEST_CASE("the order of a kernel without lock debugging") {
  LockSurvey survey;
  survey.begin_trace("t");
  bool inferred = false;
  auto take = [&](const TraceLine& line) {
    survey.line(line);
    return true;
  };
  const auto result = read_text_and_locks(
      lines({mmap("start_locking", false), mmap("acquire_returned", false, 1),
             ilock("xfs_ilock", "MMAPLOCK_SHARED"), ilock("xfs_ilock", "ILOCK_EXCL"),
             ilock("xfs_iunlock", "ILOCK_EXCL"), ilock("xfs_iunlock", "MMAPLOCK_SHARED"),
             mmap("released", false)}),
      "t", line_sink(take), &inferred);
  survey.end_trace(result.info, inferred);
  const LockReport report = lock_report(survey);
  REQUIRE(report.edges.size() == 2);
  CHECK(report.edges[0].from == "&mm->mmap_lock");
  CHECK(report.edges[0].to == "XFS_MMAPLOCK");
  CHECK(report.edges[1].to == "XFS_ILOCK");
  CHECK(lock_report_text(report).find("no lock events") != std::string::npos);
}
