// Waiting for log space: reservations and regrants that sleep in the order in which they came, who
// wakes them, and forces of the log. Linux 6.12 fs/xfs/xfs_log.c. Left out: a log that was shut
// down, covering of an idle log by the worker that runs every 30 s.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline::xfs {

struct LogTicket;
struct xfs_mount;

/// xfs_log_reserve(): space for all units of the ticket.
HelperPath<void> xfs_log_reserve(Kernel& k, xfs_mount& mp, LogTicket& t);
/// xfs_log_regrant(): one more unit for a chain that has used up its own.
Path<void> xfs_log_regrant(Kernel& k, xfs_mount& mp, LogTicket& t);
/// xfs_log_ticket_ungrant(): the end of the grant; those who wait are woken.
void xfs_log_ticket_ungrant(Kernel& k, xfs_mount& mp, LogTicket& t);
/// Wakes those for whom there is space now.
void xfs_log_space_wake(Kernel& k, xfs_mount& mp);

/// The record of a task that is throttled because too much of the log is in memory.
void trace_cil_wait(Kernel& k, const xfs_mount& mp);

/// xfs_log_force_seq(): returns when the log is on disk up to checkpoint `seq`; `caller` as the
/// tracepoint names it.
Path<void> xfs_log_force_seq(Kernel& k, xfs_mount& mp, std::uint64_t seq, const char* caller);
/// xfs_log_force(): all that is committed.
Path<void> xfs_log_force(Kernel& k, xfs_mount& mp, const char* caller);
/// xfs_file_sync_writes(): whether calls on the open file return only when their changes are
/// durable.
bool xfs_file_sync_writes(const file& file);
/// xfs_log_force_inode(): makes all changes of the inode durable.
Path<void> xfs_log_force_inode(Kernel& k, inode& ip);
/// xfs_log_quiesce(): the log is on disk, all metadata are in place, and the log says so.
Path<void> xfs_log_quiesce(Kernel& k, xfs_mount& mp);

/// For what is told of a run that is over: tasks in transactions, and the daemon that frees space,
/// count as holders of the log space that others wait for.
void note_log_space_holders(Kernel& k);

}  // namespace faultline::xfs
