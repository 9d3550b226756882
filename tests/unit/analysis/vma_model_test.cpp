// Random mmap, munmap, mprotect, madvise and mremap over files, shared and private memory, against
// a naive model: an array of pages with what mmap and the later calls have said of each. Nothing is
// ever touched, so that whatever looks alike must be one VMA: the list of VMAs is the list of the
// longest runs of pages that agree.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "analysis/simulate.hpp"
#include "base/rng.hpp"
#include "scenario/snapshot.hpp"
#include "unit/scenario/load_helper.hpp"

using namespace faultline;
using namespace faultline::test;

namespace {

constexpr std::uint64_t page = 4096, base = 0x40000000000;
constexpr std::size_t arena = 40, calls = 60;
constexpr unsigned read_bit = 1, write_bit = 2, prots[] = {0, 1, 3, 3, 3, 3};

struct Page {
  std::size_t object = 0;  ///< 0: private anonymous
  std::uint64_t offset = 0;
  unsigned prot = 0;
  bool shared = false, may_write = true, charged = false;
  std::set<std::string> flags;  ///< that smaps prints and madvise sets

  /// Whether this page and another `distance` pages behind it may be in one VMA.
  bool goes_on_as(const Page& other, std::uint64_t distance) const {
    const bool in_order = object == 0 || other.offset == offset + distance;
    return object == other.object && in_order && prot == other.prot && shared == other.shared &&
           may_write == other.may_write && charged == other.charged && flags == other.flags;
  }
};

struct Source {
  const char* file;  ///< null: anonymous
  bool shared, writable;
};
// Private memory is what merges most.
constexpr Source sources[] = {
    {nullptr, false, true}, {nullptr, false, true}, {nullptr, false, true}, {nullptr, false, true},
    {nullptr, true, true},  {"shm", true, true},    {"shm", false, true},   {"xfs", true, true},
    {"ro", true, false},    {"ro", false, false}};
struct Advice {
  const char *word, *sets, *clears;
};
constexpr Advice advices[] = {
    {"RANDOM", "rr", "sr"}, {"NORMAL", "", "rr"}, {"DONTFORK", "dc", ""},    {"DONTDUMP", "dd", ""},
    {"DOFORK", "", "dc"},   {"DODUMP", "", "dd"}, {"NOHUGEPAGE", "nh", "hg"}};

class Model {
 public:
  Model(std::uint64_t seed, bool several_move) : rng_(seed), several_move_(several_move) {}
  /// A call as a step of the scenario; `errno` of it is put behind `expected`.
  std::string call();
  std::vector<int> expected;
  /// First page and end of each VMA.
  std::vector<std::pair<std::size_t, std::size_t>> vmas() const;
  const Page& at(std::size_t i) const { return *pages_[i]; }

 private:
  using Range = std::pair<std::size_t, std::size_t>;  // first page and end
  Range any() {
    const std::size_t first = rng_.below(arena);
    return {first, std::min<std::size_t>(arena, first + 1 + rng_.below(8))};
  }
  static std::string words(Range r) {
    return fmt::format("\"addr\":{},\"length\":{}", base + r.first * page,
                       (r.second - r.first) * page);
  }
  void forget(std::size_t first, std::size_t count) {
    for (std::size_t i = first; i < first + count; ++i) pages_[i].reset();
  }
  bool alike(std::size_t first, std::size_t count) const {
    for (std::size_t i = first; i < first + count; ++i) {
      if (!pages_[i] || !pages_[first]->goes_on_as(*pages_[i], i - first)) return false;
    }
    return true;
  }
  std::string map();
  std::string protect();
  std::string advise();
  std::string remap();
  int move(std::size_t from, std::size_t old_count, std::size_t to, std::size_t count);
  int resize(std::size_t from, std::size_t old_count, std::size_t count);

