// The chunked in-core extent map, and reading a mapping out of it.
// linux 6.12 fs/xfs/libxfs/xfs_iext_tree.c, xfs_bmap.c (xfs_bmapi_read).
#include "kernel/fs/xfs/xfs_iext.hpp"

#include <algorithm>

#include "base/bug.hpp"

namespace faultline::xfs {

ExtentMap::Cursor ExtentMap::lookup(std::uint64_t off) const {
  const auto ends_before = [off](const PackedExtent& e) { return e.off() + e.len() <= off; };
  // Both ends first: files grow and are cut off there.
  if (ends_.empty() || ends_.back() <= off) return end();
  if (!ends_before(chunks_.front().front())) return first();
  const auto at = std::size_t(std::upper_bound(ends_.begin(), ends_.end(), off) - ends_.begin());
  const auto& chunk = chunks_[at];
  const auto pos = std::partition_point(chunk.begin(), chunk.end(), ends_before);
  return {at, std::size_t(pos - chunk.begin())};
}

std::optional<Extent> ExtentMap::get(Cursor c) const {
  if (c.chunk >= chunks_.size()) return std::nullopt;
  return chunks_[c.chunk][c.pos].unpack();
}

std::optional<Extent> ExtentMap::next(Cursor& c) const {
  if (c.chunk < chunks_.size() && ++c.pos == chunks_[c.chunk].size()) c = {c.chunk + 1, 0};
  return get(c);
}

std::optional<Extent> ExtentMap::prev(Cursor& c) const {
  if (c.pos > 0) {
    --c.pos;
  } else if (c.chunk > 0) {
    --c.chunk;
    c.pos = chunks_[c.chunk].size() - 1;
  } else {
    return std::nullopt;
  }
  return get(c);
}

void ExtentMap::insert(Cursor& c, const Extent& e) {
  FL_ASSERT(e.len > 0 && e.len <= max_extlen);
  if (c.chunk == chunks_.size()) {
    // At the very end: append, spilling into a fresh chunk so that sequential growth fills them.
    if (chunks_.empty() || chunks_.back().size() == chunk_max) {
      chunks_.emplace_back();
      ends_.push_back(0);
    }
    c = {chunks_.size() - 1, chunks_.back().size()};
  }
  auto* chunk = &chunks_[c.chunk];
  if (chunk->size() == chunk_max) {
    std::vector<PackedExtent> upper(chunk->begin() + chunk_max / 2, chunk->end());
    chunk->resize(chunk_max / 2);
    chunks_.insert(chunks_.begin() + std::ptrdiff_t(c.chunk) + 1, std::move(upper));
    ends_.insert(ends_.begin() + std::ptrdiff_t(c.chunk) + 1, ends_[c.chunk]);
    reindex(c.chunk);
    if (c.pos > chunk_max / 2) c = {c.chunk + 1, c.pos - chunk_max / 2};
    chunk = &chunks_[c.chunk];
  }
  chunk->insert(chunk->begin() + std::ptrdiff_t(c.pos), PackedExtent(e));
  reindex(c.chunk);
  ++count_;
  ++changes_;
}

void ExtentMap::update(Cursor c, const Extent& e) {
  FL_ASSERT(e.len > 0 && e.len <= max_extlen);
  chunks_[c.chunk][c.pos] = PackedExtent(e);
  ++changes_;
  reindex(c.chunk);
}

void ExtentMap::remove(Cursor& c) {
  auto& chunk = chunks_[c.chunk];
  chunk.erase(chunk.begin() + std::ptrdiff_t(c.pos));
  --count_;
  ++changes_;
  if (chunk.empty()) {
    chunks_.erase(chunks_.begin() + std::ptrdiff_t(c.chunk));
    ends_.erase(ends_.begin() + std::ptrdiff_t(c.chunk));
    c.pos = 0;
    return;
  }
  reindex(c.chunk);
  if (c.pos == chunk.size()) c = {c.chunk + 1, 0};
}

std::uint64_t ExtentMap::real_blocks() const {
  std::uint64_t blocks = 0;
  for (const auto& chunk : chunks_) {
    for (const PackedExtent& e : chunk) {
      if (!e.unpack().delalloc()) blocks += e.len();
    }
  }
  return blocks;
}

void ExtentMap::exchange(ExtentMap& a, ExtentMap& b) {
  const std::uint64_t changes = std::max(a.changes_, b.changes_) + 1;
  std::swap(a, b);
  a.changes_ = b.changes_ = changes;
}

void ExtentMap::load(const std::vector<Extent>& sorted) {
  chunks_.clear();
  ends_.clear();
  count_ = sorted.size();
  std::uint64_t end = 0;
  for (const Extent& e : sorted) {
    FL_ASSERT(e.off >= end && e.len > 0 && e.len <= max_extlen);
    end = e.end();
    if (chunks_.empty() || chunks_.back().size() == chunk_max) {
      chunks_.emplace_back().reserve(std::min<std::size_t>(chunk_max, sorted.size()));
      ends_.push_back(0);
    }
    chunks_.back().emplace_back(e);
    ends_.back() = end;
  }
}

Extent xfs_bmapi_read(const ExtentMap& map, std::uint64_t off, std::uint64_t len) {
  FL_ASSERT(len > 0);
  const auto cut = [](std::uint64_t n) { return ExtLen(std::min<std::uint64_t>(n, ~ExtLen{0})); };
  const auto got = map.get(map.lookup(off));
  if (!got || got->off > off) {
    const std::uint64_t hole = got ? std::min(len, got->off - off) : len;
    return {off, HOLESTARTBLOCK, cut(hole), ExtState::written};
  }
  const std::uint64_t skip = off - got->off;
  const FsBlock start = got->delalloc() ? DELAYSTARTBLOCK : got->start + skip;
  return {off, start, cut(std::min<std::uint64_t>(len, got->len - skip)), got->state};
}

bool contiguous(const Extent& e, const Extent& more) {
  return !e.delalloc() && !more.delalloc() && e.end() == more.off &&
         e.start + e.len == more.start && e.state == more.state &&
         std::uint64_t(e.len) + more.len <= max_extlen;
}

}  // namespace faultline::xfs
