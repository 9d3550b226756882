// The B+tree itself, with blocks of very few records so that trees grow and shrink by several
// levels all the time: one kind with its root in a block, one with its root in an inode.
#include <set>

#include "base/rng.hpp"
#include "kernel/fs/xfs/xfs_btree_bulk.hpp"
#include "kernel/fs/xfs/xfs_btree_delete.hpp"
#include "xfs_space_check.hpp"

using namespace faultline;
using namespace faultline::xfs;
using namespace faultline::xfs::test;

namespace {

/// Hands out block numbers and takes them back; a limit makes it run dry.
struct PlainSpace {
  std::uint32_t next = 1;
  std::uint32_t left = ~0u;
  std::set<std::uint32_t> used;
  Daddr daddr(std::uint32_t no) const { return Daddr(no * 8ULL); }
  std::optional<std::uint32_t> alloc_block(TransBufs&, std::uint32_t) {
    if (left == 0) return std::nullopt;
    --left;
    used.insert(next);
    return next++;
  }
  void free_block(TransBufs&, std::uint32_t no) { REQUIRE(used.erase(no) == 1); }
  void set_root(TransBufs&, std::uint32_t) {}
  void log_iroot() {}
};

struct TinyRec {
  std::uint32_t key = 0;
  std::uint32_t value = 0;
};

template <bool InInode, unsigned Max>
struct TinyOps {
  using Rec = TinyRec;
  using Key = std::uint32_t;
  using Ptr = std::uint32_t;
  using Space = PlainSpace;
  static constexpr Ptr null_ptr = 0xffffffff;
  static constexpr bool root_in_inode = InInode;
  static constexpr BufKind kind = BufKind::bmbt;
  static Key key_of(const Rec& rec) { return rec.key; }
  static bool less(Key a, Key b) { return a < b; }
  static unsigned maxrecs(unsigned) { return Max; }
  static unsigned minrecs(unsigned) { return Max / 2; }
  static unsigned iroot_max(const Space&) { return 3; }
};

template <class Ops>
void start_empty(Btree<Ops>& tree, PlainSpace& space) {
  space.used.insert(space.next);
  tree.add(space.next, 0);
  if (Ops::root_in_inode) {
    tree.iroot.level = 1;
    tree.iroot.keys = {0};
    tree.iroot.ptrs = {space.next};
    tree.nlevels = 2;
  } else {
    tree.root = space.next;
  }
  ++space.next;
}

template <class Ops>
void compare(const Btree<Ops>& tree, const std::map<std::uint32_t, std::uint32_t>& model,
             const PlainSpace& space) {
  const auto recs = check_tree(tree);
  REQUIRE(recs.size() == model.size());
  auto it = model.begin();
  for (const TinyRec& rec : recs) {
    if (rec.key != it->first || rec.value != it->second) FAIL("record differs from the model");
    ++it;
  }
  REQUIRE(space.used.size() == tree.blocks.size());
}

/// Random inserts, deletes, updates and look-ups in phases of growth and decline.
template <class Ops>
void random_tree(std::uint64_t seed, unsigned ops) {
  Btree<Ops> tree;
  PlainSpace space;
  start_empty(tree, space);
  std::map<std::uint32_t, std::uint32_t> model;
  Rng rng(seed);
  unsigned tallest = 0;
  // A real inode's tree goes back to inline extents before it is empty: keep one record.
  for (unsigned op = 0; op < ops; ++op) {
    TransBufs bufs;
    {
      BtreeCursor<Ops> cur(tree, space, bufs);
      const bool growing = op / 1500 % 2 == 0;
      const auto key = 1 + std::uint32_t(rng.below(5000));
      const bool there = cur.lookup_eq(key);
      REQUIRE(there == model.contains(key));
      if (!there && (growing ? rng.below(12) != 0 : rng.below(4) == 0)) {
        // The very first record of an inode's tree would need its parent's key set.
        if (!Ops::root_in_inode || !model.empty()) {
          REQUIRE(cur.insert({key, op}));
        } else {
          tree.blocks.begin()->second.recs.push_back({key, op});
          tree.iroot.keys = {key};
        }
        model[key] = op;
      } else if (there && (growing || rng.below(3) == 0)) {
        cur.update({key, op});
        model[key] = op;
      } else if (model.size() > 1) {
        const bool ge = rng.below(2) == 0;
        auto it = model.lower_bound(key);
        if (!ge && (it == model.end() || it->first != key)) {
          it = it == model.begin() ? model.end() : std::prev(it);
        }
        REQUIRE((ge ? cur.lookup_ge(key) : cur.lookup_le(key)) == (it != model.end()));
        if (it != model.end()) {
          REQUIRE(cur.record()->key == it->first);
          REQUIRE(cur.remove());
          model.erase(it);
        }
      }
    }
    tallest = std::max(tallest, tree.nlevels);
    // What is still held is what changed, or a sibling that could not help.
    REQUIRE(bufs.held() <= 6 * (tree.nlevels + 2));
    if (op % 50 == 0) compare(tree, model, space);
  }
  compare(tree, model, space);
  REQUIRE(tallest >= 5);
}

}  // namespace

