// Reference counts as intervals. See the header.
#include "kernel/fs/xfs/xfs_refcount.hpp"

#include <algorithm>
#include <iterator>

#include "base/bug.hpp"

namespace faultline::xfs {

void Refcounts::split(AgBlock at) {
  auto it = shared_.lower_bound(at);
  if (it == shared_.begin()) return;
  --it;
  const AgBlock end = it->first + it->second.len;
  if (end <= at) return;
  shared_.emplace(at, Rec{end - at, it->second.users});
  it->second.len = at - it->first;
}

void Refcounts::merge(AgBlock first, AgBlock end) {
  auto it = shared_.lower_bound(first);
  if (it != shared_.begin()) --it;
  while (it != shared_.end() && it->first <= end) {
    const auto next = std::next(it);
    const bool one = next != shared_.end() && it->first + it->second.len == next->first &&
                     it->second.users == next->second.users;
    if (!one) {
      ++it;
      continue;
    }
    it->second.len += next->second.len;
    shared_.erase(next);
  }
}

BlockRun Refcounts::find_shared(AgBlock bno, ExtLen len) const {
  const AgBlock end = bno + len;
  auto it = shared_.upper_bound(bno);
  if (it != shared_.begin()) {
    const auto before = std::prev(it);
    if (before->first + before->second.len > bno) it = before;
  }
  if (it == shared_.end() || it->first >= end) return {};
  const AgBlock first = std::max(bno, it->first);
  AgBlock last = it->first + it->second.len;
  // Records that follow without a gap are shared too, by whatever number of files.
  for (++it; it != shared_.end() && it->first == last && last < end; ++it) last += it->second.len;
  return {first, std::min(last, end) - first};
}

void Refcounts::increase(AgBlock bno, ExtLen len) {
  const AgBlock end = bno + len;
  split(bno);
  split(end);
  auto it = shared_.lower_bound(bno);
  for (AgBlock at = bno; at < end;) {
    if (it != shared_.end() && it->first == at) {
      ++it->second.users;
      at += it->second.len;
    } else {
      const AgBlock until = it == shared_.end() ? end : std::min(end, it->first);
      it = shared_.emplace(at, Rec{until - at, 2}).first;
      at = until;
    }
    ++it;
  }
  merge(bno, end);
}

std::vector<BlockRun> Refcounts::decrease(AgBlock bno, ExtLen len) {
  std::vector<BlockRun> unused;
  const AgBlock end = bno + len;
  split(bno);
  split(end);
  auto it = shared_.lower_bound(bno);
  for (AgBlock at = bno; at < end;) {
    if (it != shared_.end() && it->first == at) {
      at += it->second.len;
      it = --it->second.users == 1 ? shared_.erase(it) : std::next(it);
    } else {
      const AgBlock until = it == shared_.end() ? end : std::min(end, it->first);
      unused.push_back({at, until - at});
      at = until;
    }
  }
  merge(bno, end);
  return unused;
}

// Neighbours are one record, as they are one mapping of a CoW fork, which may be freed at once.
void Refcounts::alloc_cow(AgBlock bno, ExtLen len) {
  auto next = cow_.lower_bound(bno);
  if (next != cow_.end() && next->first == bno + len) {
    len += next->second;
    next = cow_.erase(next);
  }
  if (next != cow_.begin() && std::prev(next)->first + std::prev(next)->second == bno) {
    std::prev(next)->second += len;
  } else {
    cow_.emplace(bno, len);
  }
}

void Refcounts::free_cow(AgBlock bno, ExtLen len) {
  auto it = cow_.upper_bound(bno);
  FL_ASSERT(it != cow_.begin());
  --it;
  const AgBlock first = it->first;
  const AgBlock end = first + it->second;
  FL_ASSERT(bno + len <= end);
  cow_.erase(it);
  if (bno > first) cow_.emplace(first, bno - first);
  if (bno + len < end) cow_.emplace(bno + len, end - bno - len);
}

}  // namespace faultline::xfs
