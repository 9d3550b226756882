// A JSON document as a flat vector of nodes that know where they stood in the text. Thirty-two
// bytes a node and interned strings, because a scenario may have tens of millions of values; the
// text itself is kept for messages. Several texts can share a tree: overrides given on the command
// line are parsed into it and linked in.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/interner.hpp"

namespace faultline {

using NodeId = std::uint32_t;
inline constexpr NodeId no_node = 0xffff'ffff;

/// `big` is an integer outside -2^63..2^64-1, `real` a number with a fraction or an exponent.
enum class JsonKind : std::uint8_t { null, boolean, integer, big, real, string, array, object };

struct JsonNode {
  std::uint64_t value = 0;    // integer (two's complement), boolean, string number, or first child
  std::uint32_t pos = 0;      // byte offset of the value in its source
  std::uint32_t key_pos = 0;  // byte offset of its key; members of objects only
  std::uint32_t key = 0;      // string number of its key
  NodeId next = no_node;      // next member or element
  NodeId parent = no_node;
  JsonKind kind = JsonKind::null;
  bool negative = false;  // an integer below 0
  std::uint16_t source = 0;
};
static_assert(sizeof(JsonNode) == 32);

/// A place in a text, both from 1; columns count bytes.
struct LineColumn {
  std::uint32_t line = 1;
  std::uint32_t column = 1;
};

struct JsonSource {
  std::string name;
  std::string text;
  std::vector<std::uint32_t> line_starts;
  LineColumn place(std::uint32_t pos) const;
};

struct JsonTree {
  std::vector<JsonNode> nodes;
  Interner strings;
  std::vector<JsonSource> sources;
  NodeId root = no_node;

  const JsonNode& operator[](NodeId id) const { return nodes[id]; }
  /// no_node for what is neither array nor object.
  NodeId first_child(NodeId id) const {
    const bool container = id != no_node && nodes[id].kind >= JsonKind::array;
    return container ? static_cast<NodeId>(nodes[id].value) : no_node;
  }
  std::string_view key(NodeId id) const { return strings.view(nodes[id].key); }
  std::string_view text(NodeId id) const {
    return strings.view(static_cast<std::uint32_t>(nodes[id].value));
  }
  /// The member of an object, or no_node; also no_node if `object` is no object.
  NodeId find(NodeId object, std::string_view key) const;
  /// "/tasks/writer/steps/0"; "" is the root.
  std::string pointer(NodeId id) const;
  std::uint32_t line(NodeId id) const;
  /// The value as JSON on one line, for reports.
  std::string compact(NodeId id) const;
};

/// The children of an array or object, for range-for.
class Children {
 public:
  Children(const JsonTree& tree, NodeId parent) : tree_(&tree), first_(tree.first_child(parent)) {}
  struct Iterator {
    const JsonTree* tree;
    NodeId id;
    NodeId operator*() const { return id; }
    Iterator& operator++() {
      id = (*tree)[id].next;
      return *this;
    }
    bool operator!=(const Iterator& other) const { return id != other.id; }
  };
  Iterator begin() const { return {tree_, first_}; }
  Iterator end() const { return {tree_, no_node}; }

 private:
  const JsonTree* tree_;
  NodeId first_;
};

/// "an object", "a string", ...
std::string_view kind_text(JsonKind kind);

/// `text` between quotes, escaped as JSON wants it.
std::string json_quote(std::string_view text);

}  // namespace faultline
