// The mapping between a file range and what is behind it, as file systems hand it to fs/dax.c.
// Linux 6.12 include/linux/iomap.h and fs/iomap/iter.c.
#pragma once

#include <faultline/types.hpp>

#include "engine/path.hpp"
#include "kernel/fs/fs_types.hpp"

namespace faultline {

struct Kernel;

inline constexpr std::uint16_t IOMAP_HOLE = 0, IOMAP_DELALLOC = 1, IOMAP_MAPPED = 2,
                               IOMAP_UNWRITTEN = 3, IOMAP_INLINE = 4;
inline constexpr std::uint16_t IOMAP_F_NEW = 1u << 0, IOMAP_F_DIRTY = 1u << 1,
                               IOMAP_F_SHARED = 1u << 2, IOMAP_F_SIZE_CHANGED = 1u << 8,
                               IOMAP_F_STALE = 1u << 9;
inline constexpr unsigned IOMAP_WRITE = 1u << 0, IOMAP_ZERO = 1u << 1, IOMAP_REPORT = 1u << 2,
                          IOMAP_FAULT = 1u << 3, IOMAP_DIRECT = 1u << 4, IOMAP_NOWAIT = 1u << 5,
                          IOMAP_OVERWRITE_ONLY = 1u << 6, IOMAP_UNSHARE = 1u << 7,
                          IOMAP_DAX = 1u << 8;
inline constexpr std::uint64_t IOMAP_NULL_ADDR = ~0ULL;

struct iomap {
  std::uint64_t addr = IOMAP_NULL_ADDR;  ///< bytes on the device
  std::uint64_t offset = 0;              ///< bytes in the file
  std::uint64_t length = 0;
  std::uint16_t type = IOMAP_HOLE;
  std::uint16_t flags = 0;
};

/// A file system's answer to "what is behind this range". 0 or a negative errno. `srcmap` is where
/// the old data are when a write goes elsewhere; a hole when it does not.
struct iomap_ops {
  const char* name;
  Path<std::int64_t> (*iomap_begin)(Kernel&, inode&, std::uint64_t pos, std::uint64_t length,
                                    unsigned flags, iomap&, iomap& srcmap) = nullptr;
  Path<std::int64_t> (*iomap_end)(Kernel&, inode&, std::uint64_t pos, std::uint64_t length,
                                  std::int64_t written, unsigned flags, iomap&) = nullptr;
};

/// State of an iteration over a file range, one mapping at a time.
struct iomap_iter {
  inode* host = nullptr;
  std::uint64_t pos = 0;
  std::uint64_t len = 0;
  unsigned flags = 0;
  std::int64_t processed = 0;  ///< bytes done of the current mapping, or a negative errno
  iomap map;
  iomap srcmap;
  bool started = false;
};

/// Ends the mapping just worked on and begins the next. 1: there is one, 0: done, else an error.
/// `caller` is the function that iterates, for the trace.
HelperPath<std::int64_t> iomap_iter_next(Kernel& k, iomap_iter& iter, const iomap_ops& ops,
                                         const char* caller);

}  // namespace faultline
