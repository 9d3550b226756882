// The account of locks: hand-written traces whose numbers follow by counting, and random programs
// against a naive model that looks at every nanosecond.
#include "analysis/contention.hpp"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "analysis/stats.hpp"
#include "base/rng.hpp"
#include "catch.hpp"

using namespace faultline;

namespace {

/// A real kernel's text from `task pid cpu time: event` pieces.
std::string line(const char* task, int cpu, int us, const std::string& what) {
  char head[80];
  std::snprintf(head, sizeof head, "%16s [%03d] .....  7.%06d: ", task, cpu, us);
  return head + what + "\n";
}

void stats_of(const std::string& text, Stats& out) {
  const auto path = std::filesystem::temp_directory_path() /
                    ("faultline-stats-" + std::to_string(getpid()) + ".ftrace.txt");
  std::ofstream(path) << "# tracer: nop\n" << text;
  read_stats({path.string()}, out);
  std::filesystem::remove(path);
}

const LockUsage& usage(const Stats& stats, const std::string& name, LockSide side) {
  for (const LockClassUsage& c : stats.locks.classes()) {
    if (c.name == name) return c.side[static_cast<int>(side)];
  }
  FAIL("no class " << name);
  return stats.locks.classes()[0].side[0];
}

std::uint64_t chain_total(const Stats& stats, std::size_t links, const std::string& root) {
  std::uint64_t sum = 0;
  for (const auto& [chain, share] : stats.locks.chains()) {
    const bool same = chain.links.size() == links && stats.locks.words().view(chain.root) == root;
    if (same) sum += share.total_ns;
  }
  return sum;
}

}  // namespace

TEST_CASE("percentiles are nearest ranks") {
  Durations d;
  for (std::uint64_t v = 10; v > 0; --v) d.add(v * 100);
  const DurationSummary s = d.summary();
  CHECK(s.count == 10);
  CHECK(s.total == 5500);
  CHECK(s.min == 100);
  CHECK(s.average == 550);
  CHECK(s.p50 == 500);
  CHECK(s.p90 == 900);
  CHECK(s.p99 == 1000);
  CHECK(s.max == 1000);
  Durations two;
  two.add(0);
  two.add(7);
  CHECK(two.powers_of_two() == std::vector<std::uint64_t>{1, 0, 0, 1});
  CHECK(Durations{}.summary().max == 0);
}

TEST_CASE("a wait goes from the failed try to the lock, a hold from there to the release") {
  Stats s;
  stats_of(
      line("a-1", 0, 10, "lock_acquire: 01 &l") + line("b-2", 1, 12, "lock_acquire: 01 &l") +
          line("b-2", 1, 13, "lock_contended: 01 &l") + line("a-1", 0, 20, "lock_release: 01 &l") +
          line("b-2", 1, 21, "lock_acquired: 01 &l") + line("b-2", 1, 30, "lock_release: 01 &l") +
          line("b-2", 1, 31, "lock_acquire: 01 try read &l") +
          line("b-2", 1, 33, "lock_release: 01 &l"),
      s);
  REQUIRE(s.errors.empty());
  const LockUsage& w = usage(s, "&l", LockSide::write);
  CHECK(w.acquisitions == 2);
  CHECK(w.contended == 1);
  CHECK(w.wait.total() == 8000);
  CHECK(w.hold.total() == 19000);
  CHECK(w.hold.summary().max == 10000);
  CHECK(w.acq_bounces == 1);
  CHECK(w.con_bounces == 1);
  const LockUsage& r = usage(s, "&l", LockSide::read);
  CHECK(r.acquisitions == 1);
  CHECK(r.trylocks == 1);
  CHECK(r.hold.total() == 2000);
  CHECK(chain_total(s, 1, "a-1") == 7000);
  CHECK(chain_total(s, 1, "") == 1000);  // handed over
}

