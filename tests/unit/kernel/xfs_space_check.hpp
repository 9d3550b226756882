// Shared by the XFS space tests: naive models to compare with, and walks over whole trees that
// check what must always hold.
#pragma once

#include <map>
#include <set>
#include <string>

#include "catch.hpp"
#include "kernel/fs/xfs/xfs_alloc_vextent.hpp"

namespace faultline::xfs::test {

/// Checks one tree's structure below `no`; returns its records in order.
template <class Ops>
void check_block(const Btree<Ops>& tree, const BtreeBlock<Ops>& b, bool root,
                 std::vector<typename Ops::Rec>& recs, std::set<typename Ops::Ptr>& seen,
                 std::vector<const BtreeBlock<Ops>*>& last_at_level) {
  const bool in_inode = root && Ops::root_in_inode;
  if (!in_inode) {
    if (!seen.insert(b.no).second) FAIL("a block is reached twice");
    const auto* before = last_at_level.at(b.level);
    if (b.left != (before == nullptr ? Ops::null_ptr : before->no)) FAIL("left sibling is wrong");
    if (before != nullptr && before->right != b.no) FAIL("right sibling is wrong");
    last_at_level[b.level] = &b;
    if (b.size() > Ops::maxrecs(b.level)) FAIL("block is overfull");
    if (!root && b.size() < Ops::minrecs(b.level)) {
      // The only child of an inode's root may be as small as it likes.
      if (!(Ops::root_in_inode && b.left == Ops::null_ptr && b.right == Ops::null_ptr)) {
        FAIL("block has too few entries: " << b.size());
      }
    }
  }
  if (b.level == 0) {
    recs.insert(recs.end(), b.recs.begin(), b.recs.end());
    return;
  }
  if (b.keys.size() != b.ptrs.size()) FAIL("keys and pointers differ in number");
  for (unsigned i = 0; i < b.size(); ++i) {
    const auto& child = tree.at(b.ptrs[i]);
    if (child.level + 1 != b.level) FAIL("a child is of the wrong level");
    const auto key = child.first_key();
    if (Ops::less(key, b.keys[i]) || Ops::less(b.keys[i], key)) FAIL("a parent's key is stale");
    check_block(tree, child, false, recs, seen, last_at_level);
  }
}

template <class Ops>
std::vector<typename Ops::Rec> check_tree(const Btree<Ops>& tree) {
  std::vector<typename Ops::Rec> recs;
  std::set<typename Ops::Ptr> seen;
  std::vector<const BtreeBlock<Ops>*> last(tree.nlevels, nullptr);
  const auto& root = Ops::root_in_inode ? tree.iroot : tree.at(tree.root);
  REQUIRE(root.level + 1 == tree.nlevels);
  check_block(tree, root, true, recs, seen, last);
  for (const auto* b : last) {
    if (b != nullptr && b->right != Ops::null_ptr) FAIL("the last block has a right sibling");
  }
  REQUIRE(seen.size() == tree.blocks.size());
  for (std::size_t i = 1; i < recs.size(); ++i) {
    if (!Ops::less(Ops::key_of(recs[i - 1]), Ops::key_of(recs[i]))) FAIL("records out of order");
  }
  return recs;
}

/// Free space as plain intervals.
using FreeModel = std::map<AgBlock, AgBlock>;  // start -> end, merged

/// Both trees agree with each other and with the counters; returns the free space by start block.
inline FreeModel check_ag(const Geometry& geo, const Perag& pag) {
  const auto by_bno = check_tree(pag.bnobt);
  auto by_cnt = check_tree(pag.cntbt);
  REQUIRE(by_bno.size() == by_cnt.size());
  REQUIRE(pag.longest == (by_cnt.empty() ? 0 : by_cnt.back().len));
  std::sort(by_cnt.begin(), by_cnt.end(), BnobtOps::less);
  REQUIRE(std::equal(by_bno.begin(), by_bno.end(), by_cnt.begin()));
  std::uint64_t total = 0;
  FreeModel model;
  AgBlock end = 0;
  for (const AllocRec& rec : by_bno) {
    if (rec.bno <= end && end != 0) FAIL("free extents touch or overlap");
    end = rec.bno + rec.len;
    model[rec.bno] = end;
    total += rec.len;
  }
  REQUIRE(total == pag.freeblks);
  REQUIRE(pag.btreeblks == pag.bnobt.blocks.size() + pag.cntbt.blocks.size() - 2);
  REQUIRE(pag.agfl.size() <= geo.agfl_size());
  // No block is free, on the list and in a tree at once.
  std::set<AgBlock> metadata(pag.agfl.begin(), pag.agfl.end());
  REQUIRE(metadata.size() == pag.agfl.size());
  for (const auto& [no, block] : pag.bnobt.blocks) REQUIRE(metadata.insert(no).second);
  for (const auto& [no, block] : pag.cntbt.blocks) REQUIRE(metadata.insert(no).second);
  for (const AgBlock b : metadata) {
    const auto it = model.upper_bound(b);
    if (it != model.begin() && std::prev(it)->second > b) FAIL("a metadata block is free too");
  }
  return model;
}

/// Plays a walk with every AGF free to take; returns all buffer steps in order.
template <class Walk>
std::vector<BufStep> play(Walk& walk, AllocTrans& tp, FsSpace& fs) {
  std::vector<BufStep> steps;
  for (;;) {
    const AllocWait wait = walk.next();
    for (const BufStep& s : tp.bufs.take_steps()) steps.push_back(s);
    if (wait.kind == AllocWait::Kind::done) return steps;
    if (wait.kind == AllocWait::Kind::lock_agf) {
      steps.push_back(
          {wait.trylock ? BufAction::trylock : BufAction::lock, BufKind::agf, wait.daddr});
    } else {
      fs.ags[wait.agno].busy.clear_through(wait.seq);
    }
    walk.answer(true);
  }
}

/// Frees an extent as the end of a rolled transaction does: AGF locked, then xfs_free_extent.
inline std::vector<BufStep> play_free(FsSpace& fs, AllocTrans& tp, FsBlock start, ExtLen len) {
  const AgNumber agno = fs.geo.agno(start);
  std::vector<BufStep> steps;
  const Daddr agf = fs.geo.agf_daddr(agno);
  if (!tp.bufs.holds(agf)) {
    steps.push_back({BufAction::lock, BufKind::agf, agf});
    tp.bufs.adopt(BufKind::agf, agf);
  }
  AgContext ag(fs.geo, fs.ags[agno], tp);
  xfs_free_extent(ag, fs.geo.agbno(start), len);
  for (const BufStep& s : tp.bufs.take_steps()) steps.push_back(s);
  return steps;
}

/// Only what touches locks, as "try agf 0x8", "lock agfl 0x18", "unlock agfl 0x18".
inline std::vector<std::string> lock_lines(const std::vector<BufStep>& steps) {
  std::vector<std::string> out;
  for (const BufStep& s : steps) {
    const char* verb = s.action == BufAction::trylock ? "try "
                       : s.action == BufAction::lock  ? "lock "
                                                      : "unlock ";
    if (s.action == BufAction::dirty) continue;
    char hex[20];
    std::snprintf(hex, sizeof hex, " 0x%llx", static_cast<unsigned long long>(s.daddr.v));
    out.push_back(std::string(verb) + name_of(s.kind) + hex);
  }
  return out;
}

using Lines = std::vector<std::string>;

/// Extents freed for later (surplus list blocks) are freed in a transaction of their own.
inline void finish_deferred(FsSpace& fs, AllocTrans& tp) {
  tp.bufs.commit();
  const auto deferred = std::exchange(tp.deferred, {});
  for (const DeferItem& d : deferred) {
    AllocTrans next;
    next.busy_seq = tp.busy_seq;
    play_free(fs, next, d.start, d.len);
    finish_deferred(fs, next);
  }
  tp = AllocTrans{};
}

}  // namespace faultline::xfs::test
