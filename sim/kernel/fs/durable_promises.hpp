// What programs may rely on after a power cut, noted when it is promised and compared with what a
// cut would leave. Two promises: what a program has flushed and fenced through a writable entry of
// a MAP_SYNC mapping, or of a MAP_DIRECT mapping, is in the file; and what was in a file when an
// fsync of it began is there when that has succeeded. A promise ends when a transaction takes the
// block from the file: truncated, punched, copied. Documentation/filesystems/dax.rst and
// mmap(2) on MAP_SYNC, fsync(2), the posting of MAP_DIRECT (2017) on flushing from user space.
// Kept only when a run asks for it. Left out: files outside of DAX.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "kernel/fs/xfs/xfs_redo.hpp"
#include "kernel/kernel.hpp"

namespace faultline {

enum class PromiseKind : std::uint8_t { map_sync, map_direct, fsync };

/// Blocks [off, off + len) of a file, which lie at `start`, are readable up to byte `size`.
struct DurablePromise {
  std::uint64_t len = 0;
  FsBlock start{};
  std::uint64_t size = 0;
  PromiseKind kind = PromiseKind::fsync;
};

struct DurablePromises {
  struct FlushedLine {
    inode* node;
    std::uint64_t off;  ///< block
    std::uint64_t end;  ///< byte behind the line
    PromiseKind kind;
  };
  std::map<std::uint32_t, std::vector<FlushedLine>> flushed;  ///< by CPU, not fenced yet
  /// By index of the inode and first block; ranges of an inode are disjoint.
  std::map<std::uint32_t, std::map<std::uint64_t, DurablePromise>> by_inode;

  void add(const inode& node, std::uint64_t off, const DurablePromise& promise);
  /// The file gives [off, off + len) up.
  void drop(const inode& node, std::uint64_t off, std::uint64_t len);
};

/// The program flushes [at, at + length), which lies in one page, at `phys` on a pmem device.
/// Before the lines are flushed: who was clean promises nothing. `waits`: the flush itself makes
/// them durable, without a fence.
void note_user_flush(Kernel& k, Vaddr at, Paddr phys, std::uint64_t length, bool waits);
/// The current CPU's fence has made what it flushed durable.
void note_user_fence(Kernel& k);

/// A transaction commits: what it takes from a file is promised no longer.
void note_committed(Kernel& k, const xfs::xfs_mount& mp, const xfs::RedoRecord& record);

/// The written blocks of a file in a byte range when an fsync of it begins.
struct FsyncBegin {
  std::uint64_t size = 0;
  std::vector<xfs::Extent> blocks;
};
FsyncBegin note_fsync_begin(const inode& node, std::uint64_t start, std::uint64_t end);
void note_fsync_done(Kernel& k, const inode& node, const FsyncBegin& begin);

/// One sentence for each file and kind of promise that a power cut now would break; `recovered` is
/// what the log of the file's file system leaves.
std::vector<std::string> broken_promises(const Kernel& k, const super_block& sb,
                                         const xfs::MetaState& recovered);

}  // namespace faultline
