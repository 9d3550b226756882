// The cache of metadata buffers of one mounted XFS: found by disk address, made on first use, kept
// for ever. Linux 6.12 fs/xfs/xfs_buf.c keeps a hash table per allocation group (pag_buf_hash);
// here one table serves them all. Freeing one extent looks up half a dozen buffers, so a look-up
// is a multiplication and, as a rule, one comparison. Left out: reclaim of buffers nobody holds.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "kernel/fs/xfs/xfs_log_item.hpp"
#include "kernel/fs/xfs/xfs_trans_buf.hpp"
#include "locking/semaphore.hpp"

namespace faultline::xfs {

/// A metadata buffer in the cache; its contents are the structures it stands for.
struct xfs_buf {
  semaphore b_sema;
  BufKind kind = BufKind::agf;
  Daddr daddr{};
  std::int32_t hold = 1;
  std::int32_t pincount = 0;  ///< checkpoints with a change of it that are not on disk yet
  xfs_log_item item;
};

class BufCache {
 public:
  /// The buffer at `daddr`; null if there is none yet.
  xfs_buf* find(Daddr daddr) const {
    if (slots_.empty()) return nullptr;
    return slots_[slot_of(daddr)];
  }
  /// The buffer at `daddr`, made if need be. It stays where it is.
  xfs_buf& get(Daddr daddr) {
    xfs_buf* const known = find(daddr);
    return known ? *known : add(daddr);
  }
  /// All buffers, in the order in which they were made.
  const std::vector<std::unique_ptr<xfs_buf>>& all() const { return buffers_; }

 private:
  // Where `daddr` is or would be: open addressing, at most half full. Blocks are 8 sectors apart.
  std::size_t slot_of(Daddr daddr) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t i = (daddr.v / 8 * 0x9e3779b97f4a7c15ULL >> 32) & mask;
    while (slots_[i] && slots_[i]->daddr != daddr) i = (i + 1) & mask;
    return i;
  }
  xfs_buf& add(Daddr daddr);

  std::vector<std::unique_ptr<xfs_buf>> buffers_;
  std::vector<xfs_buf*> slots_;  // a power of two of them
};

}  // namespace faultline::xfs
