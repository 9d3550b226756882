// Metadata as redo records see it: what a committed transaction changed, and the state that results
// from applying records in order. After a crash a file system is the initial state plus the records
// of the durable prefix of the log, nothing else.
// Models log recovery of linux 6.12 (fs/xfs/xfs_log_recover.c) by its effect; the real log has
// buffers and inodes, not operations.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "kernel/fs/xfs/xfs_iext.hpp"

namespace faultline::xfs {

enum class RedoKind : std::uint8_t {
  core,            ///< the inode exists: a = on-disk flags
  extent_add,      ///< off, start, len, state: new mapping
  extent_convert,  ///< off, len, state: mapped blocks change state
  extent_del,      ///< off, len: mapped blocks are unmapped
  size,            ///< a = on-disk size in bytes
  times,           ///< a = ns; bits of b: 1 atime, 2 mtime, 4 ctime
  free_del,        ///< start, len: free space is taken
  free_add,        ///< start, len: space becomes free
  free_intent,     ///< start, len: will be freed (EFI); recovery frees it if no free_add follows
  counters,        ///< a = change of fdblocks, two's complement
  unlinked,        ///< the inode has no name left: it is on its group's list until it is freed
  ifree,           ///< it is off that list, and free
};

/// One change. Fields that a kind does not name are 0.
struct RedoRecord {
  RedoKind kind = RedoKind::core;
  ExtState state = ExtState::written;
  ExtLen len = 0;
  Ino ino{};
  std::uint64_t off = 0;
  FsBlock start{};
  std::uint64_t a = 0;
  std::uint64_t b = 0;
  friend bool operator==(const RedoRecord&, const RedoRecord&) = default;
};

struct RedoInode {
  std::uint64_t flags = 0;
  std::uint64_t size = 0;
  std::uint64_t atime = 0;
  std::uint64_t mtime = 0;
  std::uint64_t ctime = 0;
  std::map<std::uint64_t, Extent> extents;  ///< by file offset, merged wherever possible
  friend bool operator==(const RedoInode&, const RedoInode&) = default;
};

/// All metadata that the records describe, in one canonical form: equal states compare equal.
struct MetaState {
  std::map<Ino, RedoInode> inodes;
  std::map<FsBlock, std::uint64_t> free;     ///< start -> length, merged
  std::map<FsBlock, std::uint64_t> intents;  ///< to be freed
  std::set<Ino> unlinked;                    ///< without a name, and not freed yet
  std::uint64_t fdblocks = 0;
  friend bool operator==(const MetaState&, const MetaState&) = default;
};

/// Applies one record. Returns an empty string, or what about the record contradicts the state
/// (double free, overlapping mapping, ...): a defect of the model that wrote it.
std::string apply(MetaState& state, const RedoRecord& record);

/// Applies records in order; stops at the first contradiction.
std::string replay(MetaState& state, const std::vector<RedoRecord>& records);

/// Applies one record as recovery does: space may be freed or taken that partly is so already. The
/// blocks of the free lists and of B+trees come and go without records; what the records say of
/// them is taken as far as it goes. Returns what contradicts the state otherwise, or "".
std::string recover(MetaState& state, const RedoRecord& record);

/// Second half of recovery: frees what intents promised and no transaction did.
void finish_intents(MetaState& state);

/// Third part of recovery (xlog_recover_process_iunlinks): inodes without a name are inactivated.
/// Their blocks become free, except those that another inode shares. They stay in `unlinked`, so
/// that one can tell what happened to them.
void process_iunlinks(MetaState& state);

}  // namespace faultline::xfs
