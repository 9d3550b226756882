// The mappings of a file, as address_space::i_mmap keeps them: a search tree in order of the first
// page in the file, whose nodes know the last page below them, so that the mappings of a range of
// pages are found in logarithmic time. Linux 6.12 mm/interval_tree.c, include/linux/
// interval_tree_generic.h. The tree balances by numbers drawn per node instead of colours; the
// order in which mappings are met, which a trace shows, is the same.
#pragma once

#include <cstdint>

#include <faultline/types.hpp>

namespace faultline {

struct vm_area_struct;

/// A VMA's place in the tree of its file: vm_area_struct::shared.
struct IntervalNode {
  vm_area_struct* parent = nullptr;
  vm_area_struct* left = nullptr;
  vm_area_struct* right = nullptr;
  Pgoff subtree_last{};        ///< the last page of any mapping below
  std::uint32_t priority = 0;  ///< none below has a higher one
};

/// Neither the first nor the last page of a VMA may change while it is in the tree.
class VmaIntervalTree {
 public:
  /// After those that begin at the same page.
  void insert(vm_area_struct& vma);
  /// Right after `prev`, which begins at the same page: a fork's copy.
  void insert_after(vm_area_struct& vma, vm_area_struct& prev);
  void remove(vm_area_struct& vma);

  /// The first VMA in order that maps a page of [first, last]; null if none.
  vm_area_struct* iter_first(Pgoff first, Pgoff last) const;
  /// The one after `vma`.
  static vm_area_struct* iter_next(const vm_area_struct& vma, Pgoff first, Pgoff last);

  bool empty() const { return !root_; }
  std::uint64_t size() const { return size_; }
  bool contains(const vm_area_struct& vma) const;

 private:
  void attach(vm_area_struct& vma, vm_area_struct* parent, vm_area_struct** link);
  void rotate_up(vm_area_struct& vma);
  vm_area_struct*& link_to(const vm_area_struct& vma);

  vm_area_struct* root_ = nullptr;
  std::uint64_t size_ = 0;
  std::uint32_t drawn_ = 0;  ///< state of the generator of priorities
};

}  // namespace faultline
