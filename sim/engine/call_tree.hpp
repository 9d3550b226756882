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
  CallTree() { nodes_.push_back({}); }

  /// The node of `function` called from `caller`. `function` must live as long as the tree.
  CallNode child(CallNode caller, const char* function) {
    // A function calls the same functions in the same order again and again: after the callee of
    // last time comes its next sibling, or it is that callee once more.
    Node& from = nodes_[caller];
    const CallNode last = from.latest;
    const CallNode next = nodes_[last].next_sibling;
    if (nodes_[next].function == function) [[likely]] {
      from.latest = next;
      return next;
    }
    if (nodes_[last].function == function) return last;
    return find_or_add(caller, function);
  }

  CallNode parent(CallNode n) const { return nodes_[n].parent; }
  const char* function(CallNode n) const { return nodes_[n].function; }

  /// Function names from the outermost call to the innermost.
  std::vector<std::string> path(CallNode n) const;

 private:
  struct Node {
    const char* function = nullptr;
    CallNode parent = 0;
    CallNode latest = 0;        // the child called last
    CallNode next_sibling = 0;  // children form a ring in order of their first call; 0: no ring
  };
  CallNode find_or_add(CallNode caller, const char* function);

  std::vector<Node> nodes_;
};

}  // namespace faultline
