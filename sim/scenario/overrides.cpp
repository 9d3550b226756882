// JSON pointers (RFC 6901) that create what is missing on their way.
#include "scenario/overrides.hpp"

#include <optional>

#include <fmt/format.h>

#include "scenario/json_parser.hpp"

namespace faultline {
namespace {

/// "~1" is "/", "~0" is "~".
std::string unescape(std::string_view part) {
  std::string text;
  for (std::size_t i = 0; i < part.size(); ++i) {
    const bool escape = part[i] == '~' && i + 1 < part.size();
    if (escape && (part[i + 1] == '0' || part[i + 1] == '1')) {
      text += part[++i] == '0' ? '~' : '/';
    } else {
      text += part[i];
    }
  }
  return text;
}

std::vector<std::string> split_pointer(std::string_view pointer) {
  std::vector<std::string> parts;
  while (!pointer.empty()) {
    pointer.remove_prefix(1);
    const std::size_t slash = pointer.find('/');
    parts.push_back(unescape(pointer.substr(0, slash)));
    pointer = slash == std::string_view::npos ? std::string_view() : pointer.substr(slash);
  }
  return parts;
}

NodeId parse_value(JsonTree& tree, const Override& change) {
  ErrorList ignored(tree);
  std::string name = "--set " + change.key + "=" + change.value;
  const NodeId node = parse_json(tree, name, change.value, ignored);
  if (node != no_node && ignored.empty()) return node;
  tree.sources.pop_back();
  ErrorList misses(tree);
  return parse_json(tree, std::move(name), json_quote(change.value), misses);
}

/// The element that a part of a pointer names, or no_node with the reason.
NodeId element(const JsonTree& tree, NodeId array, const std::string& part) {
  if (part.empty() || part.size() > 9 ||
      part.find_first_not_of("0123456789") != std::string::npos) {
    return no_node;
  }
  unsigned long left = std::stoul(part);
  for (const NodeId child : Children(tree, array)) {
    if (left-- == 0) return child;
  }
  return no_node;
}

void append(JsonTree& tree, NodeId parent, NodeId child) {
  NodeId last = no_node;
  for (const NodeId each : Children(tree, parent)) last = each;
  if (last == no_node)
    tree.nodes[parent].value = child;
  else
    tree.nodes[last].next = child;
  tree.nodes[child].parent = parent;
}

/// Puts `value` in the place of `old`, keeping key and neighbours.
void replace(JsonTree& tree, NodeId old, NodeId value) {
  const JsonNode before = tree[old];
  JsonNode& node = tree.nodes[value];
  node.key = before.key;
  node.next = before.next;
  node.parent = before.parent;
  if (before.parent == no_node) {
    tree.root = value;
    return;
  }
  if (tree.first_child(before.parent) == old) {
    tree.nodes[before.parent].value = value;
    return;
  }
  for (const NodeId each : Children(tree, before.parent)) {
    if (tree[each].next == old) tree.nodes[each].next = value;
  }
}

NodeId new_object(JsonTree& tree, std::uint16_t source) {
  JsonNode node;
  node.kind = JsonKind::object;
  node.value = no_node;
  node.source = source;
  tree.nodes.push_back(node);
  return static_cast<NodeId>(tree.nodes.size() - 1);
}

}  // namespace

void apply_override(JsonTree& tree, const Override& change, ErrorList& errors) {
  const bool pointer = !change.key.empty() && change.key.front() == '/';
  const NodeId value = parse_value(tree, change);
  if (value == no_node) {
    return errors.add_at(0, 0, no_node, Complaint::input,
                         [] { return std::string("--set: the value is not valid UTF-8"); });
  }
  const std::uint16_t source = tree[value].source;
  const auto parts =
      pointer ? split_pointer(change.key) : std::vector<std::string>{"kernel", "set", change.key};
  NodeId at = tree.root;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const bool last = i + 1 == parts.size();
    NodeId next = no_node;
    if (tree[at].kind == JsonKind::object) {
      next = tree.find(at, parts[i]);
    } else if (tree[at].kind == JsonKind::array) {
      next = element(tree, at, parts[i]);
      if (next == no_node && !(last && parts[i] == "-")) {
        return errors.add_at(source, 0, no_node, Complaint::meaning, [&] {
          return fmt::format("{} has no element {}", tree.pointer(at), json_quote(parts[i]));
        });
      }
    } else {
      return errors.add_at(source, 0, no_node, Complaint::meaning, [&] {
        return fmt::format("{} is {}, nothing can be set in it",
                           at == tree.root ? "the document" : tree.pointer(at),
                           kind_text(tree[at].kind));
      });
    }
    if (last && next != no_node) return replace(tree, next, value);
    if (next == no_node) {
      next = last ? value : new_object(tree, source);
      tree.nodes[next].key = tree.strings.intern(parts[i]);
      append(tree, at, next);
    }
    at = next;
  }
}

}  // namespace faultline
