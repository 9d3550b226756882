// The steps of loading, in order: parse, override, check the shape, read. A scenario comes out only
// if none of them had anything to say.
#include "scenario/load.hpp"

#include <fmt/format.h>

#include "scenario/check_shape.hpp"
#include "scenario/json_parser.hpp"
#include "scenario/overrides.hpp"
#include "scenario/reader.hpp"

namespace faultline {
namespace {

constexpr std::size_t most_overrides = 10'000;

LoadResult refuse(const std::string& file, std::string what) {
  return std::vector<Diagnostic>{{Complaint::input, file, 0, 0, {}, std::move(what)}};
}

}  // namespace

LoadResult load_scenario(LoadInput input) {
  const std::string shown = input.file == "-" ? "standard input" : input.file;
  if (input.text.size() > largest_text) return refuse(shown, "is larger than 4 GiB");
  if (input.overrides.size() > most_overrides) {
    return refuse(shown, fmt::format("more than {} overrides", most_overrides));
  }
  JsonTree tree;
  ErrorList errors(tree);
  tree.root = parse_json(tree, shown, std::move(input.text), errors);
  if (tree.root == no_node) return errors.take();
  for (const Override& change : input.overrides) apply_override(tree, change, errors);
  check_shape(tree, tree.root, scenario_rule, errors);
  Scenario scenario;
  scenario.file = input.file;
  if (tree[tree.root].kind == JsonKind::object) {
    Reader(tree, errors, scenario, input.vocabulary).read();
  }
  if (!errors.empty()) return errors.take();
  return scenario;
}

}  // namespace faultline