TEST_CASE("small-blocked trees of several levels agree with a map", "[xfs]") {
  random_tree<TinyOps<false, 4>>(1, 9000);
  random_tree<TinyOps<false, 5>>(2, 6000);
  random_tree<TinyOps<true, 4>>(3, 6000);
  random_tree<TinyOps<true, 5>>(4, 6000);
}

TEST_CASE("a cursor walks all records both ways", "[xfs]") {
  using Ops = TinyOps<false, 4>;
  Btree<Ops> tree;
  PlainSpace space;
  start_empty(tree, space);
  TransBufs bufs;
  for (std::uint32_t k = 1; k <= 200; ++k) {
    BtreeCursor<Ops> cur(tree, space, bufs);
    REQUIRE_FALSE(cur.lookup_eq(k * 37 % 211));
    REQUIRE(cur.insert({k * 37 % 211, k}));
  }
  BtreeCursor<Ops> cur(tree, space, bufs);
  REQUIRE(cur.lookup_ge(0));
  unsigned n = 1;
  for (std::uint32_t last = cur.record()->key; cur.increment(); ++n) {
    REQUIRE(cur.record()->key > last);
    last = cur.record()->key;
  }
  CHECK(n == 200);
  CHECK_FALSE(cur.record());
  for (n = 0; cur.decrement(); ++n) REQUIRE(cur.record());
  CHECK(n == 200);
}

TEST_CASE("a walk holds one path, and a closed cursor of clean blocks nothing", "[xfs]") {
  using Ops = TinyOps<false, 4>;
  Btree<Ops> tree;
  PlainSpace space;
  std::vector<TinyRec> recs;
  for (std::uint32_t k = 0; k < 100; ++k) recs.push_back({k, k});
  bulk_load(tree, recs, false, 0, [&] {
    space.used.insert(space.next);
    return space.next++;
  });
  check_tree(tree);
  CHECK(tree.nlevels == 4);  // 100 records by 3 is 34 leaves, 12, 4, 1
  TransBufs bufs;
  BtreeCursor<Ops> cur(tree, space, bufs);
  REQUIRE(cur.lookup_ge(0));
  do {
    REQUIRE(bufs.held() == 4);
  } while (cur.increment());
  cur.close();
  CHECK(bufs.held() == 0);
  const auto steps = bufs.take_steps();
  const auto locks = std::count_if(steps.begin(), steps.end(),
                                   [](const BufStep& s) { return s.action == BufAction::lock; });
  CHECK(std::size_t(locks) == tree.blocks.size());
  CHECK(steps.size() == 2 * tree.blocks.size());
}

TEST_CASE("a split that gets no block changes nothing", "[xfs]") {
  using Ops = TinyOps<true, 4>;
  Btree<Ops> tree;
  PlainSpace space;
  start_empty(tree, space);
  tree.blocks.begin()->second.recs = {{1, 0}, {2, 0}, {3, 0}, {4, 0}};
  tree.iroot.keys = {1};
  space.left = 0;
  TransBufs bufs;
  BtreeCursor<Ops> cur(tree, space, bufs);
  REQUIRE_FALSE(cur.lookup_eq(5));
  CHECK_FALSE(cur.insert({5, 0}));
  CHECK(check_tree(tree).size() == 4);
  CHECK_FALSE(bufs.any_dirty());
}

TEST_CASE("bulk loading gives evenly filled, valid trees of any size", "[xfs]") {
  for (const bool full : {false, true}) {
    for (std::uint32_t n = 0; n < 300; n += 1 + n / 20) {
      std::vector<TinyRec> recs;
      for (std::uint32_t k = 0; k < n; ++k) recs.push_back({k, k});
      std::uint32_t next = 1;
      Btree<TinyOps<false, 5>> plain;
      bulk_load(plain, recs, full, 0, [&] { return next++; });
      REQUIRE(check_tree(plain).size() == n);
      if (n == 0) continue;  // a file without extents has no tree
      Btree<TinyOps<true, 5>> in_inode;
      bulk_load(in_inode, recs, full, 3, [&] { return next++; });
      REQUIRE(check_tree(in_inode).size() == n);
    }
  }
}
