// The VMAs of a process in order of address, as mm_struct::mm_mt keeps them in a maple tree
// (Linux 6.12 lib/maple_tree.c): a B-tree whose nodes know the largest gap between the VMAs below
// them, so that look-up, change and the search for free space all take logarithmic time. Left out:
// nodes that have become small are not joined, only empty ones go.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include <faultline/types.hpp>

namespace faultline {

struct vm_area_struct;

class VmaTree {
 public:
  VmaTree();
  ~VmaTree();
  VmaTree(const VmaTree&) = delete;

  /// Bytes that a VMA which grows downwards keeps free below itself. Before the first insert.
  void set_guard(std::uint64_t bytes) { guard_ = bytes; }

  /// VMAs are known by their end, which must not change while they are in the tree.
  void insert(vm_area_struct& vma);
  void erase(const vm_area_struct& vma);
  /// The VMA's start has changed.
  void refresh(const vm_area_struct& vma);
  void clear();

  /// First VMA that ends above `address`; null if none.
  vm_area_struct* above(Vaddr address) const;
  /// Last VMA that ends at or below `address`; null if none.
  vm_area_struct* below(Vaddr address) const;
  std::uint64_t size() const { return size_; }

  /// The highest address in [low, high) with `len` free bytes before `high`; 0 if none. `low` is
  /// not 0.
  std::uint64_t highest_gap(std::uint64_t low, std::uint64_t high, std::uint64_t len) const;

 private:
  static constexpr unsigned capacity = 32;
  struct Node;
  /// What lies below one entry of a node; in a leaf, one VMA.
  struct Entry {
    std::uint64_t start = 0;  ///< of the first VMA, its guard gap included
    std::uint64_t end = 0;    ///< of the last VMA
    std::uint64_t gap = 0;    ///< the largest between two neighbours of them
    Node* node = nullptr;
    vm_area_struct* vma = nullptr;
  };
  struct Node {
    Node* parent = nullptr;
    bool leaf = true;
    std::uint32_t count = 0;
    std::array<Entry, capacity> entry;
  };
  struct Search {
    std::uint64_t low, high, len;
  };

  static unsigned first_above(const Node& node, std::uint64_t address);
  static unsigned index_in_parent(const Node& node);
  static std::uint64_t free_between(const Entry& lower, const Entry& upper);
  static Entry summary(Node& node);
  static std::uint64_t gap_beside(const Node& node, unsigned at);
  static std::uint64_t gap_in(const Node& node, std::uint64_t top, const Search& search);

  Entry entry_of(vm_area_struct& vma) const;
  Node* leaf_for(std::uint64_t end) const;
  Node& new_node(bool leaf);
  void insert_at(Node& node, unsigned at, const Entry& entry);
  void split(Node& node);
  void remove_at(Node& node, unsigned at);
  void tell_parent(Node& node, std::uint64_t lost, std::uint64_t won);

  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<Node*> free_;
  Node* root_ = nullptr;
  std::uint64_t size_ = 0;
  std::uint64_t guard_ = 0;
};

}  // namespace faultline
