// Insertion of BtreeCursor: shift an entry to a sibling, else split, else grow the root.
// linux 6.12 fs/xfs/libxfs/xfs_btree.c (xfs_btree_insert, insrec, lshift, rshift, split, new_root,
// new_iroot). Included by the file that instantiates the cursors.
#pragma once

#include "kernel/fs/xfs/xfs_btree_walk.hpp"

namespace faultline::xfs {

/// An inode's root is kept just large enough, so that it always counts as full until `iroot_max`.
template <class Ops>
unsigned BtreeCursor<Ops>::maxrecs(unsigned level) const {
  return is_iroot(level) ? Ops::iroot_max(*space_) : Ops::maxrecs(level);
}

template <class Ops>
bool BtreeCursor<Ops>::lshift(unsigned level) {
  if (is_iroot(level)) return false;
  Block& right = block(level);
  if (right.left == Ops::null_ptr || lv_[level].ptr <= 1) return false;
  Block& left = read(right.left);  // a full one stays locked, clean, until commit
  if (left.size() == Ops::maxrecs(level)) return false;
  move_entries(right, 0, 1, left, left.size());
  log(left);
  log(right);
  update_keys(level);
  --lv_[level].ptr;
  return true;
}

template <class Ops>
bool BtreeCursor<Ops>::rshift(unsigned level) {
  if (is_iroot(level)) return false;
  Block& left = block(level);
  if (left.right == Ops::null_ptr || lv_[level].ptr >= left.size()) return false;
  Block& right = read(left.right);
  if (right.size() == Ops::maxrecs(level)) return false;
  move_entries(left, left.size() - 1, 1, right, 0);
  log(right);
  log(left);
  BtreeCursor temp = dup();  // the right block's keys hang from its own path
  temp.last(level);
  temp.increment(level);
  temp.update_keys(level);
  return true;
}

template <class Ops>
bool BtreeCursor<Ops>::split(unsigned level, Split& out) {
  Block& left = block(level);
  const auto no = space_->alloc_block(*bufs_, left.no);
  if (!no) return false;
  Block& right = tree_->add(*no, left.level);
  bufs_->read(Ops::kind, space_->daddr(*no));

  // Halves; an odd entry goes where the insertion does not, so that both end up equal.
  const unsigned total = left.size();
  unsigned moved = total / 2;
  if ((total & 1) != 0 && lv_[level].ptr <= moved + 1) ++moved;
  const unsigned kept = total - moved;
  move_entries(left, kept, moved, right, 0);
  out.key = right.first_key();
  right.right = left.right;
  right.left = left.no;
  left.right = right.no;
  log(right);
  log(left);
  if (right.right != Ops::null_ptr) {
    Block& next = read(right.right);
    next.left = right.no;
    log(next);
  }
  if (lv_[level].ptr > kept + 1) {
    set_buf(level, right);
    lv_[level].ptr -= kept;
  }
  if (level + 1 < nlevels_) {
    out.cur.emplace(dup());
    ++out.cur->lv_[level + 1].ptr;
  }
  out.no = right.no;
  return true;
}

template <class Ops>
bool BtreeCursor<Ops>::new_root() {
  const auto no = space_->alloc_block(*bufs_, tree_->root);
  if (!no) return false;
  Block& top = tree_->add(*no, nlevels_);
  bufs_->read(Ops::kind, space_->daddr(*no));
  tree_->root = *no;
  tree_->nlevels = nlevels_ + 1;
  space_->set_root(*bufs_, *no);

  // The old root was just split; the cursor stands in one half, the sibling link names the other.
  Block& here = block(nlevels_ - 1);
  const bool here_is_left = here.right != Ops::null_ptr;
  Block& other = read(here_is_left ? here.right : here.left);
  Block& left = here_is_left ? here : other;
  Block& right = here_is_left ? other : here;
  top.keys = {left.first_key(), right.first_key()};
  top.ptrs = {left.no, right.no};
  log(top);
  set_buf(nlevels_, top);
  lv_[nlevels_].ptr = here_is_left ? 1 : 2;
  ++nlevels_;
  return true;
}

/// Moves the inode's root into a block of its own, of which it becomes the single parent.
template <class Ops>
bool BtreeCursor<Ops>::new_iroot() {
  const unsigned level = nlevels_ - 1;
  Block& iroot = tree_->iroot;
  const auto no = space_->alloc_block(*bufs_, iroot.ptrs.front());
  if (!no) return false;
  Block& child = tree_->add(*no, level);
  bufs_->read(Ops::kind, space_->daddr(*no));
  child.keys = iroot.keys;
  child.ptrs = iroot.ptrs;
  iroot.level = level + 1;
  iroot.keys.resize(1);
  iroot.ptrs = {*no};
  tree_->nlevels = ++nlevels_;
  lv_[level + 1] = {&iroot, Ops::null_ptr, 1};
  lv_[level].blk = &child;
  lv_[level].no = child.no;
  log(child);
  log(iroot);
  return true;
}

template <class Ops>
bool BtreeCursor<Ops>::make_unfull(unsigned level, unsigned& old_ptr, unsigned& ptr, Split& out) {
  if (is_iroot(level)) return new_iroot();
  if (rshift(level)) return true;
  if (lshift(level)) {
    old_ptr = ptr = lv_[level].ptr;
    return true;
  }
  if (!split(level, out)) return false;
  ptr = lv_[level].ptr;
  return true;
}

/// Inserts at one level. On return `in.no` names the block to insert one level up, or is null.
template <class Ops>
bool BtreeCursor<Ops>::insert_at(unsigned level, Insertion& in, std::optional<BtreeCursor>& next) {
  if (!Ops::root_in_inode && level >= nlevels_) {
    in.no = Ops::null_ptr;
    return new_root();
  }
  unsigned ptr = lv_[level].ptr;
  FL_ASSERT(ptr != 0);
  unsigned old_ptr = ptr;
  const Ptr old_no = block(level).no;
  Split split;
  if (block(level).size() == maxrecs(level) && !make_unfull(level, old_ptr, ptr, split)) {
    return false;
  }
  Block& b = block(level);
  if (level == 0) {
    b.recs.insert(b.recs.begin() + (ptr - 1), in.rec);
  } else {
    b.keys.insert(b.keys.begin() + (ptr - 1), in.key);
    b.ptrs.insert(b.ptrs.begin() + (ptr - 1), in.no);
  }
  log(b);
  if (split.no != Ops::null_ptr && b.no != old_no) {
    split.key = b.first_key();  // went into the new block, whose key was taken before
  } else if (old_ptr == 1) {
    update_keys(level);
  }
  in.no = split.no;
  if (split.no != Ops::null_ptr) {
    in.key = split.key;
    if (split.cur) next.emplace(std::move(*split.cur));
  }
  return true;
}

template <class Ops>
bool BtreeCursor<Ops>::insert(const Rec& rec) {
  Insertion in{Ops::null_ptr, Ops::key_of(rec), rec};
  std::optional<BtreeCursor> parent;  // after a split, the path of the new block
  BtreeCursor* cur = this;
  for (unsigned level = 0;; ++level) {
    std::optional<BtreeCursor> next;
    if (!cur->insert_at(level, in, next)) {
      FL_ASSERT(level == 0);  // the caller reserved blocks for every level
      return false;
    }
    const bool done = in.no == Ops::null_ptr;
    if (parent && (next || done)) {
      nlevels_ = parent->nlevels_;
      parent.reset();
    }
    if (next) {
      parent.emplace(std::move(*next));
      cur = &*parent;
    }
    if (done) return true;
  }
}

}  // namespace faultline::xfs
