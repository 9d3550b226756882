// The tree of VMAs: see the header. Entries stand in order of address; an entry's `end` is the key.
#include "kernel/mm/vma_tree.hpp"

#include <algorithm>

#include "base/bug.hpp"
#include "kernel/mm/mm_types.hpp"

namespace faultline {

VmaTree::VmaTree() { root_ = &new_node(true); }
VmaTree::~VmaTree() = default;

VmaTree::Node& VmaTree::new_node(bool leaf) {
  Node* node = nullptr;
  if (free_.empty()) {
    node = nodes_.emplace_back(std::make_unique<Node>()).get();
  } else {
    node = free_.back();
    free_.pop_back();
  }
  node->parent = nullptr;
  node->leaf = leaf;
  node->count = 0;
  return *node;
}

void VmaTree::clear() {
  free_.clear();
  for (const auto& node : nodes_) free_.push_back(node.get());
  root_ = &new_node(true);
  size_ = 0;
}

VmaTree::Entry VmaTree::entry_of(vm_area_struct& vma) const {
  Entry e;
  const std::uint64_t guard = vma.vm_flags & VM_GROWSDOWN ? guard_ : 0;
  e.start = vma.vm_start.v > guard ? vma.vm_start.v - guard : 0;
  e.end = vma.vm_end.v;
  e.vma = &vma;
  return e;
}

unsigned VmaTree::first_above(const Node& node, std::uint64_t address) {
  unsigned from = 0;
  unsigned to = node.count;
  while (from < to) {
    const unsigned middle = (from + to) / 2;
    if (node.entry[middle].end > address) {
      to = middle;
    } else {
      from = middle + 1;
    }
  }
  return from;
}

unsigned VmaTree::index_in_parent(const Node& node) {
  const Node& parent = *node.parent;
  unsigned at = 0;
  while (parent.entry[at].node != &node) ++at;
  return at;
}

std::uint64_t VmaTree::free_between(const Entry& lower, const Entry& upper) {
  return upper.start > lower.end ? upper.start - lower.end : 0;  // a guard gap may reach below
}

VmaTree::Entry VmaTree::summary(Node& node) {
  Entry sum;
  sum.start = node.entry[0].start;
  sum.end = node.entry[node.count - 1].end;
  sum.node = &node;
  sum.gap = node.entry[0].gap;
  for (unsigned i = 1; i < node.count; ++i) {
    const Entry& e = node.entry[i];
    sum.gap = std::max({sum.gap, e.gap, free_between(node.entry[i - 1], e)});
  }
  return sum;
}

// The largest gap that entry `at` knows of or has beside it: what its change can take or bring.
std::uint64_t VmaTree::gap_beside(const Node& node, unsigned at) {
  const Entry& e = node.entry[at];
  std::uint64_t gap = e.gap;
  if (at != 0) gap = std::max(gap, free_between(node.entry[at - 1], e));
  if (at + 1 < node.count) gap = std::max(gap, free_between(e, node.entry[at + 1]));
  return gap;
}

// Something in a node has changed: gaps of up to `lost` bytes are gone from it, and the largest of
// those that came has `won` bytes. What its ancestors say of it becomes true, until nothing changes
// any more; a node is read through only where its largest gap may be gone.
void VmaTree::tell_parent(Node& changed, std::uint64_t lost, std::uint64_t won) {
  for (Node* node = &changed; node->parent; node = node->parent) {
    Node& parent = *node->parent;
    const unsigned at = index_in_parent(*node);
    Entry& said = parent.entry[at];
    Entry is = said;
    if (lost < said.gap || lost <= won) {
      is.start = node->entry[0].start;
      is.end = node->entry[node->count - 1].end;
      is.gap = std::max(said.gap, won);
    } else {
      is = summary(*node);
    }
    if (said.start == is.start && said.end == is.end && said.gap == is.gap) return;
    lost = gap_beside(parent, at);
    said = is;
    won = gap_beside(parent, at);
  }
}

VmaTree::Node* VmaTree::leaf_for(std::uint64_t end) const {
  Node* node = root_;
  while (!node->leaf) {
    const unsigned at = std::min(first_above(*node, end - 1), node->count - 1);
    node = node->entry[at].node;
  }
  return node;
}

void VmaTree::insert_at(Node& node, unsigned at, const Entry& entry) {
  std::move_backward(node.entry.begin() + at, node.entry.begin() + node.count,
                     node.entry.begin() + node.count + 1);
  node.entry[at] = entry;
  ++node.count;
  if (entry.node) entry.node->parent = &node;
}

// The upper half of a full node becomes a node of its own.
void VmaTree::split(Node& node) {
  Node& upper = new_node(node.leaf);
  constexpr unsigned half = capacity / 2;
  std::copy(node.entry.begin() + half, node.entry.end(), upper.entry.begin());
  upper.count = capacity - half;
  node.count = half;
  if (!upper.leaf) {
    for (unsigned i = 0; i < upper.count; ++i) upper.entry[i].node->parent = &upper;
  }
  if (!node.parent) {
    Node& top = new_node(false);
    insert_at(top, 0, summary(node));
    root_ = &top;
  }
  Node& parent = *node.parent;
  const unsigned at = index_in_parent(node);
  parent.entry[at] = summary(node);
  insert_at(parent, at + 1, summary(upper));
  if (parent.count == capacity) split(parent);
}

void VmaTree::insert(vm_area_struct& vma) {
  Node& leaf = *leaf_for(vma.vm_end.v);
  const unsigned at = first_above(leaf, vma.vm_end.v - 1);
  FL_ASSERT(at == leaf.count || leaf.entry[at].end != vma.vm_end.v);
  const bool inside = at != 0 && at != leaf.count;
  const std::uint64_t lost = inside ? free_between(leaf.entry[at - 1], leaf.entry[at]) : 0;
  insert_at(leaf, at, entry_of(vma));
  ++size_;
  if (leaf.count < capacity) return tell_parent(leaf, lost, gap_beside(leaf, at));
  split(leaf);
  // Several levels may have split: none of the ancestors is known to be right.
  for (Node* node = &leaf; node->parent; node = node->parent) {
    node->parent->entry[index_in_parent(*node)] = summary(*node);
  }
}

void VmaTree::remove_at(Node& node, unsigned at) {
  const std::uint64_t lost = gap_beside(node, at);
  std::move(node.entry.begin() + at + 1, node.entry.begin() + node.count, node.entry.begin() + at);
  --node.count;
  if (node.count != 0) {
    const bool inside = at != 0 && at != node.count;
    return tell_parent(node, lost, inside ? free_between(node.entry[at - 1], node.entry[at]) : 0);
  }
  if (!node.parent) {
    node.leaf = true;
    return;
  }
  Node& parent = *node.parent;
  const unsigned in_parent = index_in_parent(node);
  free_.push_back(&node);
  remove_at(parent, in_parent);
}

void VmaTree::erase(const vm_area_struct& vma) {
  Node& leaf = *leaf_for(vma.vm_end.v);
  const unsigned at = first_above(leaf, vma.vm_end.v - 1);
  FL_ASSERT(at < leaf.count && leaf.entry[at].vma == &vma);
  remove_at(leaf, at);
  --size_;
  while (!root_->leaf && root_->count == 1) {
    free_.push_back(root_);
    root_ = root_->entry[0].node;
    root_->parent = nullptr;
  }
}

void VmaTree::refresh(const vm_area_struct& vma) {
  Node& leaf = *leaf_for(vma.vm_end.v);
  const unsigned at = first_above(leaf, vma.vm_end.v - 1);
  FL_ASSERT(at < leaf.count && leaf.entry[at].vma == &vma);
  const std::uint64_t lost = gap_beside(leaf, at);
  leaf.entry[at] = entry_of(*leaf.entry[at].vma);
  tell_parent(leaf, lost, gap_beside(leaf, at));
}

vm_area_struct* VmaTree::above(Vaddr address) const {
  const Node* node = root_;
  for (;;) {
    const unsigned at = first_above(*node, address.v);
    if (at == node->count) return nullptr;
    if (node->leaf) return node->entry[at].vma;
    node = node->entry[at].node;
  }
}

// The last VMA below: in the subtree of the first that ends above, or the whole of the one before.
vm_area_struct* VmaTree::below(Vaddr address) const {
  const Node* node = root_;
  const Entry* before = nullptr;
  for (;;) {
    const unsigned at = first_above(*node, address.v);
    if (at != 0) before = &node->entry[at - 1];
    if (node->leaf || at == node->count) break;
    node = node->entry[at].node;
  }
  while (before && before->node) before = &before->node->entry[before->node->count - 1];
  return before ? before->vma : nullptr;
}

// From the highest entry down; `top` is where the free space below what lies above ends. The gap
// below the first entry is the caller's to look at.
std::uint64_t VmaTree::gap_in(const Node& node, std::uint64_t top, const Search& search) {
  for (unsigned i = node.count; i-- > 0;) {
    const Entry& e = node.entry[i];
    const std::uint64_t bottom = std::max(search.low, e.end);
    if (top > bottom && top - bottom >= search.len) return top - search.len;
    if (e.end <= search.low) return 0;
    if (e.node && e.gap >= search.len && e.start < top) {
      const std::uint64_t found = gap_in(*e.node, top, search);
      if (found != 0) return found;
    }
    top = std::min(search.high, e.start);  // a guard gap ends at the VMA below
  }
  return 0;
}

std::uint64_t VmaTree::highest_gap(std::uint64_t low, std::uint64_t high, std::uint64_t len) const {
  const std::uint64_t found = gap_in(*root_, high, {low, high, len});
  if (found != 0) return found;
  const std::uint64_t top = root_->count == 0 ? high : std::min(high, root_->entry[0].start);
  return top > low && top - low >= len ? top - len : 0;
}

}  // namespace faultline
