// Deletion of BtreeCursor: take one entry from a sibling, else join with it, else shrink the root.
// linux 6.12 fs/xfs/libxfs/xfs_btree.c (xfs_btree_delete, delrec, kill_root, kill_iroot).
// Included by the file that instantiates the cursors.
#pragma once

#include "kernel/fs/xfs/xfs_btree_insert.hpp"

namespace faultline::xfs {

template <class Ops>
void BtreeCursor<Ops>::free_block(Block& block) {
  const Ptr no = block.no;
  space_->free_block(*bufs_, no);
  bufs_->binval(space_->daddr(no));
  tree_->blocks.erase(no);
}

/// The node level moves back by one: what a deletion leaves the cursor at.
template <class Ops>
typename BtreeCursor<Ops>::Deleted BtreeCursor<Ops>::step_back(unsigned level) {
  if (level > 0) decrement(level);
  return Deleted::done;
}

template <class Ops>
void BtreeCursor<Ops>::kill_root(unsigned level, Ptr new_root) {
  tree_->root = new_root;
  tree_->nlevels = level;
  space_->set_root(*bufs_, new_root);
  free_block(block(level));
  lv_[level] = Level{};
  --nlevels_;
}

/// Pulls the only child of the inode's root into the inode, if it is a node and fits.
template <class Ops>
void BtreeCursor<Ops>::kill_iroot() {
  const unsigned level = nlevels_ - 1;
  Block& iroot = tree_->iroot;
  if (level == 1 || iroot.size() != 1) return;
  Block& child = block(level - 1);
  if (child.size() > Ops::iroot_max(*space_)) return;
  iroot.keys = child.keys;
  iroot.ptrs = child.ptrs;
  iroot.level = level - 1;
  free_block(child);
  lv_[level] = Level{};
  lv_[level - 1].blk = &iroot;
  lv_[level - 1].no = Ops::null_ptr;
  tree_->nlevels = --nlevels_;
  log(iroot);
}

template <class Ops>
typename BtreeCursor<Ops>::Deleted BtreeCursor<Ops>::delete_in_root(unsigned level) {
  Block& b = block(level);
  if (is_iroot(level)) {
    kill_iroot();
    return level < nlevels_ ? step_back(level) : Deleted::done;
  }
  if (level == 0) return Deleted::done;
  if (b.size() == 1) {
    kill_root(level, b.ptrs.front());
    return Deleted::done;
  }
  return step_back(level);
}

template <class Ops>
typename BtreeCursor<Ops>::Deleted BtreeCursor<Ops>::delete_at(unsigned level) {
  const unsigned ptr = lv_[level].ptr;
  Block& b = block(level);
  if (ptr == 0 || ptr > b.size()) return Deleted::no;
  if (level == 0) {
    b.recs.erase(b.recs.begin() + (ptr - 1));
  } else {
    b.keys.erase(b.keys.begin() + (ptr - 1));
    b.ptrs.erase(b.ptrs.begin() + (ptr - 1));
  }
  log(b);
  if (level == nlevels_ - 1) return delete_in_root(level);
  if (ptr == 1) update_keys(level);
  if (b.size() >= Ops::minrecs(level)) return step_back(level);
  return rebalance(level);
}

/// Too few entries are left at `level`: borrow one from a sibling, or join with one.
template <class Ops>
typename BtreeCursor<Ops>::Deleted BtreeCursor<Ops>::rebalance(unsigned level) {
  const Ptr left_no = block(level).left;
  const Ptr right_no = block(level).right;
  if (Ops::root_in_inode && left_no == Ops::null_ptr && right_no == Ops::null_ptr &&
      level == nlevels_ - 2) {
    kill_iroot();
    return step_back(level);
  }
  FL_ASSERT(left_no != Ops::null_ptr || right_no != Ops::null_ptr);
  unsigned left_recs = 0;
  unsigned right_recs = 0;
  {
    BtreeCursor temp = dup();  // so that the next level up is not disturbed
    if (right_no != Ops::null_ptr) {
      temp.last(level);
      temp.increment(level);
      temp.last(level);
      right_recs = temp.block(level).size();
      if (right_recs - 1 >= Ops::minrecs(level) && temp.lshift(level)) {
        temp.close();
        return step_back(level);
      }
      if (left_no != Ops::null_ptr) {
        temp.first(level);
        temp.decrement(level);
      }
    }
    if (left_no != Ops::null_ptr) {
      temp.first(level);
      temp.decrement(level);
      temp.first(level);
      left_recs = temp.block(level).size();
      if (left_recs - 1 >= Ops::minrecs(level) && temp.rshift(level)) {
        if (level == 0) ++lv_[0].ptr;
        return Deleted::done;
      }
    }
  }
  return join(level, left_recs, right_recs);
}

template <class Ops>
typename BtreeCursor<Ops>::Deleted BtreeCursor<Ops>::join(unsigned level, unsigned left_recs,
                                                          unsigned right_recs) {
  Block& here = block(level);
  Block* left = nullptr;
  Block* right = nullptr;
  if (here.left != Ops::null_ptr && left_recs + here.size() <= Ops::maxrecs(level)) {
    right = &here;
    left = &read(here.left);
  } else if (here.right != Ops::null_ptr && right_recs + here.size() <= Ops::maxrecs(level)) {
    left = &here;
    right = &read(here.right);
  } else {
    return step_back(level);
  }
  const unsigned old_left = left->size();
  move_entries(*right, 0, right->size(), *left, old_left);
  left->right = right->right;
  log(*left);
  if (left->right != Ops::null_ptr) {
    Block& next = read(left->right);
    next.left = left->no;
    log(next);
  }
  const bool joined_left = right == &here;
  free_block(*right);
  if (joined_left) {
    lv_[level].blk = left;
    lv_[level].no = left->no;
    lv_[level].ptr += old_left;
  } else if (Ops::root_in_inode || level + 1 < nlevels_) {
    increment(level + 1);
  }
  if (level > 0) --lv_[level].ptr;
  return Deleted::go_up;
}

template <class Ops>
bool BtreeCursor<Ops>::remove() {
  Deleted result = Deleted::go_up;
  for (unsigned level = 0; result == Deleted::go_up; ++level) result = delete_at(level);
  return result == Deleted::done;
}

}  // namespace faultline::xfs
