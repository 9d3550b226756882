// The calling-context tree: each simulated call path that ever occurred is one node, so a held lock
// remembers where it was taken as one number. Nodes are numbered in order of first occurrence.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace faultline {

/// A node of the tree; 0 is the root, the empty call path.
using CallNode = std::uint32_t;

class CallTree {
 public:
  CallTree() { nodes_.push_back({nullptr, 0, 0, 0}); }

  /// The node of `function` called from `caller`. `function` must live as long as the tree.
  CallNode child(CallNode caller, const char* function) {
    const CallNode n = nodes_[caller].first_child;
    if (nodes_[n].function == function) [[likely]]
      return n;
    return find_or_add(caller, function);
  }

  CallNode parent(CallNode n) const { return nodes_[n].parent; }
  const char* function(CallNode n) const { return nodes_[n].function; }

  /// Function names from the outermost call to the innermost.
  std::vector<std::string> path(CallNode n) const;

 private:
  struct Node {
    const char* function;
    CallNode parent;
    CallNode first_child;
    CallNode next_sibling;
  };
  CallNode find_or_add(CallNode caller, const char* function);

  std::vector<Node> nodes_;
};

}  // namespace faultline
