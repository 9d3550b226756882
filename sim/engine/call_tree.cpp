// The slow half of the calling-context tree: new nodes and printing.
#include "engine/call_tree.hpp"

#include <algorithm>

namespace faultline {

CallNode CallTree::find_or_add(CallNode caller, const char* function) {
  const CallNode last = nodes_[caller].latest;
  if (last != 0) {
    for (CallNode n = nodes_[last].next_sibling; n != last; n = nodes_[n].next_sibling) {
      if (nodes_[n].function != function) continue;
      nodes_[caller].latest = n;
      return n;
    }
  }
  const auto n = static_cast<CallNode>(nodes_.size());
  Node node;
  node.function = function;
  node.parent = caller;
  node.next_sibling = last == 0 ? n : nodes_[last].next_sibling;
  nodes_.push_back(node);
  if (last != 0) nodes_[last].next_sibling = n;
  nodes_[caller].latest = n;
  return n;
}

std::vector<std::string> CallTree::path(CallNode n) const {
  std::vector<std::string> names;
  for (; n != 0; n = nodes_[n].parent) names.emplace_back(nodes_[n].function);
  std::reverse(names.begin(), names.end());
  return names;
}

}  // namespace faultline
