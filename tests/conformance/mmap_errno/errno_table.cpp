// Every cell of a table of errnos that a real Linux 6.12.117 gave to mmap(2): map type, extra flag,
// protection, length and offset, for a DAX file and a file of the page cache. The calls are played
// as scenarios, one per target; each must end as the real one did. What a success mapped is
// unmapped again, and the mapping that FIXED(mapped) aims at is put back, as the recording program
// did. Usage: mmap_errno_tests TABLE. Exit code 0 when all cells agree.
#include <fmt/format.h>
#include <faultline/errno.hpp>

#include <cstdio>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/simulate.hpp"
#include "scenario/error_list.hpp"
#include "scenario/json_parser.hpp"
#include "scenario/load.hpp"

namespace {

using namespace faultline;

constexpr std::uint64_t free_at = 0x1000'0000'0000, mapped_at = 0x0800'0000'0000;
constexpr std::uint64_t mapped_length = 1 << 20, past_the_end = 0x8000'0000'0000;

// The values behind the names of the table's axes, in its order.
constexpr std::uint64_t types[] = {0, 1, 2, 3};
constexpr std::uint64_t prots[] = {0, 1, 2, 3, 4, 5, 7, 0x10, 0x1000001};
constexpr std::uint64_t lengths[] = {0, 1, 4096, 1ULL << 46, 1ULL << 47, ~0ULL, ~0ULL - 4094};
constexpr std::uint64_t offsets[] = {
    0, 1, 4096, 1 << 20, 1ULL << 62, 0x7fff'ffff'ffff'f000, 0xffff'ffff'ffff'f000};

struct Table {
  std::vector<std::string> targets, types, extra, patterns;
  std::vector<std::uint64_t> extra_flags;
  std::map<std::string, int> letters;                                      // errno of each
  std::vector<std::vector<std::vector<std::vector<std::size_t>>>> result;  // as in the file
};

struct Cell {
  std::string name;
  int expected = 0;
};

std::vector<std::string> words(const JsonTree& tree, NodeId list) {
  std::vector<std::string> out;
  for (const NodeId each : Children(tree, list)) out.emplace_back(tree.text(each));
  return out;
}

Table read_table(const JsonTree& tree) {
  Table t;
  const auto get = [&](NodeId at, std::string_view key) { return tree.find(at, key); };
  t.targets = words(tree, get(tree.root, "targets"));
  t.types = words(tree, get(tree.root, "types"));
  t.extra = words(tree, get(tree.root, "extra"));
  t.patterns = words(tree, get(tree.root, "patterns"));
  for (const std::string& text : words(tree, get(tree.root, "extra_flags"))) {
    t.extra_flags.push_back(std::stoull(text, nullptr, 0));
  }
  for (const NodeId each : Children(tree, get(tree.root, "code_letters"))) {
    t.letters[std::string(tree.key(each))] = errno_from_name(tree.text(each)).value_or(0);
  }
  for (const std::string& target : t.targets) {
    auto& of_target = t.result.emplace_back();
    for (const std::string& type : t.types) {
      auto& of_type = of_target.emplace_back();
      for (const NodeId row : Children(tree, get(get(get(tree.root, "result"), target), type))) {
        auto& of_extra = of_type.emplace_back();
        for (const NodeId cell : Children(tree, row)) of_extra.push_back(tree[cell].value);
      }
    }
  }
  return t;
}

std::uint64_t address_of(std::string_view extra) {
  const auto aims = [&](std::string_view what) {
    return extra.find(what) != std::string_view::npos;
  };
  if (aims("(free)")) return free_at;
  if (aims("(mapped)")) return mapped_at;
  if (aims("(unaligned)")) return free_at + 1;
  if (aims("(>TASK_SIZE)")) return past_the_end;
  return 0;
}

// All calls of one target; `cells` gets what each must come to, by step id.
std::string scenario_text(const Table& t, std::size_t target, std::vector<Cell>& cells) {
  const bool dax = t.targets[target].substr(0, 3) == "dax";
  const std::string map_back = fmt::format(
      R"({{"mmap":{{"addr":{},"length":{},"prot":3,"flags":["PRIVATE","ANONYMOUS","FIXED"]}}}})",
      mapped_at, mapped_length);
  std::string steps = R"({"id":"fd","open":{"file":"data","flags":["O_RDWR"]}},)" + map_back;
  for (std::size_t type = 0; type < t.types.size(); ++type) {
    for (std::size_t extra = 0; extra < t.extra.size(); ++extra) {
      const std::uint64_t flags = types[type] | t.extra_flags[extra];
      const std::uint64_t address = address_of(t.extra[extra]);
      for (std::size_t prot = 0; prot < std::size(prots); ++prot) {
        const std::string& pattern = t.patterns[t.result[target][type][extra][prot]];
        for (std::size_t n = 0; n < pattern.size(); ++n) {
          if (pattern[n] == '-') continue;
          const std::uint64_t length = lengths[n / std::size(offsets)];
          const std::uint64_t offset = offsets[n % std::size(offsets)];
          const int expected = t.letters.at(std::string(1, pattern[n]));
          const std::string id = fmt::format("c{}", cells.size());
          steps += fmt::format(
              ",\n{{\"id\":\"{}\",\"mmap\":{{\"addr\":{},\"length\":{},\"prot\":{},\"flags\":{},"
              "\"fd\":\"fd\",\"offset\":{}}}}}",
              id, address, length, prots[prot], flags, offset);
          if (expected == 0) {
            steps += fmt::format(",{{\"munmap\":{{\"addr\":\"{}\",\"length\":{}}}}}", id, length);
            if (address == mapped_at) steps += "," + map_back;
          }
          cells.push_back(
              {fmt::format("{}: {}, {}, prot {:#x}, length {:#x}, offset {:#x}", t.targets[target],
                           t.types[type], t.extra[extra], prots[prot], length, offset),
               expected});
        }
      }
    }
  }
  return fmt::format(
      R"({{"format":1,"name":"errno","kernel":{{"profile":"linux-6.12"}},
"devices":{{"dev":{{"{}":{{"size":"64MiB"}}}}}},
"filesystems":{{"fs":{{"xfs":{{"device":"dev","dax":"{}"}}}}}},
"files":{{"data":{{"fs":"fs","size":16384,
"extents":[{{"at":0,"length":16384,"state":"written"}}]}}}},
"tasks":{{"t":{{"caps":["CAP_SYS_RAWIO","CAP_IPC_LOCK","CAP_SYS_ADMIN"],
"limits":{{"RLIMIT_MEMLOCK":"8MiB"}},"steps":[{}]}}}}}})",
      dax ? "pmem" : "block", dax ? "always" : "never", steps);
}

