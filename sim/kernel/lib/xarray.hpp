// The XArray (lib/xarray.c, 6.12) as far as address spaces need it: a radix tree of 64-slot nodes
// from 64-bit indices to value entries, with multi-index entries of any order and two marks. An
// entry is a raw word: 0 is nothing, a value is odd (xa_mk_value), as in the kernel. Left out: RCU,
// the reserved and zero entries, and the internal lock, which the caller holds as i_pages.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <vector>

namespace faultline {

/// A raw XArray entry; 0 when there is none.
using XaEntry = std::uint64_t;

constexpr XaEntry xa_mk_value(std::uint64_t v) { return (v << 1) | 1; }
constexpr std::uint64_t xa_to_value(XaEntry e) { return e >> 1; }
constexpr bool xa_is_value(XaEntry e) { return (e & 1) != 0; }

enum class XaMark : std::uint8_t { dirty = 0, towrite = 1 };

class XArray {
 public:
  XArray() = default;
  XArray(const XArray&) = delete;
  XArray& operator=(const XArray&) = delete;

  /// The entry at `index`, of whatever order covers it; 0 if none.
  XaEntry load(std::uint64_t index) const {
    const Node* const node = near(index, 0);
    return node ? node->slot[index % chunk_size] : load_far(index);
  }
  /// The first entry in [index, last]; 0 if none. For a PMD look-up over existing PTE entries.
  XaEntry find(std::uint64_t index, std::uint64_t last, std::uint64_t* where) const;
  /// Stores `entry` (or erases, with 0) for 2^order indices from the aligned `index` on. Whatever
  /// smaller or larger entries were there are replaced. Marks of the range are cleared.
  void store(std::uint64_t index, unsigned order, XaEntry entry) {
    Node* const node = near(index, order);
    if (!node) return store_far(index, order, entry);
    const unsigned s = index % chunk_size;
    node->slot[s] = entry;
    for (auto& marks : node->marks) marks &= ~(1ULL << s);
  }
  /// Replaces the word of an existing entry of that order, keeping its marks.
  void replace(std::uint64_t index, unsigned order, XaEntry entry) {
    Node* const node = near(index, order);
    if (!node) return replace_far(index, order, entry);
    node->slot[index % chunk_size] = entry;
  }

  void set_mark(std::uint64_t index, unsigned order, XaMark mark) {
    Node* const node = near(index, order);
    if (!node) return set_mark_far(index, order, mark);
    node->marks[static_cast<unsigned>(mark)] |= 1ULL << index % chunk_size;
  }
  void clear_mark(std::uint64_t index, unsigned order, XaMark mark);
  bool get_mark(std::uint64_t index, XaMark mark) const;
  /// Whether any entry has the mark.
  bool marked(XaMark mark) const { return head_ && marked_below(*head_, mark); }

  /// Calls f(index, entry) for each entry that begins in [first, last], ascending.
  template <class F>
  void for_each(std::uint64_t first, std::uint64_t last, F&& f) const {
    std::uint64_t index = first;
    std::uint64_t where = 0;
    XaEntry previous = 0;
    while (const XaEntry e = find(index, last, &where)) {
      if (e != previous || where != index) f(where, e);
      previous = e;
      if (where == last) break;
      index = where + 1;
    }
  }

 private:
  static constexpr unsigned chunk_shift = 6;
  static constexpr unsigned chunk_size = 64;
  struct Node {
    std::array<std::uint64_t, chunk_size> slot{};  // value entry, or pointer to a child (even)
    std::array<std::uint64_t, 2> marks{};
    unsigned shift = 0;
  };

  // The leaf node of a single-index entry if it is the one used last, so that a walk along a file
  // costs no look-up; null: take the long way.
  Node* near(std::uint64_t index, unsigned order) const {
    return order == 0 && index - cached_base_ < chunk_size ? cached_ : nullptr;
  }
  XaEntry load_far(std::uint64_t index) const;
  void store_far(std::uint64_t index, unsigned order, XaEntry entry);
  void replace_far(std::uint64_t index, unsigned order, XaEntry entry);
  void set_mark_far(std::uint64_t index, unsigned order, XaMark mark);
  Node* new_node(unsigned shift);
  Node* child_of(std::uint64_t slot) const { return std::bit_cast<Node*>(slot); }
  bool covers(std::uint64_t index) const {
    return head_ &&
           (head_->shift + chunk_shift >= 64 || index >> (head_->shift + chunk_shift) == 0);
  }
  void grow(std::uint64_t index);
  Node* node_for(std::uint64_t index, unsigned shift);
  Node* leaf_node(std::uint64_t index, unsigned& slot) const;
  bool marked_below(const Node& node, XaMark mark) const;
  bool find_in(Node& node, std::uint64_t base, std::uint64_t index, std::uint64_t last,
               std::uint64_t* where, XaEntry& found) const;
  void remember(Node* leaf, std::uint64_t base) const {
    cached_ = leaf;
    cached_base_ = base;
  }

  Node* head_ = nullptr;
  mutable Node* cached_ = nullptr;  // last leaf node reached, and the first index it covers
  mutable std::uint64_t cached_base_ = 0;
  std::vector<std::unique_ptr<Node>> nodes_;
};

}  // namespace faultline
