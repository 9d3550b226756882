// The slow half of the calling-context tree: new nodes and printing.
#include "engine/call_tree.hpp"

#include <algorithm>

namespace faultline {

// A node that is found moves to the front of its siblings: calls repeat. The order of siblings is
// seen by nobody.
CallNode CallTree::find_or_add(CallNode caller, const char* function) {
  CallNode previous = 0;
  for (CallNode n = nodes_[caller].first_child; n != 0; n = nodes_[n].next_sibling) {
    if (nodes_[n].function == function) {
      nodes_[previous].next_sibling = nodes_[n].next_sibling;
      nodes_[n].next_sibling = nodes_[caller].first_child;
      nodes_[caller].first_child = n;
      return n;
    }
    previous = n;
  }
  const auto n = static_cast<CallNode>(nodes_.size());
  nodes_.push_back({function, caller, 0, nodes_[caller].first_child});
  nodes_[caller].first_child = n;
  return n;
}

std::vector<std::string> CallTree::path(CallNode n) const {
  std::vector<std::string> names;
  for (; n != 0; n = nodes_[n].parent) names.emplace_back(nodes_[n].function);
  std::reverse(names.begin(), names.end());
  return names;
}

}  // namespace faultline
