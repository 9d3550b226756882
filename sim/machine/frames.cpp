// Frame allocation: see the header. 4 KiB frames left over when a 2 MiB frame is aligned go to the
// free list in an order that hands the lowest out first.
#include "machine/frames.hpp"

#include <algorithm>

#include "base/bug.hpp"

namespace faultline {

FrameAllocator::FrameAllocator(std::uint64_t dram_bytes)
    : top_(dram_bytes >> PAGE_SHIFT), floor_of_tables_(dram_bytes >> PAGE_SHIFT) {
  FL_ASSERT(dram_bytes >= PMD_SIZE && dram_bytes <= 1ULL << 44);
  next_device_ = (top_.v + SECTION_FRAMES - 1) / SECTION_FRAMES * SECTION_FRAMES;
}

void FrameAllocator::reserve(Pfn first, std::uint64_t n) {
  if (n != 0) reserved_.push_back({first.v, first.v + n});
}

// Moves `next_` past a reserved range that n frames from `from` on would meet; the frames before it
// go to the free list.
void FrameAllocator::skip_reserved(std::uint64_t from, std::uint64_t n) {
  for (bool moved = true; moved;) {
    moved = false;
    for (const Reserved& r : reserved_) {
      if (from >= r.end || from + n <= r.first) continue;
      for (std::uint64_t left = r.first; left > next_; --left) {
        free_.push_back(std::uint32_t(left - 1));
      }
      from = next_ = r.end;
      from = (from + n - 1) / n * n;
      moved = true;
    }
  }
}

std::optional<Pfn> FrameAllocator::alloc() {
  std::uint64_t pfn;
  if (!reserved_.empty() && free_.empty()) [[unlikely]]
    skip_reserved(next_, 1);
  if (!free_.empty()) {
    pfn = free_.back();
    free_.pop_back();
  } else if (next_ < floor_of_tables_) {
    pfn = next_++;
  } else {
    return std::nullopt;
  }
  ++used_;
  return Pfn(pfn);
}

// The next `n` frames, aligned to their number, that nobody has had; single frames on the way are
// free from now on.
std::optional<std::uint64_t> FrameAllocator::next_aligned(std::uint64_t n) {
  if (!reserved_.empty()) skip_reserved((next_ + n - 1) / n * n, n);
  const std::uint64_t pfn = (next_ + n - 1) / n * n;
  if (pfn + n > floor_of_tables_) return std::nullopt;
  for (std::uint64_t skipped = pfn; skipped > next_; --skipped) {
    free_.push_back(std::uint32_t(skipped - 1));
  }
  next_ = pfn + n;
  return pfn;
}

std::optional<Pfn> FrameAllocator::alloc_huge() {
  constexpr std::uint64_t n = 1ULL << PMD_ORDER;
  std::uint64_t pfn;
  if (!free_huge_.empty()) {
    pfn = free_huge_.back();
    free_huge_.pop_back();
  } else {
    const std::optional<std::uint64_t> fresh = next_aligned(n);
    if (!fresh) return std::nullopt;
    pfn = *fresh;
  }
  huge_.insert(pfn);
  used_ += n;
  return Pfn(pfn);
}

std::optional<Pfn> FrameAllocator::alloc_folio(unsigned order) {
  FL_ASSERT(order < free_folio_.size());
  if (order == 0) return alloc();
  const std::uint64_t n = 1ULL << order;
  std::uint64_t pfn;
  if (auto& list = free_folio_[order]; !list.empty()) {
    pfn = list.back();
    list.pop_back();
  } else {
    const std::optional<std::uint64_t> fresh = next_aligned(n);
    if (!fresh) return std::nullopt;
    pfn = *fresh;
  }
  used_ += n;
  return Pfn(pfn);
}

void FrameAllocator::free_folio(Pfn pfn, unsigned order) {
  FL_ASSERT(order < free_folio_.size() && is_dram(pfn) && pfn.v >= FIRST_PFN);
  (order == 0 ? free_ : free_folio_[order]).push_back(std::uint32_t(pfn.v));
  used_ -= 1ULL << order;
}

bool FrameAllocator::put(Pfn frame) {
  const Pfn pfn = head(frame);
  if (const auto it = extra_.find(pfn.v); it != extra_.end()) {
    if (--it->second == 0) extra_.erase(it);
    return false;
  }
  FL_ASSERT(is_dram(pfn) && pfn.v >= FIRST_PFN);
  if (huge_.erase(pfn.v) != 0) {
    free_huge_.push_back(std::uint32_t(pfn.v));
    used_ -= 1ULL << PMD_ORDER;
  } else {
    free_.push_back(std::uint32_t(pfn.v));
    --used_;
  }
  return true;
}

std::uint32_t FrameAllocator::count(Pfn pfn) const {
  const auto it = extra_.find(head(pfn).v);
  return it == extra_.end() ? 1 : it->second + 1;
}

bool FrameAllocator::claim_top(std::uint64_t n) {
  if (floor_of_tables_ < next_ + n) return false;
  floor_of_tables_ -= n;
  return true;
}

Pfn FrameAllocator::add_device(std::uint64_t frames) {
  const Pfn first(next_device_);
  next_device_ += (frames + SECTION_FRAMES - 1) / SECTION_FRAMES * SECTION_FRAMES;
  return first;
}

}  // namespace faultline
