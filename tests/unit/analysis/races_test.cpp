// Races in any order: what the scenarios of docs/races.md claim holds under the timed chooser and
// under many random schedules, and nothing of the kernel's state is ever wrong on the way.
#include <fstream>
#include <sstream>

#include "analysis/simulate.hpp"
#include "catch.hpp"
#include "scenario/known_words.hpp"
#include "scenario/load.hpp"

namespace faultline {
namespace {

struct Race {
  const char* id;
  const char* file;
};

constexpr Race races[] = {
    {"T1", "race/load_or_truncation_first"},
    {"T1", "race/cached_store_or_truncation_first"},
    {"T2", "race/store_or_punch_first"},
    {"T3", "race/two_stores_in_any_order"},
    {"T4", "race/huge_or_small_entry_first"},
    {"T5", "race/huge_zero_page_or_store_first"},
    {"T6", "race/fsync_against_a_store"},
    {"T6", "race/cached_stores_against_write_back"},
    {"T7", "race/pin_or_truncate_first"},
    {"T7", "race/pin_outlives_its_mapping"},
    {"T8", "race/synchronous_stores_in_any_order"},
    {"T9", "race/write_from_its_own_mapping"},
    {"T10", "race/freeze_or_store_first"},
    {"T11", "race/store_or_clone_first"},
    {"retry", "retry/store_or_change_first"},
    {"retry", "retry/two_threads_grow_one_stack"},
    {"signal", "signal/killed_at_any_moment"},
};

Scenario load(const std::string& name) {
  const std::string path = std::string(FAULTLINE_SOURCE_DIR) + "/scenarios/" + name + ".json";
  std::ifstream in(path);
  REQUIRE(in);
  std::stringstream text;
  text << in.rdbuf();
  const KnownWords known;
  LoadResult loaded = load_scenario({text.str(), path, {}, known.vocabulary()});
  REQUIRE(std::holds_alternative<Scenario>(loaded));
  return std::move(std::get<Scenario>(loaded));
}

void play(const Race& race, std::uint64_t seeds) {
  INFO(race.id << " " << race.file);
  Scenario scenario = load(race.file);
  CHECK(simulate(scenario, SimulateOptions{}).exit_code == 0);
  scenario.schedule.chooser = ChooserKind::random;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    scenario.schedule.seed = seed;
    SimulateOptions options;
    options.check_invariants = seed <= 5;  // which takes long
    const Simulation run = simulate(scenario, options);
    if (run.exit_code == 0) continue;
    FAIL("seed " << seed);
  }
}

}  // namespace

TEST_CASE("races hold in every order", "[slow]") {
  for (const Race& race : races) play(race, 100);
  play({"T12", "race/last_block_for_one_of_two"}, 3);
}

TEST_CASE("races hold in a thousand orders", "[.thousand]") {
  for (const Race& race : races) play(race, 1000);
  play({"T12", "race/last_block_for_one_of_two"}, 1000);
}

}  // namespace faultline
