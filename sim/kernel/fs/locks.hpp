// Leases on files: who holds one is told before somebody does what it forbids, and has some time to
// give it up. Linux 6.12 fs/locks.c: vfs_setlease, __break_lease, time_out_leases. A lease of
// fcntl(2) is against opening and truncating, a layout lease against changing what blocks the file
// has. Left out: delegations, POSIX and BSD locks.
#pragma once

#include <list>
#include <vector>

#include "kernel/kernel.hpp"

namespace faultline {

/// What a lease is against; the two kinds do not meet.
inline constexpr std::uint32_t FL_LEASE = 32, FL_LAYOUT = 2048;
enum class LeaseType : std::uint8_t { read = 0, write = 1, none = 2 };  ///< F_RDLCK, ...

struct file_lock;

/// What the holder of a lease wants done. include/linux/filelock.h.
struct lock_manager_operations {
  /// Somebody wants it broken. True: it may go at once.
  bool (*lm_break)(Kernel&, file_lock&) = nullptr;
  /// It is about to be removed.
  void (*lm_change)(Kernel&, file_lock&) = nullptr;
};

struct file_lock {
  std::uint32_t fl_flags = FL_LEASE;
  LeaseType fl_type = LeaseType::read;
  file* fl_file = nullptr;
  std::uint64_t fl_owner = 0;  ///< of all leases of the World: who holds it
  TaskId signalled{};          ///< who gets SIGIO
  const lock_manager_operations* fl_lmops = nullptr;
  void* data = nullptr;  ///< of its manager
  bool unlock_pending = false, downgrade_pending = false;
  /// When it is taken away, or made a lease for reading; 0: never, its manager sees to that.
  Nanos fl_break_time{}, fl_downgrade_time{};
  std::vector<Task*> blocked;  ///< who waits for its end
};

struct file_lock_context {
  spinlock_t flc_lock;
  std::list<file_lock> flc_lease;
  std::vector<std::shared_ptr<void>> kept;  ///< what managers of leases need while the file is
};

/// Whether a lease of that kind is on the file, as it is looked at without any lock.
bool has_lease(const inode& node, std::uint32_t kind);

/// vfs_setlease() with F_RDLCK or F_WRLCK: 0 or -EACCES, -EINVAL, -EAGAIN. Changes one that the
/// same owner has on the same open file.
Path<std::int64_t> vfs_setlease(Kernel& k, const file_lock& wanted);
/// With F_UNLCK: 0, or -EAGAIN if that owner has none on the file.
Path<std::int64_t> generic_delete_lease(Kernel& k, inode& node, std::uint64_t owner);

/// __break_lease(): breaks what conflicts, and waits for its end unless `nonblock`. 0,
/// -EWOULDBLOCK, or -ERESTARTSYS if a signal came.
Path<std::int64_t> __break_lease(Kernel& k, inode& node, bool want_write, bool nonblock,
                                 std::uint32_t kind);

/// Whether leases were taken on this open file, and what becomes of them when it goes.
bool holds_lease(const file& f);
Path<void> locks_remove_file(Kernel& k, file& f);

/// fcntl(F_SETLEASE) and fcntl(F_GETLEASE).
Path<std::int64_t> fcntl_setlease(Kernel& k, file& f, std::uint64_t arg);
Path<std::int64_t> fcntl_getlease(Kernel& k, file& f);

/// kill_fasync(): SIGIO for the holder of a lease.
void send_sigio(Kernel& k, TaskId id);

}  // namespace faultline
