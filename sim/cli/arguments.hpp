// What the command line says, as plain data, one struct per sub-command. main.cpp fills them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace faultline {

struct RunArguments {
  std::string scenario;
  std::string trace;   ///< file, "" for none
  std::string report;  ///< file, "" for none
  std::string chooser;
  std::optional<std::uint64_t> seed;
  std::string profile;
  std::vector<std::string> set;
  std::string level = "all";
  std::string events;
  std::uint64_t max_events = ~0ULL;
  std::string max_time;
  bool selfcheck = false;
  bool check_invariants = false;
  bool json = false;
  std::string color = "auto";
  std::string record_schedule;  ///< file, "" for none
  std::string schedule;         ///< file of a schedule to be replayed, "" for none
};

struct CheckArguments {
  std::vector<std::string> paths;
  bool update = false;
  bool require_golden = false;
  bool check_invariants = false;
  unsigned jobs = 1;
  bool coverage = false;
  std::string junit;  ///< file, "" for none
};

struct DiffArguments {
  std::string a, b;
  std::string ignore;
  std::string view;
  std::string allow;
};

struct StatsArguments {
  std::vector<std::string> traces;
  bool json = false;
  std::size_t top = 20;
};

struct ViewArguments {
  std::vector<std::string> traces;
  std::string output;
};

struct LocksArguments {
  std::vector<std::string> paths;
  std::string chooser;
  std::string baseline;  ///< file, "" for none
  bool update = false;
  bool json = false;
  bool dot = false;
  bool as_lockdep = false;
};

struct ListArguments {
  std::string what;
};

// Each returns the exit code. See the design's section 7.
int run_command(const RunArguments& arguments);
int crash_command(const RunArguments& arguments);
int check_command(const CheckArguments& arguments);
int diff_command(const DiffArguments& arguments);
int stats_command(const StatsArguments& arguments);
int view_command(const ViewArguments& arguments);
int locks_command(const LocksArguments& arguments);
int list_command(const ListArguments& arguments);
int schema_command();

}  // namespace faultline
