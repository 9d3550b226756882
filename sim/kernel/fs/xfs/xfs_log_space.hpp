// The account of space in the log of one file system: where it begins and ends on disk, the two
// grant heads with the transactions that wait at them in order, and what a transaction's ticket
// still holds. Linux 6.12 fs/xfs/xfs_log.c (xlog_grant_*, xfs_log_ticket_*), as plain data: who
// sleeps and wakes is xfs_log.cpp's. Numbers are bytes and agree with those a real kernel prints.
// Left out: a stripe unit of the log that is not that of the data, a log on a device of its own.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "engine/task.hpp"
#include "kernel/fs/xfs/xfs_trans_resv.hpp"
#include "locking/lock.hpp"

namespace faultline::xfs {

/// A grant of log space, from reservation to commit or cancel. It stays where it is while queued.
struct LogTicket {
  std::uint32_t unit = 0;        ///< bytes of one unit, all included
  std::uint32_t count = 0;       ///< units not yet begun; 0 when not permanent
  std::uint32_t ocnt = 0;        ///< as many as it began with
  std::uint32_t curr_res = 0;    ///< what is left of the unit in use
  std::uint32_t iclog_hdrs = 0;  ///< log buffers that one unit may reach into
  bool permanent = false;
  std::uint64_t tid = 0;  ///< number of the first transaction that uses it
  Task* task = nullptr;   ///< whose it is, once it was granted or waits
};

/// `struct xlog_grant_head`. As a lock it stands for the wait in the wait-for graph; nobody takes
/// it.
struct GrantHead : LockBase {
  std::uint64_t grant = 0;  ///< granted, and not on disk yet
  std::deque<LogTicket*> waiters;
};

/// Positions count bytes from the beginning of the log's first cycle.
class LogSpace {
 public:
  explicit LogSpace(const LogGeometry& geo = {});

  std::uint64_t size() const { return geo_.size; }
  const LogGeometry& geometry() const { return geo_; }
  std::uint64_t head() const { return head_; }
  std::uint64_t ail_head() const { return ail_head_; }
  std::uint64_t tail() const { return tail_; }
  /// Bytes that metadata not yet in place keep.
  std::uint64_t tail_space() const { return ail_head_ - tail_; }
  std::uint64_t space_left(const GrantHead& head) const;
  std::uint64_t cycle_of(std::uint64_t at) const { return at / geo_.size + 1; }
  std::uint64_t block_of(std::uint64_t at) const { return at % geo_.size / 512; }

  /// The ticket that a reservation of this type needs.
  LogTicket ticket(const TransRes& res) const;
  /// What it asks of a head: all of its units of the reserve head, one of the write head.
  std::uint64_t need(const GrantHead& head, const LogTicket& t) const;
  /// xlog_grant_head_check() up to the wait: true if there is space behind all who wait. Those for
  /// whom there is are put into `woken`.
  bool may_take(const GrantHead& head, const LogTicket& t, std::vector<LogTicket*>& woken) const;
  /// xlog_grant_head_wake(): the first waiters for whom `free` is enough; it becomes what is left.
  /// True if that were all.
  bool wake(const GrantHead& head, std::uint64_t& free, std::vector<LogTicket*>& woken) const;

  /// xfs_log_reserve() and xfs_log_regrant() after the wait.
  void take(LogTicket& t);
  void retake(LogTicket& t);
  /// xfs_log_ticket_regrant(): a roll gives back what is left of the unit. If no unit is left then,
  /// the next one has to be asked for at the write head.
  void roll(LogTicket& t);
  /// xfs_log_ticket_ungrant(): commit or cancel ends the grant.
  void ungrant(LogTicket& t);

  /// Bytes of a ticket go to the checkpoint that its transaction joins.
  void spend(LogTicket& t, std::uint32_t bytes);
  /// A checkpoint for which `reserved` bytes were spent is written with `payload` bytes: where it
  /// begins, and where its last log buffer does.
  struct Written {
    std::uint64_t start = 0, commit = 0;
  };
  Written write(std::uint64_t payload, std::uint64_t reserved);
  /// It is on disk: what it takes of the log counts for the tail from now on.
  void written(std::uint64_t commit);
  /// The oldest metadata not in place; nothing is older than `tail`.
  void move_tail(std::uint64_t tail);

  /// XLOG_CIL_SPACE_LIMIT: memory for changes from which on they are written in the background.
  std::uint64_t cil_limit() const;

  GrantHead reserve_head;
  GrantHead write_head;

 private:
  void add(std::uint64_t bytes);
  void sub(std::uint64_t bytes);

  LogGeometry geo_{};
  std::uint64_t head_ = 0;      // where the next checkpoint goes
  std::uint64_t ail_head_ = 0;  // commit record of the newest one on disk
  std::uint64_t tail_ = 0;
};

}  // namespace faultline::xfs
