// Measuring two programs against each other: each sample is a child process of its own, pinned to
// the same core, and reports the CPU seconds of its measured part; the sides take turns; the result
// is the ratio of medians. Absolute figures are shown for orientation only.
#pragma once

#include <sched.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "base/rng.hpp"

namespace bench {

inline double cpu_seconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

/// A program under measurement: does its work and returns operations per CPU second.
using Program = std::function<double()>;

/// Runs `program` in a child process; ends this one if the child fails.
inline double sample(const Program& program) {
  int ends[2];
  if (pipe(ends) != 0) std::abort();
  const pid_t child = fork();
  if (child == 0) {
    const double result = program();
    const bool written = write(ends[1], &result, sizeof result) == sizeof result;
    _exit(written ? 0 : 1);
  }
  close(ends[1]);
  double result = 0;
  const bool got = read(ends[0], &result, sizeof result) == sizeof result;
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (!got || status != 0) {
    std::fprintf(stderr, "bench: a sample failed\n");
    std::exit(1);
  }
  return result;
}

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

inline void pin_to_one_core() {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(sched_getcpu(), &set);
  sched_setaffinity(0, sizeof set, &set);
}

/// Samples all programs by turns; medians in their order.
inline std::vector<double> medians(const std::vector<Program>& programs, int rounds = 5) {
  pin_to_one_core();
  std::vector<std::vector<double>> results(programs.size());
  for (int r = 0; r < rounds; ++r) {
    for (std::size_t i = 0; i < programs.size(); ++i) results[i].push_back(sample(programs[i]));
  }
  std::vector<double> middle;
  for (auto& r : results) middle.push_back(median(r));
  return middle;
}

/// The rows of one program; its exit code is 1 if a target was missed.
class Table {
 public:
  Table() { print("", "ours/s", "peer/s", "ratio", "target", ""); }

  /// `target` 0: no target.
  void row(const std::string& name, double ours, double peer, double target) {
    const double ratio = ours / peer;
    const bool met = target == 0 || ratio >= target;
    print(name, rate(ours), rate(peer), number(ratio), target == 0 ? "-" : number(target),
          target == 0 ? ""
          : met       ? "ok"
                      : "MISSED");
    if (!met) code_ = 1;
  }
  /// One figure that shall be at most `most` (0: no limit).
  void figure(const std::string& name, double value, double most) {
    const bool met = most == 0 || value <= most;
    print(name, number(value), "", "", most == 0 ? "-" : number(most),
          most == 0 ? ""
          : met     ? "ok"
                    : "MISSED");
    if (!met) code_ = 1;
  }
  int exit_code() const { return code_; }

 private:
  static std::string number(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.2f", value);
    return text;
  }
  static std::string rate(double per_second) { return number(per_second * 1e-6) + " M"; }
  static void print(const std::string& name, const std::string& ours, const std::string& peer,
                    const std::string& ratio, const std::string& target, const char* verdict) {
    std::printf("%-64s %10s %10s %7s %7s %s\n", name.c_str(), ours.c_str(), peer.c_str(),
                ratio.c_str(), target.c_str(), verdict);
    std::fflush(stdout);
  }
  int code_ = 0;
};

/// The random durations that all sides share: 0.1 + exponential 0.9 of `mean` ticks, from a table.
class Durations {
 public:
  explicit Durations(std::uint64_t seed, double mean = 1e6, double lookahead = 0.1)
      : rng_(seed), table_(1 << 16) {
    for (std::size_t i = 0; i < table_.size(); ++i) {
      const double u = (static_cast<double>(i) + 0.5) / static_cast<double>(table_.size());
      const double d = mean * (lookahead - (1 - lookahead) * std::log(u));
      table_[i] = static_cast<std::uint64_t>(d);
    }
  }
  std::uint64_t next() { return table_[rng_.next() & 0xffff]; }
  /// Uniform over [0, n), n a power of two.
  std::uint64_t below(std::uint64_t n) { return (rng_.next() >> 20) & (n - 1); }

 private:
  faultline::Rng rng_;
  std::vector<std::uint64_t> table_;
};

}  // namespace bench
