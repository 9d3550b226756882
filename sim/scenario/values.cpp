// Reading single values whose shape has been checked; whatever does not fit reads as absent.
#include "base/units.hpp"
#include "scenario/reader.hpp"

namespace faultline {

std::string_view Values::text(NodeId node) const {
  if (node == no_node || tree_[node].kind != JsonKind::string) return {};
  return tree_.text(node);
}

bool Values::truth(NodeId node, bool absent) const {
  if (node == no_node || tree_[node].kind != JsonKind::boolean) return absent;
  return tree_[node].value != 0;
}

std::uint64_t Values::size(NodeId node, std::uint64_t absent) const {
  if (node == no_node) return absent;
  const JsonNode& value = tree_[node];
  if (value.kind == JsonKind::integer) return value.negative ? absent : value.value;
  if (value.kind != JsonKind::string) return absent;
  return parse_size(tree_.text(node)).value.value_or(absent);
}

std::uint64_t Values::argument(NodeId node, std::uint64_t absent) const {
  if (node == no_node) return absent;
  const JsonNode& value = tree_[node];
  if (value.kind == JsonKind::integer) return value.value;
  if (value.kind != JsonKind::string) return absent;
  return parse_signed_size(tree_.text(node)).value.value_or(absent);
}

std::uint64_t Values::duration(NodeId node, std::uint64_t absent) const {
  if (node == no_node) return absent;
  const JsonNode& value = tree_[node];
  if (value.kind == JsonKind::integer) return value.negative ? absent : value.value;
  if (value.kind != JsonKind::string) return absent;
  return parse_duration(tree_.text(node)).value.value_or(absent);
}

std::uint64_t Values::flags(NodeId node, const FlagTable& table) const {
  if (node == no_node) return 0;
  if (tree_[node].kind == JsonKind::array) {
    std::uint64_t all = 0;
    for (const NodeId each : Children(tree_, node)) {
      if (tree_[each].kind != JsonKind::array) all |= flags(each, table);
    }
    return all;
  }
  if (tree_[node].kind == JsonKind::string) {
    const auto value = flag_value(table, tree_.text(node));
    if (value) return *value;
  }
  return argument(node);
}

void NameTable::add(std::string_view name) {
  index.emplace(name, static_cast<std::uint32_t>(names.size()));
  names.push_back(name);
}

std::optional<std::uint32_t> NameTable::find(std::string_view name) const {
  const auto found = index.find(name);
  if (found == index.end()) return std::nullopt;
  return found->second;
}

}  // namespace faultline
