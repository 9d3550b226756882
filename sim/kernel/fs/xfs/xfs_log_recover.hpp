// What a power cut leaves of an XFS: the state from which its log counts, and what must be true of
// the file system that recovery makes of the durable part of it. Models the effect of log recovery
// of linux 6.12 (fs/xfs/xfs_log_recover.c) and what xfs_repair would complain of afterwards. Left
// out: intents of mappings and reference counts (a chain of a copy on write is recovered as far as
// it came), checkpoints that are being written (they are lost).
#pragma once

#include <string>
#include <vector>

#include "kernel/fs/xfs/xfs_redo.hpp"
#include "kernel/kernel.hpp"

namespace faultline::xfs {

struct xfs_mount;

/// Everything on disk as it is now, with all that is in memory only.
MetaState meta_state_of(const Kernel& k, const xfs_mount& mp);

/// What is wrong with a recovered file system: blocks that are owned and free, or owned twice where
/// nothing may be shared, or lie outside of the device. One sentence each.
std::vector<std::string> check_recovered(const xfs_mount& mp, const MetaState& state);

/// The mapping of one block of a recovered inode; len 0: there is none.
Extent recovered_block(const MetaState& state, Ino ino, std::uint64_t off);

}  // namespace faultline::xfs
