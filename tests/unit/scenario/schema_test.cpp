// The published schema is what the grammar prints, and it judges documents as the loader does.
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "base/rng.hpp"
#include "scenario/known_words.hpp"
#include "scenario/rule.hpp"
#include "scenario/schema.hpp"
#include "scenario/support.hpp"
#include "unit/scenario/load_helper.hpp"
#include "unit/scenario/mini_schema.hpp"

using namespace faultline;
using namespace faultline::test;
using Json = nlohmann::json;

namespace {

std::string file_text(const std::string& path) {
  std::ifstream file(std::string(FAULTLINE_SOURCE_DIR) + "/" + path);
  REQUIRE(file.good());
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// What values and keys are changed to: each right somewhere and wrong in most places.
constexpr const char* replacements = R"json([
  0, 1, -1, 7, 8, 4096, 4097, 65535, 65536, 18446744073709551615, 9223372036854775808,
  -9223372036854775808, 99999999999999999999, 1.5, true, null, [], {}, "", [1], [[1]],
  "4KiB", "0x10",
  "-4KiB", "-0x10", "4KB", "4KiB ", "1.5us", "1.us", "2s", "map", "map+4KiB",
  "map+", "writer.map-2", "a.b.c", "1a", "O_RDWR", "READ", "SIGBUS", "ETXTBSY", "E41", "stale",
  "none", "0644",
  "01777", "017777", "0999", "written", "hole", {"fence": {}}, ["DAX"], "load", "fence", "steps",
  "expect", "RLIMIT_AS", "unlimited", "BUS_ADRERR", {"at": 0, "length": 1}
])json";

/// Whether the loader finds the shape of a document right (not: its names, or what is built).
bool loader_takes(const std::string& text) {
  for (const Diagnostic& each : diagnostics(text)) {
    if (each.complaint == Complaint::shape || each.complaint == Complaint::syntax) return false;
    if (each.what.find("more errors") != std::string::npos) FAIL("too many errors to judge");
  }
  return true;
}

void collect(Json& node, std::vector<Json*>& all) {
  all.push_back(&node);
  if (!node.is_structured()) return;
  for (Json& child : node) collect(child, all);
}

/// One random change: a value replaced, a key removed, renamed, added or doubled under a new name.
void mutate(Json& document, const std::vector<Json>& pool, Rng& rng) {
  std::vector<Json*> nodes;
  collect(document, nodes);
  Json& node = *nodes[1 + rng.below(nodes.size() - 1)];
  const Json& other = pool[rng.below(pool.size())];
  if (node.is_object() && !node.empty() && rng.below(4) != 0) {
    auto member = node.begin();
    std::advance(member, static_cast<long>(rng.below(node.size())));
    const std::string key = member.key();
    switch (rng.below(4)) {
      case 0:
        node.erase(key);
        return;
      case 1:
        node[key + "x"] = node[key];
        return;
      case 2:
        node[other.is_string() ? other.get<std::string>() : "new"] = node[key];
        return;
      default:
        node[key] = other;
        return;
    }
  }
  if (node.is_array() && rng.below(3) == 0) {
    if (rng.below(2) == 0 || node.empty())
      node.push_back(other);
    else
      node.erase(rng.below(node.size()));
    return;
  }
  node = other;
}

}  // namespace

TEST_CASE("the schema file is what the grammar prints") {
  // When this fails: faultline schema > scenarios/schema/scenario-1.schema.json
  CHECK(file_text("scenarios/schema/scenario-1.schema.json") == schema_text());
}

TEST_CASE("a document with everything in it has the right shape") {
  const std::string text = file_text("tests/unit/scenario/everything.json");
  MiniSchema schema(Json::parse(schema_text()));
  CHECK(schema.valid(Json::parse(text)));
  const KnownWords known;
  for (const Diagnostic& each : diagnostics(text, {}, {known.vocabulary().knobs, {}, {}})) {
    CAPTURE(to_string(each));
    CHECK(each.complaint == Complaint::not_built);
  }
  // Each verb and each expectation is in it.
  const Json document = Json::parse(text);
  std::set<std::string> seen;
  std::vector<Json*> nodes;
  Json copy = document;
  collect(copy, nodes);
  for (const Json* node : nodes) {
    if (!node->is_object()) continue;
    for (const auto& [key, value] : node->items()) seen.insert(key);
  }
  for (const Support& entry : support_table()) {
    if (entry.sort != "verb" && entry.sort.find("expectation") == std::string_view::npos) continue;
    CAPTURE(entry.word);
    CHECK(seen.count(std::string(entry.word)) == 1);
  }
}

TEST_CASE("schema and loader agree about changed documents") {
  MiniSchema schema(Json::parse(schema_text()));
  const Json original = Json::parse(file_text("tests/unit/scenario/everything.json"));
  const std::vector<Json> pool = Json::parse(replacements).get<std::vector<Json>>();
  Rng rng(5);
  int refused = 0;
  const int rounds = 1'500;
  for (int round = 0; round < rounds; ++round) {
    Json document = original;
    for (std::uint64_t n = 1 + rng.below(2); n > 0; --n) mutate(document, pool, rng);
    const std::string text = document.dump();
    const bool theirs = schema.valid(document);
    const bool ours = loader_takes(text);
    if (theirs != ours) {
      for (const std::string& each : complaints(text)) {
        if (each.find("not built") == std::string::npos) UNSCOPED_INFO(each);
      }
      UNSCOPED_INFO("schema says " << theirs << ", round " << round);
    }
    REQUIRE(theirs == ours);
    refused += ours ? 0 : 1;
  }
  CHECK(refused > rounds / 4);
  CHECK(refused < rounds * 19 / 20);
}

TEST_CASE("the verbs of the grammar stand in the order of the enumeration") {
  CHECK(verb_name(Verb::open) == "open");
  CHECK(verb_name(Verb::mmap3) == "mmap3");
  CHECK(verb_name(Verb::aio_read) == "aio_read");
  CHECK(verb_name(Verb::remap_file_pages) == "remap_file_pages");
  CHECK(verb_name(Verb::repeat) == "repeat");
  CHECK(verb_name(Verb::might_alloc) == "might_alloc");
  CHECK(verb_name(Verb::fadvise) == "fadvise");
  CHECK(verb_name(Verb::uffd_copy) == "uffd_copy");
  CHECK(verb_name(Verb::start_commit) == "start_commit");
  int choices = 0;
  for (const RuleField& field : step_rule.fields) choices += field.need == Need::choice ? 1 : 0;
  CHECK(choices == verb_count);
}

TEST_CASE("the table of what is built names only what the format has") {
  const std::string schema = schema_text();
  for (const Support& entry : support_table()) {
    CAPTURE(entry.word);
    CHECK(schema.find("\"" + std::string(entry.word) + "\"") != std::string::npos);
  }
}