TEST_CASE("a chain of waits ends at who does not wait, or closes") {
  const std::string three =
      line("a-1", 0, 1, "lock_acquire: 01 &l") + line("b-2", 1, 1, "lock_acquire: 02 &m") +
      line("b-2", 1, 2, "lock_acquire: 01 &l") + line("b-2", 1, 2, "lock_contended: 01 &l") +
      line("c-3", 2, 4, "lock_acquire: 02 &m") + line("c-3", 2, 4, "lock_contended: 02 &m");
  Stats s;
  stats_of(three + line("a-1", 0, 9, "sched_waking: comm=x pid=1 prio=120 target_cpu=000"), s);
  CHECK(chain_total(s, 2, "a-1") == 5000);
  CHECK(chain_total(s, 1, "a-1") == 7000);
  CHECK(usage(s, "&m", LockSide::write).unfinished_ns == 5000);
  CHECK(s.locks.still_held() == 2);
  Stats d;
  stats_of(three + line("a-1", 0, 5, "lock_acquire: 02 &m") +
               line("a-1", 0, 5, "lock_contended: 02 &m") +
               line("d-4", 3, 8, "lock_release: 09 &n"),
           d);
  std::uint64_t closed = 0;
  for (const auto& [chain, share] : d.locks.chains()) closed += chain.closed ? share.waits : 0;
  CHECK(closed == 3);
  CHECK(d.locks.unmatched_releases() == 1);
}

TEST_CASE("annotations hold nothing; readers wait behind a queued writer") {
  Stats s;
  stats_of(line("a-1", 0, 1, "lock_acquire: 01 read &mm->mmap_lock") +
               line("a-1", 0, 2, "lock_release: 01 &mm->mmap_lock") +
               line("a-1", 0, 3, "lock_acquire: 01 read &mm->mmap_lock") +
               line("a-1", 0, 4, "sys_exit: NR 1 = 1") +
               line("b-2", 1, 5, "lock_acquire: 01 &mm->mmap_lock") +
               line("b-2", 1, 5, "lock_contended: 01 &mm->mmap_lock") +
               line("c-3", 2, 7, "lock_acquire: 01 read &mm->mmap_lock") +
               line("c-3", 2, 7, "lock_contended: 01 &mm->mmap_lock") +
               line("a-1", 0, 9, "lock_release: 01 &mm->mmap_lock") +
               line("b-2", 1, 9, "lock_acquired: 01 &mm->mmap_lock"),
           s);
  const LockUsage& r = usage(s, "&mm->mmap_lock", LockSide::read);
  CHECK(r.acquisitions == 2);
  CHECK(r.annotations == 1);
  CHECK(r.hold.count() == 1);
  CHECK(r.hold.total() == 6000);
  CHECK(chain_total(s, 2, "a-1") == 2000);
}

TEST_CASE("lost events, interrupts, and a kernel without lock_stat") {
  Stats s;
  stats_of(line("a-1", 0, 1, "lock_acquire: 01 &l") + "CPU:0 [LOST 7 EVENTS]\n" +
               line("b-2", 0, 2, "lock_acquire: 01 &l") + line("a-1", 0, 3, "lock_release: 01 &l") +
               "     b-2 [000] d.h1.  7.000004: lock_release: 01 &l\n" +
               line("b-2", 0, 6, "lock_release: 01 &l") +
               line("c-3", 0, 7, "lock_acquire: 05 read &q") +
               line("c-3", 0, 8, "contention_begin: 77 (flags=READ)") +
               line("c-3", 0, 9, "contention_end: 77 (ret=0)") +
               line("c-3", 0, 11, "lock_release: 05 &q") +
               line("d-4", 0, 12, "contention_begin: 78 (flags=MUTEX)") +
               line("d-4", 0, 15, "contention_end: 78 (ret=0)"),
           s);
  CHECK(s.locks.unmatched_releases() == 2);
  CHECK(usage(s, "&l", LockSide::write).hold.total() == 4000);
  CHECK(usage(s, "&q", LockSide::read).wait.total() == 1000);
  CHECK(usage(s, "&q", LockSide::read).hold.total() == 2000);
  CHECK(usage(s, "(unnamed lock, MUTEX)", LockSide::write).wait.total() == 3000);
  CHECK(usage(s, "(unnamed lock, MUTEX)", LockSide::write).hold.count() == 0);
}

