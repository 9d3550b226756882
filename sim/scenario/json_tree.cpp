// Questions asked of a parsed document: where a node is, what it is called, how it reads.
#include "scenario/json_tree.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace faultline {

LineColumn JsonSource::place(std::uint32_t pos) const {
  const auto after = std::upper_bound(line_starts.begin(), line_starts.end(), pos);
  const auto line = static_cast<std::uint32_t>(after - line_starts.begin());
  return {line, pos - line_starts[line - 1] + 1};
}

NodeId JsonTree::find(NodeId object, std::string_view key) const {
  if (object == no_node || nodes[object].kind != JsonKind::object) return no_node;
  const std::uint32_t wanted = strings.find(key);
  if (wanted == Interner::none) return no_node;
  for (const NodeId child : Children(*this, object)) {
    if (nodes[child].key == wanted) return child;
  }
  return no_node;
}

std::string JsonTree::pointer(NodeId id) const {
  std::vector<std::string> parts;
  for (; id != no_node && nodes[id].parent != no_node; id = nodes[id].parent) {
    const NodeId parent = nodes[id].parent;
    if (nodes[parent].kind == JsonKind::array) {
      std::size_t index = 0;
      for (NodeId each = first_child(parent); each != id && each != no_node;
           each = nodes[each].next) {
        ++index;
      }
      parts.push_back(std::to_string(index));
      continue;
    }
    std::string part;
    for (const char c : key(id)) {
      if (c == '~')
        part += "~0";
      else if (c == '/')
        part += "~1";
      else if (static_cast<unsigned char>(c) < 0x20)
        part += fmt::format("\\u{:04x}", c);
      else
        part += c;
    }
    parts.push_back(std::move(part));
  }
  std::string all;
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) all += "/" + *part;
  return all;
}

std::uint32_t JsonTree::line(NodeId id) const {
  const JsonNode& node = nodes[id];
  return sources[node.source].place(node.pos).line;
}

std::string JsonTree::compact(NodeId id) const {
  const JsonNode& node = nodes[id];
  switch (node.kind) {
    case JsonKind::null:
      return "null";
    case JsonKind::boolean:
      return node.value != 0 ? "true" : "false";
    case JsonKind::integer:
      return node.negative ? std::to_string(static_cast<std::int64_t>(node.value))
                           : std::to_string(node.value);
    case JsonKind::big:
    case JsonKind::real:
      return "?";
    case JsonKind::string:
      return json_quote(text(id));
    case JsonKind::array:
    case JsonKind::object:
      break;
  }
  const bool object = node.kind == JsonKind::object;
  std::string all;
  for (const NodeId child : Children(*this, id)) {
    if (!all.empty()) all += ", ";
    if (object) all += json_quote(key(child)) + ": ";
    all += compact(child);
  }
  return (object ? "{" : "[") + all + (object ? "}" : "]");
}

std::string_view kind_text(JsonKind kind) {
  switch (kind) {
    case JsonKind::null:
      return "null";
    case JsonKind::boolean:
      return "a boolean";
    case JsonKind::integer:
      return "an integer";
    case JsonKind::big:
      return "an integer beyond 64 bits";
    case JsonKind::real:
      return "a number with a fraction or an exponent";
    case JsonKind::string:
      return "a string";
    case JsonKind::array:
      return "a list";
    case JsonKind::object:
      return "an object";
  }
  return "";
}

std::string json_quote(std::string_view text) {
  std::string all = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      all += '\\';
      all += c;
    } else if (c == '\n') {
      all += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      all += fmt::format("\\u{:04x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    } else {
      all += c;
    }
  }
  return all + "\"";
}

}  // namespace faultline
