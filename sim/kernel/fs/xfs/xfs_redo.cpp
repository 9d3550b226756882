// Applying redo records. See the header.
#include "kernel/fs/xfs/xfs_redo.hpp"

#include <iterator>

namespace faultline::xfs {
namespace {

using Extents = std::map<std::uint64_t, Extent>;

/// Splits the mapping that covers `off`, if any, so that one begins there.
void split_at(Extents& extents, std::uint64_t off) {
  auto it = extents.lower_bound(off);
  if (it == extents.begin()) return;
  Extent& e = std::prev(it)->second;
  if (e.end() <= off) return;
  const auto front = ExtLen(off - e.off);
  extents.emplace(off, Extent{off, e.start + front, e.len - front, e.state});
  e.len = front;
}

/// Joins the mapping at `it` with the one before it if they are one.
Extents::iterator merge_back(Extents& extents, Extents::iterator it) {
  if (it == extents.begin() || it == extents.end()) return it;
  const auto before = std::prev(it);
  if (!contiguous(before->second, it->second)) return it;
  before->second.len += it->second.len;
  extents.erase(it);
  return before;
}

void merge_around(Extents& extents, std::uint64_t off, std::uint64_t end) {
  auto it = extents.lower_bound(off);
  while (it != extents.end() && it->first <= end) it = std::next(merge_back(extents, it));
}

/// Blocks of [off, end) that are mapped.
std::uint64_t covered(const Extents& extents, std::uint64_t off, std::uint64_t end) {
  std::uint64_t n = 0;
  for (auto it = extents.lower_bound(off); it != extents.end() && it->first < end; ++it) {
    n += std::min(end, it->second.end()) - it->first;
  }
  return n;
}

std::string apply_extent(Extents& extents, const RedoRecord& r) {
  const std::uint64_t end = r.off + r.len;
  split_at(extents, r.off);
  split_at(extents, end);
  const std::uint64_t mapped = covered(extents, r.off, end);
  const auto first = extents.lower_bound(r.off);
  const auto last = extents.lower_bound(end);
  std::string wrong;
  if (r.kind == RedoKind::extent_add) {
    if (mapped != 0) wrong = "a mapping is added where one is";
    if (mapped == 0) extents.emplace(r.off, Extent{r.off, r.start, r.len, r.state});
  } else if (mapped != r.len) {
    wrong = "a hole is converted or unmapped";
  } else if (r.kind == RedoKind::extent_del) {
    extents.erase(first, last);
  } else {
    for (auto it = first; it != last; ++it) it->second.state = r.state;
  }
  merge_around(extents, r.off, end);
  return wrong;
}

/// Adds [start, start + len) to merged intervals; false if any of it is in them already.
bool add_interval(std::map<FsBlock, std::uint64_t>& set, FsBlock start, std::uint64_t len) {
  auto next = set.lower_bound(start);
  if (next != set.end() && next->first - start < len) return false;
  if (next != set.begin()) {
    const auto before = std::prev(next);
    const std::uint64_t gap = start - before->first;
    if (gap < before->second) return false;
    if (gap == before->second) {
      start = before->first;
      len += before->second;
      set.erase(before);
    }
  }
  if (next != set.end() && next->first == start + len) {
    len += next->second;
    set.erase(next);
  }
  set.emplace(start, len);
  return true;
}

/// Takes [start, start + len) out; false if not all of it is in one interval.
bool take_interval(std::map<FsBlock, std::uint64_t>& set, FsBlock start, std::uint64_t len) {
  auto it = set.upper_bound(start);
  if (it == set.begin()) return false;
  --it;
  const std::uint64_t front = start - it->first;
  if (front + len > it->second) return false;
  const std::uint64_t back = it->second - front - len;
  if (back != 0) set.emplace(start + len, back);
  if (front != 0) {
    it->second = front;
  } else {
    set.erase(it);
  }
  return true;
}

/// Takes [start, start + len) out, as far as it is in.
void subtract_interval(std::map<FsBlock, std::uint64_t>& set, FsBlock start, std::uint64_t len) {
  auto it = set.upper_bound(start);
  if (it != set.begin()) --it;
  const FsBlock end = start + len;
  while (it != set.end() && it->first < end) {
    const FsBlock first = it->first;
    const FsBlock last = first + it->second;
    if (last <= start) {
      ++it;
      continue;
    }
    it = set.erase(it);
    if (first < start) set.emplace(first, start - first);
    if (end < last) it = set.emplace(end, last - end).first;
  }
}

}  // namespace

std::string apply(MetaState& state, const RedoRecord& r) {
  switch (r.kind) {
    case RedoKind::core:
      state.inodes[r.ino].flags = r.a;
      return {};
    case RedoKind::extent_add:
    case RedoKind::extent_convert:
    case RedoKind::extent_del:
      return apply_extent(state.inodes[r.ino].extents, r);
    case RedoKind::size:
      state.inodes[r.ino].size = r.a;
      return {};
    case RedoKind::times: {
      RedoInode& inode = state.inodes[r.ino];
      if ((r.b & 1) != 0) inode.atime = r.a;
      if ((r.b & 2) != 0) inode.mtime = r.a;
      if ((r.b & 4) != 0) inode.ctime = r.a;
      return {};
    }
    case RedoKind::free_del:
      return take_interval(state.free, r.start, r.len) ? "" : "space is taken that is not free";
    case RedoKind::free_add:
      if (!add_interval(state.free, r.start, r.len)) return "free space is freed again";
      take_interval(state.intents, r.start, r.len);
      return {};
    case RedoKind::free_intent:
      return add_interval(state.intents, r.start, r.len) ? "" : "space is to be freed twice";
    case RedoKind::counters:
      state.fdblocks += r.a;
      return {};
    case RedoKind::unlinked:
      return state.unlinked.insert(r.ino).second ? "" : "an inode is unlinked twice";
    case RedoKind::ifree:
      state.inodes.erase(r.ino);
      return state.unlinked.erase(r.ino) == 1 ? "" : "an inode is freed that is not unlinked";
  }
  return "a record of no known kind";
}

std::string replay(MetaState& state, const std::vector<RedoRecord>& records) {
  for (const RedoRecord& r : records) {
    if (std::string wrong = apply(state, r); !wrong.empty()) return wrong;
  }
  return {};
}

std::string recover(MetaState& state, const RedoRecord& r) {
  switch (r.kind) {
    case RedoKind::free_del:
      subtract_interval(state.free, r.start, r.len);
      return {};
    case RedoKind::free_add:
      subtract_interval(state.free, r.start, r.len);
      add_interval(state.free, r.start, r.len);
      subtract_interval(state.intents, r.start, r.len);
      return {};
    case RedoKind::free_intent:
      subtract_interval(state.intents, r.start, r.len);
      add_interval(state.intents, r.start, r.len);
      return {};
    default:
      return apply(state, r);
  }
}

void finish_intents(MetaState& state) {
  for (const auto& [start, len] : state.intents) {
    subtract_interval(state.free, start, len);
    add_interval(state.free, start, len);
    state.fdblocks += len;
  }
  state.intents.clear();
}

void process_iunlinks(MetaState& state) {
  std::map<FsBlock, std::uint64_t> given_up;
  for (const Ino ino : state.unlinked) {
    const auto inode = state.inodes.find(ino);
    if (inode == state.inodes.end()) continue;
    for (const auto& [off, e] : inode->second.extents) {
      subtract_interval(given_up, e.start, e.len);  // two of them may share it
      add_interval(given_up, e.start, e.len);
    }
    state.inodes.erase(inode);
  }
  for (const auto& [ino, inode] : state.inodes) {
    for (const auto& [off, e] : inode.extents) subtract_interval(given_up, e.start, e.len);
  }
  for (const auto& [start, len] : given_up) {
    subtract_interval(state.free, start, len);
    add_interval(state.free, start, len);
    state.fdblocks += len;
  }
}

}  // namespace faultline::xfs