// Tasks that take, hold and hand on one of three locks; a second account is kept nanosecond by
// nanosecond.
TEST_CASE("random programs agree with a naive model") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    Rng rng(seed);
    constexpr int tasks = 5, locks = 3;
    int holder[locks] = {-1, -1, -1};
    int wants[tasks] = {-1, -1, -1, -1, -1};
    std::uint64_t wait_us[locks] = {}, hold_us[locks] = {}, by_holder = 0, free = 0;
    std::string text;
    int us = 0;
    const auto say = [&](int t, const char* event, int l) {
      const std::string task = "t" + std::to_string(t) + "-" + std::to_string(t + 1);
      text += line(task.c_str(), t, us,
                   std::string(event) + ": 0" + std::to_string(l + 1) + " l" + std::to_string(l));
    };
    for (; us < 400; ++us) {
      const int t = static_cast<int>(rng.below(tasks));
      const int l = static_cast<int>(rng.below(locks));
      if (wants[t] >= 0 && holder[wants[t]] < 0) {
        say(t, "lock_acquired", wants[t]);
        holder[wants[t]] = t;
        wants[t] = -1;
      } else if (wants[t] < 0 && holder[l] == t) {
        say(t, "lock_release", l);
        holder[l] = -1;
      } else if (wants[t] < 0 && l == t % locks) {
        say(t, "lock_acquire", l);
        if (holder[l] >= 0) {
          say(t, "lock_contended", l);
          wants[t] = l;
        } else {
          holder[l] = t;
        }
      }
      for (int i = 0; i < locks; ++i) hold_us[i] += holder[i] >= 0;
      for (int i = 0; i < tasks; ++i) {
        if (wants[i] < 0) continue;
        ++wait_us[wants[i]];
        (holder[wants[i]] >= 0 ? by_holder : free) += 1;
      }
    }
    // Ends what is still held or waited for at a known moment.
    text += line("z-99", 0, us, "sys_exit: NR 1 = 1");
    for (int i = 0; i < locks; ++i) {
      if (holder[i] >= 0) say(holder[i], "lock_release", i);
    }
    Stats s;
    stats_of(text, s);
    std::uint64_t shares = 0;
    for (const auto& [chain, share] : s.locks.chains()) shares += share.total_ns;
    CHECK(shares == (by_holder + free) * 1000);
    for (int i = 0; i < locks; ++i) {
      const LockUsage& u = usage(s, "l" + std::to_string(i), LockSide::write);
      CHECK(u.wait.total() + u.unfinished_ns == wait_us[i] * 1000);
      CHECK(u.hold.total() == hold_us[i] * 1000);
    }
    CHECK(chain_total(s, 1, "") == free * 1000);
  }
}

TEST_CASE("faults end with the function they called, or are lower bounds") {
  Stats s;
  const char* fault = "page_fault_user: address=0x1000 ip=0x2000 error_code=0x6";
  stats_of(line("a-1", 0, 1, fault) + line("a-1", 0, 1, "sim_call: do_user_addr_fault") +
               line("a-1", 0, 2, "sim_call: f") + line("a-1", 0, 3, "sim_ret: f") +
               line("a-1", 0, 5, "sim_ret: do_user_addr_fault") + line("a-1", 0, 10, fault) +
               line("a-1", 0, 13, "lock_release: 01 l") + line("a-1", 0, 20, "sys_exit: NR 1 = 1"),
           s);
  const FaultTimes& t = s.faults.kinds().at("user write");
  CHECK(t.time.count() == 2);
  CHECK(t.time.total() == 7000);
  CHECK(t.bounded == 1);
}
