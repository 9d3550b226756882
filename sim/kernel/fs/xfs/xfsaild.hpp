// The daemon of the active item list: one task for each file system, which writes items back up to
// a target. Linux 6.12 fs/xfs/xfs_trans_ail.c xfsaild. It ends when it has nothing to push and is
// begun anew, so that a run in which nothing else happens comes to its end.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline::xfs {

struct xfs_mount;

enum class Wakeup : std::uint8_t {
  now,           ///< wake_up_process()
  at_next_look,  ///< it looks every 50 ms while there are items
};

/// Has the daemon run; nothing happens while the list is empty.
void wake_xfsaild(Kernel& k, xfs_mount& mp, Wakeup when);
/// Whether an item is older than what is to be kept in the log.
bool xfsaild_has_work(const xfs_mount& mp);
/// xfs_ail_update_finish(): the tail of the log follows the oldest item, those who wait for log
/// space or for the list to be empty are woken.
void xfs_ail_update_finish(Kernel& k, xfs_mount& mp);

}  // namespace faultline::xfs
