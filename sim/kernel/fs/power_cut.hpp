// What would be left if the power failed now: for each XFS the state that log recovery makes of the
// durable part of its log, and for each line of persistent memory the contents that it may have. A
// cut leaves one of many images: nothing that was pending, everything, or any lines of it; looked
// at are these two and each state of each pending line alone. A pure look: the run may go on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernel/fs/cut_line.hpp"
#include "kernel/fs/xfs/xfs_redo.hpp"
#include "kernel/kernel.hpp"

namespace faultline {

struct FsAfterCut {
  const super_block* sb = nullptr;
  xfs::MetaState recovered;
  std::uint64_t lost_records = 0;     ///< of committed transactions that no log force has covered
  std::vector<std::string> wrong;     ///< about what recovery made: xfs_log_recover.hpp
  std::vector<std::string> promises;  ///< that are broken: durable_promises.hpp
};

struct PowerCut {
  std::vector<FsAfterCut> filesystems;
  std::uint64_t pending_lines = 0;
  std::uint64_t images = 1;    ///< 1: nothing was pending
  std::vector<CutLine> lines;  ///< the first `kept_lines` of them
  static constexpr std::size_t kept_lines = 64;
};

/// From now on the kernel keeps what look_at_power_cut() needs. Before the first transaction.
void prepare_power_cuts(Kernel& k);

PowerCut look_at_power_cut(const Kernel& k);

/// What eight bytes of a file are in each image that tells them apart: nothing that was pending,
/// everything, then each state of the lines that they are in. Without the page cache.
std::vector<std::uint64_t> contents_after(const PowerCut& cut, const inode& node, std::uint64_t at);

}  // namespace faultline
