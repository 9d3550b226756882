// Which tracepoint means what to which lock.
#include "analysis/traced_locks.hpp"

#include <algorithm>
#include <utility>

namespace faultline {

namespace {

constexpr std::uint64_t flag_try = 1;
constexpr std::uint64_t flag_read = 2;
constexpr std::size_t nowhere = ~std::size_t{0};

// The three locks of an inode in the order in which xfs_ilock() takes them: bits of its flags, and
// where the subclass stands (fs/xfs/xfs_inode.h XFS_IOLOCK_SHIFT and the others).
struct InodeLock {
  const char* name;
  std::uint64_t exclusive;
  std::uint64_t shared;
  unsigned subclass_shift;
  std::uint64_t subclass_mask;
};
constexpr InodeLock inode_locks[] = {
    {"XFS_IOLOCK", 1, 2, 16, 0x3}, {"XFS_MMAPLOCK", 16, 32, 20, 0x3}, {"XFS_ILOCK", 4, 8, 24, 0x7}};

void tell(const TraceLine& line, Event event, std::uint64_t id, const std::string& name,
          std::uint64_t flags, LineSink out) {
  const bool with_flags = event == Event::lock_acquire;
  const FieldValue id_field{"id", FieldType::ptr, id, {}};
  const FieldValue name_field{"name", FieldType::sym, 0, name};
  const FieldValue three[] = {id_field, {"flags", FieldType::lock_mode, flags, {}}, name_field};
  const FieldValue two[] = {id_field, name_field};
  TraceLine made = line;
  made.inferred = true;
  made.known = event;
  made.event = catalogue::info(event).name;
  made.body = {};
  made.fields = with_flags ? std::span<const FieldValue>(three) : std::span<const FieldValue>(two);
  out.fn(out.self, made);
}

template <class Held>
std::size_t find(const Held& held, std::uint64_t id) {
  for (std::size_t i = held.size(); i-- > 0;) {
    if (held[i].id == id) return i;
  }
  return nowhere;
}

}  // namespace

void TracedLocks::line(const TraceLine& line, LineSink out) {
  if (line.kind == TraceLine::Kind::lost) return held_.clear();
  if (line.kind == TraceLine::Kind::frame) return;
  if (!line.known || line.fields.empty()) return;
  switch (*line.known) {
    case Event::mmap_lock_start_locking:
    case Event::mmap_lock_acquire_returned:
    case Event::mmap_lock_released:
      return mmap_lock(line, held_[line.pid], out);
    case Event::xfs_ilock:
    case Event::xfs_ilock_nowait:
    case Event::xfs_ilock_demote:
    case Event::xfs_iunlock:
      return xfs_ilock(line, held_[line.pid], out);
    case Event::sys_exit: {
      // None of these is held across the return to a program: what is left was a try that failed,
      // or was released where no tracepoint is.
      Held& held = held_[line.pid];
      while (!held.empty()) release(line, held, held.size() - 1, out);
      return;
    }
    default:
      return;
  }
}

void TracedLocks::acquire(const TraceLine& line, Held& held, Lock lock, LineSink out) {
  const std::uint64_t flags = (lock.tried ? flag_try : 0) | (lock.shared ? flag_read : 0);
  tell(line, Event::lock_acquire, lock.id, lock.name, flags, out);
  held.push_back(std::move(lock));
}

void TracedLocks::release(const TraceLine& line, Held& held, std::size_t index, LineSink out) {
  const Lock lock = std::move(held[index]);
  held.erase(held.begin() + static_cast<std::ptrdiff_t>(index));
  tell(line, Event::lock_release, lock.id, lock.name, 0, out);
}

void TracedLocks::mmap_lock(const TraceLine& line, Held& held, LineSink out) {
  const std::uint64_t id = line.value("mm");
  const bool write = line.value("write") != 0;
  const std::size_t at = find(held, id);
  if (*line.known == Event::mmap_lock_start_locking) {
    if (at != nowhere) release(line, held, at, out);
    return acquire(line, held, {id, "&mm->mmap_lock", !write, false, true}, out);
  }
  const bool returned = *line.known == Event::mmap_lock_acquire_returned;
  if (at == nowhere) {
    // Tries return without having been started.
    const bool taken = returned && line.value("success") != 0;
    if (taken) acquire(line, held, {id, "&mm->mmap_lock", !write, true, false}, out);
    return;
  }
  if (!returned) return release(line, held, at, out);
  if (line.value("success") == 0) {
    tell(line, Event::lock_contended, id, held[at].name, 0, out);
    return release(line, held, at, out);
  }
  // mmap_write_downgrade() tells of a read lock that was acquired without having been started.
  if (!held[at].waiting && !held[at].shared && !write) {
    held[at].shared = true;
    return tell(line, Event::sim_lock_downgrade, id, held[at].name, 0, out);
  }
  held[at].waiting = false;
  tell(line, Event::lock_acquired, id, held[at].name, 0, out);
}

void TracedLocks::xfs_ilock(const TraceLine& line, Held& held, LineSink out) {
  const std::uint64_t flags = line.value("flags");
  // A number for an instance of each: device, inode, which lock.
  const std::uint64_t dev = line.value("dev");
  const std::uint64_t device = (dev >> 20 & 0xff) << 56 | (dev & 0xff) << 48;
  const std::uint64_t inode = device ^ (line.value("ino") << 8);
  for (const InodeLock& which : inode_locks) {
    if ((flags & (which.exclusive | which.shared)) == 0) continue;
    const std::uint64_t id = inode + which.exclusive;
    const std::size_t at = find(held, id);
    if (*line.known == Event::xfs_iunlock) {
      if (at != nowhere) release(line, held, at, out);
      continue;
    }
    if (*line.known == Event::xfs_ilock_demote) {
      if (at == nowhere || held[at].shared) continue;
      held[at].shared = true;
      tell(line, Event::sim_lock_downgrade, id, held[at].name, 0, out);
      continue;
    }
    // Nobody takes one twice: the try before has failed.
    if (at != nowhere && held[at].tried) release(line, held, at, out);
    const std::uint64_t subclass = flags >> which.subclass_shift & which.subclass_mask;
    std::string name = which.name;
    if (subclass != 0) name += "/" + std::to_string(subclass);
    const bool tried = *line.known == Event::xfs_ilock_nowait;
    acquire(line, held, {id, std::move(name), (flags & which.shared) != 0, tried, false}, out);
  }
}

}  // namespace faultline
