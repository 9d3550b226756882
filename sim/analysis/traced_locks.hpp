// Lock events for a kernel that was built without lock debugging: what its tracepoints say of
// mmap_lock (include/trace/events/mmap_lock.h) and of the locks of an XFS inode (fs/xfs/xfs_trace.h
// xfs_lock_class; Linux 4.13 to 7.1), in the words of lock_acquire and lock_release. An attempt is
// seen before its wait; whether XFS's own try succeeded is not said. Left out: locks of an inode
// that the VFS takes itself.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "trace/text_reader.hpp"

namespace faultline {

class TracedLocks {
 public:
  /// Calls `out` with each lock event that the line implies, as a line with `inferred` set.
  void line(const TraceLine& line, LineSink out);

 private:
  struct Lock {
    std::uint64_t id = 0;
    std::string name;
    bool shared = false;
    bool tried = false;    // and nobody knows whether that succeeded
    bool waiting = false;  // its success was not told of yet
  };
  using Held = std::vector<Lock>;

  void mmap_lock(const TraceLine& line, Held& held, LineSink out);
  void xfs_ilock(const TraceLine& line, Held& held, LineSink out);
  void acquire(const TraceLine& line, Held& held, Lock lock, LineSink out);
  void release(const TraceLine& line, Held& held, std::size_t index, LineSink out);

  std::map<std::int32_t, Held> held_;  // by pid
};

}  // namespace faultline
