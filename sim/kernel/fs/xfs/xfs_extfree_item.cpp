// Finishing deferred frees: the AGF is locked, waiting, then the trees change in one go. Linux 6.12
// fs/xfs/xfs_extfree_item.c, libxfs/xfs_alloc.c xfs_free_extent_fix_freelist. The freed blocks stay
// busy until the checkpoint that frees them is on disk. Left out: discards, realtime extents.
#include "kernel/fs/xfs/xfs_extfree_item.hpp"

#include <fmt/format.h>

#include "kernel/fs/xfs/xfs_buf.hpp"

namespace faultline::xfs {

// xfs_alloc_read_agf(): an AGF that the transaction holds already is not locked again.
static HelperPath<Perag*> read_agf(Kernel& k, xfs_trans& tp, FsBlock start) {
  xfs_mount& mp = *tp.mp;
  Perag& pag = mp.space.ags[mp.space.geo.agno(start)];
  tp.alloc.bufs.read(BufKind::agf, mp.space.geo.agf_daddr(pag.agno));
  co_await xfs_buf_perform(k, mp, tp.alloc.bufs.take_steps(), "xfs_trans_brelse");
  tp.alloc.busy_seq = mp.log.current_seq();
  co_return &pag;
}

// A page that a device may still transfer to must stay the file's: nobody looks here, and so a rule
// is broken if one is among what is freed.
static void look_for_pins(Kernel& k, const xfs_mount& mp, const DeferItem& item) {
  const PmemDevice* const device = mp.m_super->s_daxdev;
  if (k.pins.counts.empty() || !device) return;
  const Pfn first = device->pfn(mp.space.geo.device_offset(item.start).v);
  if (!k.pins.any(first, item.len)) return;
  const std::uint64_t block = k.pins.counts.lower_bound(first)->first - first;
  k.broken_rule("pinned-block",
                fmt::format("block {:#x} is freed while its page is pinned", item.start.v + block));
}

HelperPath<void> xfs_extent_free_finish_item(Kernel& k, xfs_trans& tp, const DeferItem& item) {
  xfs_mount& mp = *tp.mp;
  look_for_pins(k, mp, item);
  Perag* const pag = co_await read_agf(k, tp, item.start);
  AgContext ag(mp.space.geo, *pag, tp.alloc);
  xfs_free_extent(ag, mp.space.geo.agbno(item.start), item.len);
  tp.blk_freed += item.len;
  RedoRecord record;
  record.kind = RedoKind::free_add;
  record.start = item.start;
  record.len = item.len;
  tp.redo.push_back(record);
  co_await xfs_buf_perform(k, mp, tp.alloc.bufs.take_steps(), "xfs_trans_brelse");
}

HelperPath<void> xfs_agfl_free_finish_item(Kernel& k, xfs_trans& tp, const DeferItem& item) {
  xfs_mount& mp = *tp.mp;
  Perag* const pag = co_await read_agf(k, tp, item.start);
  AgContext ag(mp.space.geo, *pag, tp.alloc);
  const xfs_buf* const cached = mp.buffers.find(mp.space.geo.daddr(item.start));
  const BufKind kind = cached ? cached->kind : BufKind::bnobt;
  xfs_free_agfl_block(ag, mp.space.geo.agbno(item.start), kind);
  co_await xfs_buf_perform(k, mp, tp.alloc.bufs.take_steps(), "xfs_trans_brelse");
}

}  // namespace faultline::xfs
