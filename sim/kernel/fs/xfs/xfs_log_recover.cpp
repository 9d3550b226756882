// One walk over the free-space trees and block maps for the state before the first record; one
// sweep over all extents in order of their blocks for what recovery made of it.
#include "kernel/fs/xfs/xfs_log_recover.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "kernel/fs/xfs/xfs_mount.hpp"

namespace faultline::xfs {

namespace {

void add_free_space(const xfs_mount& mp, const Perag& pag, MetaState& state) {
  const auto* block = &pag.bnobt.at(pag.bnobt.root);
  while (block->level != 0) block = &pag.bnobt.at(block->ptrs[0]);
  for (;;) {
    for (const AllocRec& rec : block->recs) {
      state.free.emplace(mp.space.geo.fsb(pag.agno, rec.bno), rec.len);
    }
    if (block->right == BnobtOps::null_ptr) return;
    block = &pag.bnobt.at(block->right);
  }
}

RedoInode inode_of(const inode& node) {
  RedoInode out;
  out.size = node.xfs->i_disk_size;
  out.atime = node.i_atime.v;
  out.mtime = node.i_mtime.v;
  out.ctime = node.i_ctime.v;
  const ExtentMap& map = node.xfs->df.map;
  for (auto at = map.first(); const auto e = map.get(at); map.next(at)) {
    if (e->delalloc()) continue;
    Extent& last = out.extents.empty() ? out.extents[e->off] : out.extents.rbegin()->second;
    if (last.len != 0 && contiguous(last, *e)) {
      last.len += e->len;
    } else {
      out.extents[e->off] = *e;
    }
  }
  return out;
}

struct Owned {
  FsBlock start{};
  std::uint64_t len = 0;
  Ino ino{};
  std::uint64_t off = 0;
  FsBlock end() const { return start + len; }
};

std::string text_of(const Owned& o) {
  return fmt::format("blocks {:#x}+{} of inode {:#x} at {}", o.start.v, o.len, o.ino.v, o.off);
}

}  // namespace

MetaState meta_state_of(const Kernel& k, const xfs_mount& mp) {
  MetaState state;
  for (const Perag& pag : mp.space.ags) add_free_space(mp, pag, state);
  for (const inode& node : k.inodes) {
    if (node.xfs && node.xfs->i_mount == &mp) state.inodes[node.i_ino] = inode_of(node);
  }
  state.fdblocks = mp.fdblocks;
  return state;
}

std::vector<std::string> check_recovered(const xfs_mount& mp, const MetaState& state) {
  const Geometry& geo = mp.space.geo;
  std::vector<std::string> wrong;
  std::vector<Owned> all;
  for (const auto& [ino, inode] : state.inodes) {
    for (const auto& [off, e] : inode.extents) all.push_back({e.start, e.len, ino, off});
  }
  std::sort(all.begin(), all.end(), [](const Owned& a, const Owned& b) {
    return a.start != b.start ? a.start < b.start : a.ino < b.ino;
  });
  FsBlock reached{};  // by the extents before
  for (const Owned& o : all) {
    const AgNumber ag = geo.agno(o.start);
    if (ag >= geo.agcount || geo.agbno(o.start) + o.len > geo.ag_length(ag)) {
      wrong.push_back(text_of(o) + " lie outside of the device");
      continue;
    }
    if (!geo.reflink && o.start < reached) wrong.push_back(text_of(o) + " have two owners");
    reached = std::max(reached, o.end());
    auto free = state.free.lower_bound(o.end());
    if (free == state.free.begin()) continue;
    --free;
    if (free->first + free->second > o.start) wrong.push_back(text_of(o) + " are free as well");
  }
  return wrong;
}

Extent recovered_block(const MetaState& state, Ino ino, std::uint64_t off) {
  const auto found = state.inodes.find(ino);
  if (found == state.inodes.end()) return {};
  const auto& extents = found->second.extents;
  auto at = extents.upper_bound(off);
  if (at == extents.begin()) return {};
  const Extent& e = std::prev(at)->second;
  if (e.end() <= off) return {};
  return {off, e.start + (off - e.off), 1, e.state};
}

}  // namespace faultline::xfs
