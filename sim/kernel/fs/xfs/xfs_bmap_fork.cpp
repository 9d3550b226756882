// The switch between mappings inside the inode and a tree.
// linux 6.12 fs/xfs/libxfs/xfs_bmap.c (xfs_bmap_extents_to_btree, xfs_bmap_btree_to_extents).
#include "kernel/fs/xfs/xfs_bmap_fork.hpp"

#include "base/bug.hpp"

namespace faultline::xfs {

void ForkEdit::fix_format() {
  cur_.reset();
  if (fork_.in_core) return;
  const unsigned fits = fs_.geo.inline_extents();
  if (!fork_.btree && fork_.nextents > fits) {
    extents_to_btree();
  } else if (fork_.btree && fork_.nextents <= fits) {
    btree_to_extents();
  }
  cur_.reset();
}

void ForkEdit::extents_to_btree() {
  const auto no = space_.alloc_block(tp_.bufs, fs_.geo.inode_block(fork_.ino));
  FL_ASSERT(no.has_value());  // minleft, or the caller's preparation, saw to it
  auto& tree = fork_.bmbt;
  tree = {};
  auto& leaf = tree.add(*no, 0);
  for (auto c = fork_.map.first(); const auto e = fork_.map.get(c); fork_.map.next(c)) {
    if (!e->delalloc()) leaf.recs.emplace_back(*e);
  }
  tree.iroot.level = 1;
  tree.iroot.keys = {leaf.first_key()};
  tree.iroot.ptrs = {*no};
  tree.nlevels = 2;
  tp_.bufs.read(BufKind::bmbt, space_.daddr(*no));
  tp_.bufs.log(space_.daddr(*no));
  fork_.btree = true;
}

/// So few mappings are left that the tree is one leaf: they go back into the inode.
void ForkEdit::btree_to_extents() {
  auto& tree = fork_.bmbt;
  FL_ASSERT(tree.nlevels == 2 && tree.iroot.size() == 1);
  const FsBlock leaf = tree.iroot.ptrs.front();
  tp_.bufs.read(BufKind::bmbt, space_.daddr(leaf));
  space_.free_block(tp_.bufs, leaf);
  tp_.bufs.binval(space_.daddr(leaf));
  cur_.reset();
  tree = {};
  fork_.btree = false;
}

}  // namespace faultline::xfs