  Rng rng_;
  bool several_move_;
  std::size_t next_object_ = 10;
  std::array<std::optional<Page>, arena> pages_;
};

std::string Model::map() {
  const Range r = any();
  const std::size_t which = rng_.below(std::size(sources));
  const Source& source = sources[which];
  const unsigned prot = prots[rng_.below(std::size(prots))];
  const std::uint64_t offset = rng_.below(3) == 0 ? rng_.below(8) : r.first;
  const bool refused = source.shared && !source.writable && prot & write_bit;
  expected.push_back(refused ? EACCES : 0);
  if (!refused) {
    std::size_t object = 0;
    if (source.file) object = source.file[0];
    if (!source.file && source.shared) object = next_object_++ << 8;
    for (std::size_t i = r.first; i < r.second; ++i) {
      Page p;
      p.object = object;
      if (object != 0) p.offset = i - r.first + (source.file ? offset : 0);
      p.prot = prot;
      p.shared = source.shared;
      p.may_write = !source.shared || source.writable;
      p.charged = !source.shared && prot & write_bit;
      pages_[i] = p;
    }
  }
  const std::string file =
      source.file ? fmt::format(",\"fd\":\"{}\",\"offset\":{}", source.file, offset * page) : "";
  return fmt::format("\"mmap\":{{{},\"prot\":{},\"flags\":[\"FIXED\",\"{}\"{}]{}}}", words(r), prot,
                     source.shared ? "SHARED" : "PRIVATE", source.file ? "" : ",\"ANONYMOUS\"",
                     file);
}

// Stops at the first page that is not there, or must not be written.
std::string Model::protect() {
  const Range r = any();
  const unsigned prot = prots[rng_.below(std::size(prots))];
  int error = 0;
  for (std::size_t i = r.first; i < r.second && error == 0; ++i) {
    std::optional<Page>& p = pages_[i];
    if (!p) {
      error = ENOMEM;
    } else if (prot & write_bit && !p->may_write) {
      error = EACCES;
    } else {
      p->prot = prot;
      if (prot & write_bit) p->charged = !p->shared;
      if (!(prot & write_bit) && p->object == 0) p->charged = false;  // never written
    }
  }
  expected.push_back(error);
  return fmt::format("\"mprotect\":{{{},\"prot\":{}}}", words(r), prot);
}

// Goes on behind a hole.
std::string Model::advise() {
  const Range r = any();
  const Advice& advice = advices[rng_.below(std::size(advices))];
  int error = 0;
  for (std::size_t i = r.first; i < r.second; ++i) {
    if (!pages_[i]) {
      error = ENOMEM;
      continue;
    }
    pages_[i]->flags.erase(advice.clears);
    if (*advice.sets) pages_[i]->flags.insert(advice.sets);
  }
  expected.push_back(error);
  return fmt::format("\"madvise\":{{{},\"advice\":\"{}\"}}", words(r), advice.word);
}

int Model::move(std::size_t from, std::size_t old_count, std::size_t to, std::size_t count) {
  if (from + old_count > to && to + count > from)
    return pages_[from] || several_move_ ? EINVAL : EFAULT;
  if (!pages_[from]) return EFAULT;
  const std::size_t kept = std::min(old_count, count);
  const bool several = several_move_ && old_count == count;
  if (!several_move_) {  // the target and the tail go before the source is looked at
    forget(to, count);
    if (old_count > count) forget(from + count, old_count - count);
  }
  if (!several && !alike(from, kept)) return EFAULT;
  if (several_move_ && !several) {
    forget(to, count);
    if (old_count > count) forget(from + count, old_count - count);
  }
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t source = i < kept ? from + i : from;
    if (!pages_[source]) continue;  // gaps are kept, with what lies at their place
    Page p = *pages_[source];
    if (i >= kept && p.object != 0) p.offset += i;
    pages_[to + i] = p;
    if (i < kept && i != 0) pages_[source].reset();
  }
  pages_[from].reset();
  return 0;
}

int Model::resize(std::size_t from, std::size_t old_count, std::size_t count) {
  if (!pages_[from]) return EFAULT;
  if (count <= old_count) {
    forget(from + count, old_count - count);
    return 0;
  }
  if (!alike(from, old_count)) return EFAULT;
  for (std::size_t i = from + old_count; i < from + count; ++i) {
    if (pages_[i]) return ENOMEM;
  }
  for (std::size_t i = old_count; i < count; ++i) {
    Page p = *pages_[from];
    if (p.object != 0) p.offset += i;
    pages_[from + i] = p;
  }
  return 0;
}

std::string Model::remap() {
  const Range r = any();
  const std::size_t old_count = r.second - r.first;
  std::size_t count = rng_.below(2) == 0 ? old_count : 1 + rng_.below(8);
  const bool fixed = rng_.below(3) != 0;
  std::string target;
  if (fixed) {
    const std::size_t to = rng_.below(arena + 1 - count);
    target = fmt::format(",\"flags\":[\"MAYMOVE\",\"FIXED\"],\"new_addr\":{}", base + to * page);
    expected.push_back(move(r.first, old_count, to, count));
  } else {
    count = std::min(count, arena - r.first);
    expected.push_back(resize(r.first, old_count, count));
  }
  return fmt::format("\"mremap\":{{\"addr\":{},\"old_length\":{},\"new_length\":{}{}}}",
                     base + r.first * page, old_count * page, count * page, target);
}

