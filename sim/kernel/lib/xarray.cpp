// Walking, growing and marking the radix tree. Nodes are not freed before the tree: an address
// space that shrinks keeps its inner nodes, which changes nothing that can be observed.
#include "kernel/lib/xarray.hpp"

#include "base/bug.hpp"

namespace faultline {

namespace {
constexpr unsigned slot_index(std::uint64_t index, unsigned shift) {
  return static_cast<unsigned>(index >> shift) & 63;
}
constexpr bool is_child(std::uint64_t slot) { return slot != 0 && !xa_is_value(slot); }
}  // namespace

XArray::Node* XArray::new_node(unsigned shift) {
  nodes_.push_back(std::make_unique<Node>());
  nodes_.back()->shift = shift;
  return nodes_.back().get();
}

void XArray::grow(std::uint64_t index) {
  if (!head_) head_ = new_node(0);
  while (!covers(index)) {
    Node* const root = new_node(head_->shift + chunk_shift);
    root->slot[0] = std::bit_cast<std::uint64_t>(head_);
    head_ = root;
  }
}

// The node whose slots cover 2^shift indices each and that covers `index`; made if missing. A value
// entry met on the way (a larger entry that is being replaced) is pushed down to its children.
XArray::Node* XArray::node_for(std::uint64_t index, unsigned shift) {
  if (shift == 0 && cached_ && (index & ~63ULL) == cached_base_) return cached_;
  grow(index);
  while (head_->shift < shift) {
    Node* const root = new_node(head_->shift + chunk_shift);
    root->slot[0] = std::bit_cast<std::uint64_t>(head_);
    head_ = root;
  }
  Node* node = head_;
  while (node->shift > shift) {
    std::uint64_t& slot = node->slot[slot_index(index, node->shift)];
    if (!is_child(slot)) {
      Node* const child = new_node(node->shift - chunk_shift);
      child->slot.fill(slot);
      slot = std::bit_cast<std::uint64_t>(child);
    }
    node = child_of(slot);
  }
  if (shift == 0) remember(node, index & ~63ULL);
  return node;
}

XArray::Node* XArray::leaf_node(std::uint64_t index, unsigned& slot) const {
  if (cached_ && (index & ~63ULL) == cached_base_) {
    slot = static_cast<unsigned>(index & 63);
    return cached_;
  }
  if (!covers(index)) return nullptr;
  Node* node = head_;
  for (;;) {
    slot = slot_index(index, node->shift);
    if (!is_child(node->slot[slot])) return node;
    node = child_of(node->slot[slot]);
  }
}

XaEntry XArray::load_far(std::uint64_t index) const {
  unsigned slot = 0;
  const Node* const node = leaf_node(index, slot);
  return node ? node->slot[slot] : 0;
}

void XArray::store_far(std::uint64_t index, unsigned order, XaEntry entry) {
  const unsigned shift = order / chunk_shift * chunk_shift;
  Node* const node = node_for(index, shift);
  const unsigned n = 1u << (order - shift);
  for (unsigned s = slot_index(index, shift); n > 0 && s < slot_index(index, shift) + n; ++s) {
    if (is_child(node->slot[s])) cached_ = nullptr;  // the subtree below is cut off
    node->slot[s] = entry;
    for (auto& marks : node->marks) marks &= ~(1ULL << s);
  }
}

void XArray::replace_far(std::uint64_t index, unsigned order, XaEntry entry) {
  const unsigned shift = order / chunk_shift * chunk_shift;
  Node* const node = node_for(index, shift);
  const unsigned first = slot_index(index, shift);
  for (unsigned s = first; s < first + (1u << (order - shift)); ++s) {
    FL_ASSERT(!is_child(node->slot[s]));
    node->slot[s] = entry;
  }
}

void XArray::set_mark_far(std::uint64_t index, unsigned order, XaMark mark) {
  const unsigned shift = order / chunk_shift * chunk_shift;
  Node* const node = node_for(index, shift);
  const unsigned first = slot_index(index, shift);
  for (unsigned s = first; s < first + (1u << (order - shift)); ++s) {
    node->marks[static_cast<unsigned>(mark)] |= 1ULL << s;
  }
}

void XArray::clear_mark(std::uint64_t index, unsigned order, XaMark mark) {
  const unsigned shift = order / chunk_shift * chunk_shift;
  Node* const node = node_for(index, shift);
  const unsigned first = slot_index(index, shift);
  for (unsigned s = first; s < first + (1u << (order - shift)); ++s) {
    node->marks[static_cast<unsigned>(mark)] &= ~(1ULL << s);
  }
}

bool XArray::get_mark(std::uint64_t index, XaMark mark) const {
  unsigned slot = 0;
  const Node* const node = leaf_node(index, slot);
  return node && ((node->marks[static_cast<unsigned>(mark)] >> slot) & 1) != 0;
}

bool XArray::marked_below(const Node& node, XaMark mark) const {
  if (node.marks[static_cast<unsigned>(mark)] != 0) return true;
  for (const std::uint64_t slot : node.slot) {
    if (is_child(slot) && marked_below(*child_of(slot), mark)) return true;
  }
  return false;
}

bool XArray::find_in(Node& node, std::uint64_t base, std::uint64_t index, std::uint64_t last,
                     std::uint64_t* where, XaEntry& found) const {
  const std::uint64_t span = 1ULL << node.shift;
  for (unsigned s = index > base ? slot_index(index, node.shift) : 0; s < chunk_size; ++s) {
    const std::uint64_t from = base + s * span;
    if (from > last) return false;
    const std::uint64_t slot = node.slot[s];
    if (slot == 0) continue;
    if (is_child(slot)) {
      if (find_in(*child_of(slot), from, index, last, where, found)) return true;
      continue;
    }
    if (node.shift == 0) remember(&node, base);
    *where = from > index ? from : index;
    found = slot;
    return true;
  }
  return false;
}

XaEntry XArray::find(std::uint64_t index, std::uint64_t last, std::uint64_t* where) const {
  if (!head_ || !covers(index) || index > last) return 0;
  // First the rest of the leaf that was used last: a scan goes from entry to entry.
  if (cached_ && index - cached_base_ < chunk_size) {
    const std::uint64_t end = cached_base_ + chunk_size - 1;
    const std::uint64_t stop = end < last ? end : last;
    for (;; ++index) {
      if (const std::uint64_t slot = cached_->slot[index % chunk_size]; slot != 0) {
        *where = index;
        return slot;
      }
      if (index == stop) break;
    }
    if (index++ == last || !covers(index)) return 0;
  }
  XaEntry found = 0;
  return find_in(*head_, 0, index, last, where, found) ? found : 0;
}

}  // namespace faultline
