// The table of what is built. To switch a part on, write `true`; nothing else knows.
#include "scenario/support.hpp"

#include <array>

namespace faultline {
namespace {

constexpr auto table = std::to_array<Support>({
    {"profile", "linux-6.12", true},
    {"profile", "linux-7.1", true},
    {"profile", "linux-4.13+map-direct-v5", true},
    {"profile", "linux-4.13+map-direct-v6", true},
    {"profile", "linux-4.13+map-direct-v7", true},
    {"profile", "linux-7.1+map-direct", true},

    {"verb", "open", true},
    {"verb", "close", true},
    {"verb", "mmap", true},
    {"verb", "mmap3", true},
    {"verb", "munmap", true},
    {"verb", "mremap", true},
    {"verb", "mprotect", true},
    {"verb", "madvise", true},
    {"verb", "mlock", true},
    {"verb", "munlock", true},
    {"verb", "msync", true},
    {"verb", "load", true},
    {"verb", "store", true},
    {"verb", "flush", true},
    {"verb", "fence", true},
    {"verb", "pread", true},
    {"verb", "pwrite", true},
    {"verb", "read", false},
    {"verb", "write", false},
    {"verb", "aio_write", true},
    {"verb", "aio_read", true},
    {"verb", "ftruncate", true},
    {"verb", "fsync", true},
    {"verb", "fdatasync", true},
    {"verb", "fallocate", true},
    {"verb", "clone", true},
    {"verb", "dedupe", true},
    {"verb", "exchange", true},
    {"verb", "fcntl", true},
    {"verb", "fsxattr", true},
    {"verb", "fiemap", true},
    {"verb", "unlink", true},
    {"verb", "freeze", true},
    {"verb", "thaw", true},
    {"verb", "fork", true},
    {"verb", "exec", true},
    {"verb", "exit", true},
    {"verb", "wait", true},
    {"verb", "kill", true},
    {"verb", "pin", true},
    {"verb", "unpin", true},
    {"verb", "remap_file_pages", true},
    {"verb", "sleep", true},
    {"verb", "compute", true},
    {"verb", "crash", true},
    {"verb", "repeat", true},
    {"verb", "lock", true},
    {"verb", "unlock", true},
    {"verb", "downgrade", true},
    {"verb", "init", true},
    {"verb", "might_alloc", true},
    {"verb", "snapshot", true},
    {"verb", "read_maps", true},
    {"verb", "unmap_mapping", true},
    {"verb", "fadvise", false},
    {"verb", "layoutget", true},
    {"verb", "layoutreturn", true},
    {"verb", "uffd_register", true},
    {"verb", "uffd_read", true},
    {"verb", "uffd_copy", true},

    {"expectation", "outcome", true},
    {"expectation", "count", true},
    {"expectation", "order", true},
    {"expectation", "never", true},
    {"expectation", "lock_cycles", true},
    {"expectation", "deadlock", true},
    {"expectation", "finding", true},
    {"expectation", "extents", true},
    {"expectation", "pte", true},
    {"expectation", "content", true},
    {"expectation key", "in", false},
    {"step expectation", "errno", true},
    {"step expectation", "value", true},
    {"step expectation", "signal", true},
    {"step expectation", "code", true},
    {"step expectation", "fault", true},
    {"step expectation", "faults", true},
    {"step expectation", "leaf", true},

    {"top-level key", "inject", false},
    {"top-level key", "locks", true},
    {"device", "pmem", true},
    {"device", "block", true},
    {"device", "char", true},
    {"pmem key", "poison", false},
    {"file system", "xfs", true},
    {"file system", "tmpfs", true},
    {"dax mode", "always", true},
    {"dax mode", "never", true},
    {"dax mode", "inode", true},
    {"xfs key", "agcount", true},
    {"xfs key", "sunit", false},
    {"xfs key", "swidth", false},
    {"file type", "regular", true},
    {"file type", "directory", true},
    {"file type", "char", true},
    {"file type", "pipe", true},
    {"file key", "cached", true},
    {"file key", "extsize", false},
    {"extent key", "shared_with", true},
    {"extent state", "written", true},
    {"extent state", "unwritten", true},
    {"extent state", "delalloc", false},

    {"task key", "parent", true},
    {"task key", "priority", true},
    {"task key", "image", true},
    {"task key", "stack", true},

    {"chooser", "timed", true},
    {"chooser", "sequential", true},
    {"chooser", "random", true},
    {"chooser", "replay", true},
});

}  // namespace

std::span<const Support> support_table() { return table; }

bool is_built(std::string_view sort, std::string_view word) {
  for (const Support& entry : table) {
    if (entry.word == word && entry.sort == sort) return entry.built;
  }
  return true;
}

}  // namespace faultline
