// A treap: a search tree by first page that is a heap by priority.
#include "kernel/mm/interval_tree.hpp"

#include <algorithm>

#include "base/bug.hpp"
#include "kernel/mm/mm_types.hpp"

namespace faultline {

namespace {

Pgoff last_page(const vm_area_struct& vma) { return vma.vm_pgoff + (vma_pages(vma) - 1); }

void update(vm_area_struct& vma) {
  Pgoff last = last_page(vma);
  if (vma.shared.left) last = std::max(last, vma.shared.left->shared.subtree_last);
  if (vma.shared.right) last = std::max(last, vma.shared.right->shared.subtree_last);
  vma.shared.subtree_last = last;
}

// The first in order below `node` that maps a page of [first, last].
vm_area_struct* first_below(vm_area_struct* node, Pgoff first, Pgoff last) {
  while (node && node->shared.subtree_last >= first) {
    vm_area_struct* const left = node->shared.left;
    if (left && left->shared.subtree_last >= first) {
      // One there reaches `first`: if none of them begins early enough, nothing behind does.
      node = left;
      continue;
    }
    if (node->vm_pgoff > last) return nullptr;
    if (last_page(*node) >= first) return node;
    node = node->shared.right;
  }
  return nullptr;
}

}  // namespace

vm_area_struct*& VmaIntervalTree::link_to(const vm_area_struct& vma) {
  vm_area_struct* const parent = vma.shared.parent;
  if (!parent) return root_;
  return parent->shared.left == &vma ? parent->shared.left : parent->shared.right;
}

// `vma` takes the place of its parent, which becomes its child.
void VmaIntervalTree::rotate_up(vm_area_struct& vma) {
  vm_area_struct& parent = *vma.shared.parent;
  const bool from_left = parent.shared.left == &vma;
  vm_area_struct*& between = from_left ? vma.shared.right : vma.shared.left;
  link_to(parent) = &vma;
  vma.shared.parent = parent.shared.parent;
  parent.shared.parent = &vma;
  (from_left ? parent.shared.left : parent.shared.right) = between;
  if (between) between->shared.parent = &parent;
  between = &parent;
  update(parent);
  update(vma);
}

void VmaIntervalTree::attach(vm_area_struct& vma, vm_area_struct* parent, vm_area_struct** link) {
  FL_ASSERT(!*link);
  vma.shared = IntervalNode{};
  vma.shared.parent = parent;
  drawn_ = drawn_ * 1664525u + 1013904223u;
  vma.shared.priority = drawn_ ^ (drawn_ >> 15);
  *link = &vma;
  ++size_;
  update(vma);
  for (vm_area_struct* above = parent; above; above = above->shared.parent) {
    if (above->shared.subtree_last >= vma.shared.subtree_last) break;
    above->shared.subtree_last = vma.shared.subtree_last;
  }
  while (vma.shared.parent && vma.shared.parent->shared.priority < vma.shared.priority) {
    rotate_up(vma);
  }
}

void VmaIntervalTree::insert(vm_area_struct& vma) {
  vm_area_struct* parent = nullptr;
  vm_area_struct** link = &root_;
  while (*link) {
    parent = *link;
    link = vma.vm_pgoff < parent->vm_pgoff ? &parent->shared.left : &parent->shared.right;
  }
  attach(vma, parent, link);
}

void VmaIntervalTree::insert_after(vm_area_struct& vma, vm_area_struct& prev) {
  FL_ASSERT(vma.vm_pgoff == prev.vm_pgoff && contains(prev));
  vm_area_struct* parent = &prev;
  vm_area_struct** link = &prev.shared.right;
  while (*link) {
    parent = *link;
    link = &parent->shared.left;
  }
  attach(vma, parent, link);
}

void VmaIntervalTree::remove(vm_area_struct& vma) {
  FL_ASSERT(contains(vma));
  IntervalNode& node = vma.shared;
  while (node.left || node.right) {
    const bool left =
        !node.right || (node.left && node.left->shared.priority >= node.right->shared.priority);
    rotate_up(left ? *node.left : *node.right);
  }
  link_to(vma) = nullptr;
  for (vm_area_struct* above = node.parent; above; above = above->shared.parent) {
    const Pgoff said = above->shared.subtree_last;
    update(*above);
    if (above->shared.subtree_last == said) break;
  }
  node = IntervalNode{};
  --size_;
}

bool VmaIntervalTree::contains(const vm_area_struct& vma) const {
  return vma.shared.parent || root_ == &vma;
}

vm_area_struct* VmaIntervalTree::iter_first(Pgoff first, Pgoff last) const {
  return first_below(root_, first, last);
}

vm_area_struct* VmaIntervalTree::iter_next(const vm_area_struct& vma, Pgoff first, Pgoff last) {
  if (vma.shared.right && vma.shared.right->shared.subtree_last >= first) {
    return first_below(vma.shared.right, first, last);
  }
  const vm_area_struct* from = &vma;
  vm_area_struct* node = vma.shared.parent;
  for (; node; from = node, node = node->shared.parent) {
    if (node->shared.left != from) continue;
    if (node->vm_pgoff > last) return nullptr;
    if (last_page(*node) >= first) return node;
    if (node->shared.right && node->shared.right->shared.subtree_last >= first) {
      return first_below(node->shared.right, first, last);
    }
  }
  return nullptr;
}

}  // namespace faultline
