// Cursor movement of BtreeCursor: lookup, increment, decrement, update; which blocks are locked and
// let go on the way. linux 6.12 fs/xfs/libxfs/xfs_btree.c (xfs_btree_lookup and neighbours).
// Included by the file that instantiates the cursors.
#pragma once

#include <algorithm>
#include <utility>

#include "base/bug.hpp"
#include "kernel/fs/xfs/xfs_btree.hpp"

namespace faultline::xfs {

template <class Ops>
BtreeCursor<Ops>::BtreeCursor(Tree& tree, Space& space, TransBufs& bufs)
    : tree_(&tree), space_(&space), bufs_(&bufs), nlevels_(tree.nlevels) {
  if (Ops::root_in_inode) lv_[nlevels_ - 1].blk = &tree.iroot;
}

template <class Ops>
BtreeCursor<Ops>::BtreeCursor(BtreeCursor&& other) noexcept
    : tree_(other.tree_),
      space_(other.space_),
      bufs_(other.bufs_),
      nlevels_(other.nlevels_),
      lv_(other.lv_) {
  other.lv_ = {};
}

template <class Ops>
void BtreeCursor<Ops>::close() {
  for (unsigned i = 0; i < nlevels_; ++i) {
    if (lv_[i].no != Ops::null_ptr) bufs_->brelse(space_->daddr(lv_[i].no));
    lv_[i] = Level{};
  }
}

template <class Ops>
BtreeCursor<Ops> BtreeCursor<Ops>::dup() const {
  BtreeCursor copy(*tree_, *space_, *bufs_);
  copy.nlevels_ = nlevels_;
  copy.lv_ = lv_;
  for (unsigned i = 0; i < nlevels_; ++i) {
    if (lv_[i].no != Ops::null_ptr) bufs_->read(Ops::kind, space_->daddr(lv_[i].no));
  }
  return copy;
}

template <class Ops>
typename BtreeCursor<Ops>::Block& BtreeCursor<Ops>::read(Ptr no) {
  bufs_->read(Ops::kind, space_->daddr(no));
  return tree_->at(no);
}

template <class Ops>
void BtreeCursor<Ops>::set_buf(unsigned level, Block& block) {
  if (lv_[level].no != Ops::null_ptr) bufs_->brelse(space_->daddr(lv_[level].no));
  lv_[level].blk = &block;
  lv_[level].no = block.no;
}

/// The block `no` at `level`: the one already held there, or a newly read one in its place.
template <class Ops>
typename BtreeCursor<Ops>::Block& BtreeCursor<Ops>::descend_to(unsigned level, Ptr no) {
  if (is_iroot(level)) return *(lv_[level].blk = &tree_->iroot);
  if (lv_[level].no != no) set_buf(level, read(no));
  return block(level);
}

/// How many of `entries` come before `key`; asks the last two first, since much is appended and cut
/// off at the end.
template <class Ops, class Entry, class KeyOf>
unsigned entries_before(const std::vector<Entry>& entries, const typename Ops::Key& key,
                        const KeyOf& key_of) {
  const auto before = [&](const Entry& e) { return Ops::less(key_of(e), key); };
  const std::size_t n = entries.size();
  if (n == 0 || before(entries[n - 1])) return unsigned(n);
  if (n == 1 || before(entries[n - 2])) return unsigned(n - 1);
  return unsigned(std::partition_point(entries.begin(), entries.end() - 2, before) -
                  entries.begin());
}

template <class Ops>
bool BtreeCursor<Ops>::lookup(Dir dir, const Key& key) {
  Ptr next = tree_->root;
  bool exact = false;  // once a key matched, it is the first one of every block below
  for (unsigned level = nlevels_; level-- > 0;) {
    Block& b = descend_to(level, next);
    unsigned at = 0;  // first entry not below the key
    if (!exact) {
      if (level == 0) {
        at = entries_before<Ops>(b.recs, key, [](const Rec& r) { return Ops::key_of(r); });
        exact = at < b.size() && !Ops::less(key, Ops::key_of(b.recs[at]));
      } else {
        at = entries_before<Ops>(b.keys, key, [](const Key& k) { return k; });
        exact = at < b.size() && !Ops::less(key, b.keys[at]);
      }
    }
    if (level > 0) {
      if (!exact && at > 0) --at;
      lv_[level].ptr = at + 1;
      next = b.ptrs[at];
    } else {
      lv_[0].ptr = dir == Dir::le && !exact ? at : at + 1;
    }
  }
  const Block& leaf = block(0);
  if (dir == Dir::eq) return exact;
  if (dir == Dir::ge && lv_[0].ptr > leaf.size() && leaf.right != Ops::null_ptr) {
    // Off the end of this leaf but not of the tree: the next leaf's first record it is.
    return increment(0);
  }
  return lv_[0].ptr != 0 && lv_[0].ptr <= leaf.size();
}

/// Reads the blocks below level `from` down to `to`, at their first or last entries.
template <class Ops>
void BtreeCursor<Ops>::walk_down(unsigned from, unsigned to, bool to_first) {
  while (from > to) {
    Block& child = read(block(from).ptrs[lv_[from].ptr - 1]);
    --from;
    set_buf(from, child);
    lv_[from].ptr = to_first ? 1 : child.size();
  }
}

template <class Ops>
bool BtreeCursor<Ops>::increment(unsigned level) {
  if (++lv_[level].ptr <= block(level).size()) return true;
  if (block(level).right == Ops::null_ptr) return false;
  unsigned up = level + 1;
  while (up < nlevels_ && ++lv_[up].ptr > block(up).size()) ++up;
  if (up == nlevels_) return false;
  walk_down(up, level, true);
  return true;
}

template <class Ops>
bool BtreeCursor<Ops>::decrement(unsigned level) {
  if (lv_[level].ptr > 0 && --lv_[level].ptr > 0) return true;
  if (block(level).left == Ops::null_ptr) return false;
  unsigned up = level + 1;
  while (up < nlevels_ && --lv_[up].ptr == 0) ++up;
  if (up == nlevels_) return false;
  walk_down(up, level, false);
  return true;
}

template <class Ops>
std::optional<typename BtreeCursor<Ops>::Rec> BtreeCursor<Ops>::record() const {
  const Level& leaf = lv_[0];
  if (leaf.ptr == 0 || leaf.ptr > leaf.blk->size()) return std::nullopt;
  return leaf.blk->recs[leaf.ptr - 1];
}

template <class Ops>
void BtreeCursor<Ops>::log(const Block& block) {
  if (Ops::root_in_inode && &block == &tree_->iroot) {
    space_->log_iroot();
  } else {
    bufs_->log(space_->daddr(block.no));
  }
}

/// The first key at `level` changed: corrects the parents for as long as it is their first too.
template <class Ops>
void BtreeCursor<Ops>::update_keys(unsigned level) {
  const Key key = block(level).first_key();
  unsigned ptr = 1;
  for (unsigned up = level + 1; ptr == 1 && up < nlevels_; ++up) {
    ptr = lv_[up].ptr;
    block(up).keys[ptr - 1] = key;
    log(block(up));
  }
}

template <class Ops>
void BtreeCursor<Ops>::update(const Rec& rec) {
  const unsigned ptr = lv_[0].ptr;
  FL_ASSERT(ptr >= 1 && ptr <= block(0).size());
  block(0).recs[ptr - 1] = rec;
  log(block(0));
  if (ptr == 1) update_keys(0);
}

}  // namespace faultline::xfs
