// Growing the cache of metadata buffers. See the header.
#include "kernel/fs/xfs/xfs_buf_cache.hpp"

#include <algorithm>

namespace faultline::xfs {

xfs_buf& BufCache::add(Daddr daddr) {
  if (slots_.size() < 2 * (buffers_.size() + 1)) {
    slots_.assign(std::max<std::size_t>(64, 4 * buffers_.size()), nullptr);
    for (const auto& known : buffers_) slots_[slot_of(known->daddr)] = known.get();
  }
  buffers_.push_back(std::make_unique<xfs_buf>());
  buffers_.back()->daddr = daddr;
  slots_[slot_of(daddr)] = buffers_.back().get();
  return *buffers_.back();
}

}  // namespace faultline::xfs