std::string Model::call() {
  switch (rng_.below(8)) {
    case 0: {
      const Range r = any();
      forget(r.first, r.second - r.first);
      expected.push_back(0);
      return fmt::format("\"munmap\":{{{}}}", words(r));
    }
    case 1:
    case 2:
      return protect();
    case 3:
      return advise();
    case 4:
    case 5:
      return remap();
    default:
      return map();
  }
}

std::vector<std::pair<std::size_t, std::size_t>> Model::vmas() const {
  std::vector<Range> runs;
  for (std::size_t i = 0; i < arena; ++i) {
    if (!pages_[i]) continue;
    const bool same = i > 0 && pages_[i - 1] && pages_[i - 1]->goes_on_as(*pages_[i], 1);
    if (!same) runs.emplace_back(i, i);
    runs.back().second = i + 1;
  }
  return runs;
}

std::string perms_of(const Page& p) {
  return fmt::format("{}{}-{}", p.prot & read_bit ? 'r' : '-', p.prot & write_bit ? 'w' : '-',
                     p.shared ? 's' : 'p');
}

void compare(const MmSnapshot& there, const Model& model) {
  const auto wanted = model.vmas();
  REQUIRE(there.vmas.size() == wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const VmaSnapshot& vma = there.vmas[i];
    const Page& p = model.at(wanted[i].first);
    REQUIRE(vma.start.v == base + wanted[i].first * page);
    REQUIRE(vma.end.v == base + wanted[i].second * page);
    REQUIRE(vma.perms == perms_of(p));
    if (p.object != 0) REQUIRE(vma.pgoff == p.offset);
    const auto has = [&](const char* flag) {
      return std::count(vma.vmflags.begin(), vma.vmflags.end(), flag) != 0;
    };
    for (const char* const flag : {"rr", "sr", "dc", "dd", "nh", "hg"}) {
      REQUIRE(has(flag) == (p.flags.count(flag) != 0));
    }
    REQUIRE(has("ac") == p.charged);
  }
}

void play_and_compare(const char* profile, std::uint64_t seed) {
  Model model(seed, std::string_view(profile) != "linux-6.12");
  std::string steps;
  std::vector<Model> states;
  for (std::size_t i = 0; i < calls; ++i) {
    if (i != 0) steps += ",\n";
    steps += fmt::format("{{{}}},{{\"snapshot\":{{\"addr\":0,\"length\":0}}}}", model.call());
    states.push_back(model);
  }
  const Scenario scenario = good(fmt::format(
      R"({{"format":1,"kernel":{{"profile":"{}"}},"devices":{{"d":{{"block":{{"size":"64MiB"}}}}}},
"filesystems":{{"x":{{"xfs":{{"device":"d","dax":"never"}}}},"t":{{"tmpfs":{{}}}}}},
"files":{{"f":{{"fs":"x","size":"1MiB"}},"g":{{"fs":"x","size":"1MiB"}},
"s":{{"fs":"t","size":"1MiB"}}}},
"tasks":{{"t":{{"steps":[{{"id":"shm","open":{{"file":"s","flags":["O_RDWR"]}}}},
{{"id":"xfs","open":{{"file":"f","flags":["O_RDWR"]}}}},
{{"id":"ro","open":{{"file":"g","flags":["O_RDONLY"]}}}},
{}]}}}}}})",
      profile, steps));
  const Simulation run = simulate(scenario, SimulateOptions{});
  INFO(profile << ", seed " << seed << "\n" << steps);
  for (std::size_t i = 0; i < calls; ++i) {
    INFO("call " << i);
    const StepResult& r = run.result.steps[0][3 + 2 * i];
    REQUIRE((r.failed ? -r.result : 0) == states[i].expected[i]);
    compare(*run.result.steps[0][4 + 2 * i].snapshot, states[i]);
  }
}

}  // namespace

TEST_CASE("VMAs are the runs of pages of which the same was said") {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    play_and_compare("linux-6.12", seed);
    play_and_compare("linux-7.1", seed);
  }
}
