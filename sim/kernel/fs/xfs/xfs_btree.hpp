// XFS's B+tree with real blocks and real block numbers: records in leaves, first keys in nodes,
// sibling pointers at every level, the root in its own block or in the inode. A cursor walks it and
// tells the transaction which blocks it reads, changes and lets go, so that the locks a change
// takes follow from the tree's shape.
// Source: linux 6.12 fs/xfs/libxfs/xfs_btree.c. Left out: overlapping trees (rmapbt), read-ahead,
// checksums, the worker thread of extent-tree splits.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <vector>

#include "kernel/fs/xfs/xfs_trans_buf.hpp"

namespace faultline::xfs {

/// One block. Level 0 uses `recs`, higher ones `keys` and `ptrs` of equal length.
template <class Ops>
struct BtreeBlock {
  using Rec = typename Ops::Rec;
  using Key = typename Ops::Key;
  using Ptr = typename Ops::Ptr;
  Ptr no = Ops::null_ptr;
  Ptr left = Ops::null_ptr;
  Ptr right = Ops::null_ptr;
  unsigned level = 0;
  std::vector<Rec> recs;
  std::vector<Key> keys;
  std::vector<Ptr> ptrs;

  unsigned size() const { return unsigned(level == 0 ? recs.size() : ptrs.size()); }
  Key first_key() const { return level == 0 ? Ops::key_of(recs.front()) : keys.front(); }
};

/// A whole tree. `Ops` says what it holds:
///   Rec, Key, Ptr, null_ptr, key_of(Rec), less(Key, Key), maxrecs(level), minrecs(level), kind,
///   root_in_inode, iroot_max(Space), and Space: where blocks come from, with
///   daddr(Ptr), alloc_block(TransBufs&, Ptr near) -> optional<Ptr>, free_block(TransBufs&, Ptr),
///   set_root(TransBufs&, Ptr, level change), log_iroot().
template <class Ops>
struct Btree {
  using Block = BtreeBlock<Ops>;
  using Ptr = typename Ops::Ptr;
  std::map<Ptr, Block> blocks;  ///< all blocks but an inode's root
  Ptr root = Ops::null_ptr;     ///< unused when the root is in the inode
  unsigned nlevels = 1;
  Block iroot;  ///< the root, when it is in the inode

  Block& at(Ptr no) { return blocks.find(no)->second; }
  const Block& at(Ptr no) const { return blocks.find(no)->second; }
  Block& add(Ptr no, unsigned level) {
    Block& b = blocks[no];
    b = Block{};
    b.no = no;
    b.level = level;
    return b;
  }
  /// The leftmost leaf, for walks over all records through `right`.
  const Block* first_leaf() const {
    const Block* b = Ops::root_in_inode ? &iroot : &at(root);
    while (b->level > 0) b = &at(b->ptrs.front());
    return b;
  }
};

/// A position in a tree, as one operation of one transaction uses it. Closing it (or its end) lets
/// go of the clean blocks it holds, leaf first.
template <class Ops>
class BtreeCursor {
 public:
  using Tree = Btree<Ops>;
  using Block = BtreeBlock<Ops>;
  using Rec = typename Ops::Rec;
  using Key = typename Ops::Key;
  using Ptr = typename Ops::Ptr;
  using Space = typename Ops::Space;

  BtreeCursor(Tree& tree, Space& space, TransBufs& bufs);
  BtreeCursor(BtreeCursor&& other) noexcept;
  BtreeCursor(const BtreeCursor&) = delete;
  BtreeCursor& operator=(const BtreeCursor&) = delete;
  ~BtreeCursor() { close(); }
  void close();

  // Each is true when it found a record. lookup_eq that finds none stands where to insert.
  bool lookup_le(const Key& key) { return lookup(Dir::le, key); }
  bool lookup_eq(const Key& key) { return lookup(Dir::eq, key); }
  bool lookup_ge(const Key& key) { return lookup(Dir::ge, key); }
  bool increment(unsigned level = 0);
  bool decrement(unsigned level = 0);
  /// The record under the cursor; none off either end.
  std::optional<Rec> record() const;
  /// Replaces the record under the cursor; its key must keep its place in the order.
  void update(const Rec& rec);
  /// Inserts at the cursor. False, with nothing changed, when no block could be had.
  bool insert(const Rec& rec);
  /// Deletes the record under the cursor; false if there is none.
  bool remove();
  /// True if the leaf under the cursor is the tree's last.
  bool in_last_block() const { return lv_[0].blk->right == Ops::null_ptr; }
  /// Moves to the first record of the leaf under the cursor.
  void rewind_leaf() { lv_[0].ptr = 1; }

 private:
  enum class Dir { le, eq, ge };
  struct Level {
    Block* blk = nullptr;
    Ptr no = Ops::null_ptr;  // null: nothing held here (or the inode's root)
    unsigned ptr = 0;        // 1-based; 0 is off the left end
  };
  struct Split {
    Ptr no = Ops::null_ptr;
    Key key{};
    std::optional<BtreeCursor> cur;
  };
  struct Insertion {
    Ptr no = Ops::null_ptr;  // block to insert at this level; null at the leaf and when done
    Key key{};
    Rec rec{};
  };
  enum class Deleted { no, done, go_up };

  bool lookup(Dir dir, const Key& key);
  bool is_iroot(unsigned level) const { return Ops::root_in_inode && level + 1 == nlevels_; }
  Block& block(unsigned level) { return *lv_[level].blk; }
  Block& read(Ptr no);
  void set_buf(unsigned level, Block& block);
  Block& descend_to(unsigned level, Ptr no);
  void walk_down(unsigned from, unsigned to, bool to_first);
  BtreeCursor dup() const;
  void first(unsigned level) { lv_[level].ptr = 1; }
  void last(unsigned level) { lv_[level].ptr = block(level).size(); }
  unsigned maxrecs(unsigned level) const;
  void log(const Block& block);
  void update_keys(unsigned level);

  bool lshift(unsigned level);
  bool rshift(unsigned level);
  bool split(unsigned level, Split& out);
  bool new_root();
  bool new_iroot();
  bool make_unfull(unsigned level, unsigned& old_ptr, unsigned& ptr, Split& split);
  bool insert_at(unsigned level, Insertion& in, std::optional<BtreeCursor>& next);

  Deleted delete_at(unsigned level);
  Deleted delete_in_root(unsigned level);
  Deleted step_back(unsigned level);
  Deleted rebalance(unsigned level);
  Deleted join(unsigned level, unsigned left_recs, unsigned right_recs);
  void kill_root(unsigned level, Ptr new_root);
  void kill_iroot();
  void free_block(Block& block);

  Tree* tree_;
  Space* space_;
  TransBufs* bufs_;
  unsigned nlevels_;
  std::array<Level, 12> lv_{};
};

/// Moves `n` entries from `src` at `at` to `dst` at `to` (0-based); both of one level.
template <class Ops>
void move_entries(BtreeBlock<Ops>& src, unsigned at, unsigned n, BtreeBlock<Ops>& dst,
                  unsigned to) {
  const auto move = [&](auto& from, auto& into) {
    const auto first = from.begin() + at;
    into.insert(into.begin() + to, first, first + n);
    from.erase(from.begin() + at, from.begin() + at + n);
  };
  if (src.level == 0) {
    move(src.recs, dst.recs);
  } else {
    move(src.keys, dst.keys);
    move(src.ptrs, dst.ptrs);
  }
}

}  // namespace faultline::xfs
