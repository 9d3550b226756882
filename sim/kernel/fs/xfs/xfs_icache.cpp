// Tagging inodes for the block collector. The tree of AGs (m_perags) has a lock of its own, taken
// when the first inode of an AG is tagged and whenever the last one may have lost its tag.
// Linux 6.12 fs/xfs/xfs_icache.c xfs_perag_set_inode_tag, xfs_perag_clear_inode_tag.
#include "kernel/fs/xfs/xfs_icache.hpp"

namespace faultline::xfs {

static constexpr unsigned blockgc_flags = XFS_IEOFBLOCKS | XFS_ICOWBLOCKS;

static Perag& perag_of(inode& ip) {
  FsSpace& space = ip.xfs->i_mount->space;
  return space.ags[space.geo.agno(space.geo.inode_block(ip.i_ino))];
}

Path<void> xfs_blockgc_set_iflag(Kernel& k, inode& ip, unsigned iflag) {
  xfs_inode& node = *ip.xfs;
  if (node.i_flags & iflag) co_return;
  const bool tagged = node.i_flags & blockgc_flags;
  node.i_flags |= iflag;
  k.engine.charge(k.costs.vfs_op);
  Perag& pag = perag_of(ip);
  const bool ag_tagged = pag.blockgc_inodes != 0;
  if (!tagged) ++pag.blockgc_inodes;
  if (ag_tagged) co_return;
  co_await spin_lock(node.i_mount->m_perags_lock);
  spin_unlock(node.i_mount->m_perags_lock);
}

Path<void> xfs_blockgc_clear_iflag(Kernel& k, inode& ip, unsigned iflag) {
  xfs_inode& node = *ip.xfs;
  const bool tagged = node.i_flags & blockgc_flags;
  node.i_flags &= ~iflag;
  k.engine.charge(k.costs.vfs_op);
  if (node.i_flags & blockgc_flags) co_return;
  Perag& pag = perag_of(ip);
  if (tagged) --pag.blockgc_inodes;
  if (pag.blockgc_inodes != 0) co_return;
  co_await spin_lock(node.i_mount->m_perags_lock);
  spin_unlock(node.i_mount->m_perags_lock);
}

}  // namespace faultline::xfs
