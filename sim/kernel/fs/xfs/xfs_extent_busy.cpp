// Busy extents of an allocation group. linux 6.12 fs/xfs/xfs_extent_busy.c.
#include "kernel/fs/xfs/xfs_extent_busy.hpp"

#include "base/bug.hpp"

namespace faultline::xfs {

BusyExtents::Entries::const_iterator BusyExtents::first_overlap(AgBlock bno) const {
  auto it = busy_.upper_bound(bno);
  if (it != busy_.begin()) {
    const auto before = std::prev(it);
    if (before->first + before->second.len > bno) it = before;
  }
  return it;
}

void BusyExtents::insert(AgBlock bno, ExtLen len, std::uint64_t seq) {
  FL_ASSERT(len > 0);
  // A block freed twice waits for the later transaction.
  last_ = busy_.emplace_hint(take_out(bno, len), bno, Busy{len, seq});
}

// The first entry at or behind `bno`. Files are cut off extent by extent, so that it often is, or
// follows, the one inserted last.
BusyExtents::Entries::iterator BusyExtents::lower_bound(AgBlock bno) {
  if (!last_) return busy_.lower_bound(bno);
  const Entries::iterator last = *last_;
  const bool behind = last->first < bno;
  const Entries::iterator next = behind ? std::next(last) : last;
  const bool next_fits = next == busy_.end() || next->first >= bno;
  const bool previous_fits = behind || last == busy_.begin() || std::prev(last)->first < bno;
  return next_fits && previous_fits ? next : busy_.lower_bound(bno);
}

// Takes the blocks out of all entries; the place where an entry for them would stand.
BusyExtents::Entries::iterator BusyExtents::take_out(AgBlock bno, ExtLen len) {
  const AgBlock end = bno + len;
  auto it = lower_bound(bno);
  if (it != busy_.begin()) {
    const auto before = std::prev(it);
    const AgBlock before_end = before->first + before->second.len;
    if (before_end > bno) {
      before->second.len = bno - before->first;
      if (before_end > end) {
        return busy_.emplace_hint(it, end, Busy{before_end - end, before->second.seq});
      }
    }
  }
  while (it != busy_.end() && it->first < end) {
    const AgBlock it_end = it->first + it->second.len;
    const std::uint64_t seq = it->second.seq;
    if (last_ == it) last_.reset();
    it = busy_.erase(it);
    if (it_end > end) return busy_.emplace_hint(it, end, Busy{it_end - end, seq});
  }
  return it;
}

bool BusyExtents::clear_through(std::uint64_t seq) {
  last_.reset();
  return std::erase_if(busy_, [&](const auto& e) { return e.second.seq <= seq; }) != 0;
}

std::uint64_t BusyExtents::newest_seq() const {
  std::uint64_t newest = 0;
  for (const auto& [bno, busy] : busy_) newest = std::max(newest, busy.seq);
  return newest;
}

bool BusyExtents::overlaps(AgBlock bno, ExtLen len) const {
  const auto it = first_overlap(bno);
  return it != busy_.end() && it->first < bno + len;
}

BusyExtents::Trimmed BusyExtents::trim(AgBlock bno, ExtLen len, ExtLen minlen,
                                       ExtLen maxlen) const {
  AgBlock start = bno;
  AgBlock end = bno + len;
  for (auto it = first_overlap(bno); it != busy_.end() && it->first < end; ++it) {
    if (end - start < minlen) break;
    const AgBlock busy_start = it->first;
    const AgBlock busy_end = busy_start + it->second.len;
    if (busy_end <= start) continue;
    if (busy_start <= start) {
      if (end <= busy_end) return {bno, 0, true};
      start = busy_end;
    } else if (busy_end >= end) {
      end = busy_start;
    } else if (busy_start - start >= maxlen) {
      end = busy_start;  // the left part is all that was asked for
    } else if (end - busy_end >= std::uint64_t(maxlen) * 4) {
      start = busy_end;  // a right part large enough to serve later requests too
    } else if (busy_start - start >= minlen) {
      end = busy_start;
    } else {
      return {bno, 0, true};
    }
  }
  return {start, end - start, start != bno || end - start != len};
}

}  // namespace faultline::xfs