// Plays one target; how many of its cells differ.
std::size_t differing(const Table& t, std::size_t target, std::size_t* all) {
  std::vector<Cell> cells;
  LoadInput input;
  input.text = scenario_text(t, target, cells);
  input.file = t.targets[target];
  LoadResult loaded = load_scenario(std::move(input));
  if (const auto* const errors = std::get_if<std::vector<Diagnostic>>(&loaded)) {
    for (const Diagnostic& d : *errors) std::printf("%s\n", to_string(d).c_str());
    return 1;
  }
  const Scenario& scenario = std::get<Scenario>(loaded);
  const Simulation run = simulate(scenario, SimulateOptions{});
  std::size_t wrong = 0, cell = 0;
  for (std::size_t s = 0; s < scenario.tasks[0].steps.size(); ++s) {
    const std::string_view id = scenario.strings[scenario.tasks[0].steps[s].id];
    if (id.empty() || id[0] != 'c') continue;
    const StepResult& r = run.result.steps[0][s];
    const int got = r.failed ? static_cast<int>(-r.result) : 0;
    const Cell& want = cells[cell++];
    if (r.state == StepState::done && got == want.expected) continue;
    if (++wrong <= 20) {
      std::printf("%s: %s, expected %s\n", want.name.c_str(), std::string(errno_name(got)).c_str(),
                  std::string(errno_name(want.expected)).c_str());
    }
  }
  *all += cells.size();
  return wrong;
}

}  // namespace

int main(int argc, char* argv[]) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: mmap_errno_tests TABLE\n");
    return 2;
  }
  std::ifstream file(argv[1]);
  std::stringstream text;
  text << file.rdbuf();
  JsonTree tree;
  ErrorList errors(tree);
  tree.root = parse_json(tree, argv[1], text.str(), errors);
  if (tree.root == no_node) return 2;
  const Table table = read_table(tree);
  std::size_t all = 0, wrong = 0;
  for (std::size_t target = 0; target < table.targets.size(); ++target) {
    wrong += differing(table, target, &all);
  }
  std::printf("%zu of %zu cells agree\n", all - wrong, all);
  return wrong == 0 && all > 0 ? 0 : 1;
}
