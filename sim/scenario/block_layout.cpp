// Gaps between used blocks, in order; each is inside one allocation group.
#include "scenario/block_layout.hpp"

#include <algorithm>

namespace faultline {

using namespace xfs;

BlockLayout::BlockLayout(const Geometry& geo) : geo_(geo) {
  for (AgNumber ag = 0; ag < geo.agcount; ++ag) {
    used_.push_back({std::uint64_t{ag} * geo.agblocks, geo.prealloc_blocks()});
  }
}

FsBlock BlockLayout::fsblock(const Geometry& geo, std::uint64_t linear) {
  return geo.fsb(static_cast<AgNumber>(linear / geo.agblocks),
                 static_cast<AgBlock>(linear % geo.agblocks));
}

void BlockLayout::use(const Geometry& geo, const Extent& e) {
  used_.push_back({std::uint64_t{geo.agno(e.start)} * geo.agblocks + geo.agbno(e.start), e.len});
}

void BlockLayout::settle() {
  std::sort(used_.begin(), used_.end(),
            [](const BlockRange& a, const BlockRange& b) { return a.first < b.first; });
  std::uint64_t next = 0;
  const auto add = [this](std::uint64_t from, std::uint64_t to) {
    while (from < to) {
      const std::uint64_t end = std::min(to, (from / geo_.agblocks + 1) * geo_.agblocks);
      gaps_.push_back({from, end - from});
      from = end;
    }
  };
  for (const BlockRange& u : used_) {
    if (u.first > next) add(next, u.first);
    next = std::max(next, u.first + u.count);
  }
  add(next, geo_.dblocks);
  used_.clear();
  used_.shrink_to_fit();
  set_aside();
}

// A group that is full to the last block could not even change its own trees.
void BlockLayout::set_aside() {
  constexpr std::uint64_t per_group = 12;
  std::uint64_t ag = geo_.agcount;  // whose share has been kept
  std::uint64_t kept = 0;
  for (auto gap = gaps_.rbegin(); gap != gaps_.rend(); ++gap) {
    if (gap->first / geo_.agblocks != ag) {
      ag = gap->first / geo_.agblocks;
      kept = 0;
    }
    const std::uint64_t n = std::min(per_group - kept, gap->count);
    if (n == 0) continue;
    gap->count -= n;
    kept += n;
    skipped_.push_back({gap->first + gap->count, n});
  }
}

bool BlockLayout::reserve_inodes(std::uint64_t count) {
  const std::uint64_t per_block = PAGE_SIZE / geo_.inodesize;
  std::uint64_t blocks = ((count + 63) / 64) * 64 / per_block;  // whole chunks of 64
  while (blocks != 0) {
    const BlockRange got = take(blocks);
    if (got.count == 0) return false;
    blocks -= got.count;
  }
  return true;
}

BlockRange BlockLayout::take(std::uint64_t count) {
  while (at_ < gaps_.size() && gaps_[at_].count == 0) ++at_;
  if (at_ == gaps_.size()) return {};
  BlockRange& gap = gaps_[at_];
  const BlockRange got{gap.first, std::min(count, gap.count)};
  gap.first += got.count;
  gap.count -= got.count;
  return got;
}

std::uint64_t BlockLayout::free_blocks() const {
  std::uint64_t blocks = 0;
  for (const BlockRange& gap : gaps_) blocks += gap.count;
  return blocks;
}

void BlockLayout::skip(std::uint64_t count) {
  const BlockRange left = take(count);
  if (left.count != 0) skipped_.push_back(left);
}

FreeLists BlockLayout::free_lists() const {
  std::vector<BlockRange> all = skipped_;
  for (const BlockRange& gap : gaps_) {
    if (gap.count != 0) all.push_back(gap);
  }
  std::sort(all.begin(), all.end(),
            [](const BlockRange& a, const BlockRange& b) { return a.first < b.first; });
  FreeLists lists(geo_.agcount);
  std::uint64_t last_end = ~0ULL;
  for (const BlockRange& range : all) {
    auto& list = lists[range.first / geo_.agblocks];
    if (range.first == last_end && !list.empty()) {
      list.back().len += static_cast<ExtLen>(range.count);
    } else {
      list.push_back(
          {static_cast<AgBlock>(range.first % geo_.agblocks), static_cast<ExtLen>(range.count)});
    }
    last_end = range.first + range.count;
  }
  return lists;
}

}  // namespace faultline
