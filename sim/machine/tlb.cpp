// The slow half of the TLB: hits outside of the newest way, fills and invalidations. A fill or a
// hit in the second level goes to both levels; the levels are otherwise independent (an entry
// dropped from one may stay in the other), as in processors whose second level is not inclusive.
#include "machine/tlb.hpp"

#include <algorithm>

#include "base/bug.hpp"

namespace faultline {

namespace {
constexpr PageSize sizes[] = {PageSize::small, PageSize::huge, PageSize::giant};
}

void TlbArray::erase(Way* set, unsigned w) const {
  std::copy(set + w + 1, set + ways_per_set_, set + w);
  set[ways_per_set_ - 1] = Way{};
}

Tlb::Tlb(const TlbGeometry& g, unsigned levels)
    : walk_cache(g),
      l1_{TlbArray(g.l1_small), TlbArray(g.l1_huge), TlbArray(g.l1_giant)},
      stlb_(g.stlb),
      stlb_giant_(g.stlb_giant),
      mm_shift_(9 * levels + 2),
      page_mask_((1ULL << 9 * levels) - 1),
      counts_(COUNTS) {
  FL_ASSERT(l1_[0].present());
}

// Inserts or replaces; the least recently used way is dropped.
inline void Tlb::put(TlbArray& array, const Key& key, std::uint64_t entry, bool known) {
  if (!array.present()) return;
  TlbArray::Way* const set = array.set(key.page);
  const unsigned last = array.ways() - 1;
  const unsigned w = known ? std::min(array.find(set, key.tag), last) : last;
  const std::uint64_t dropped = set[w].tag;
  TlbArray::put_first(set, w, {key.tag, entry});
  ++count(key.tag);
  if (dropped != 0) --count(dropped);
  if (key.size != PageSize::small || large_ != 0) [[unlikely]]
    note_large(key.size, dropped);
}

// An entry of `size` has come, one of the tag `dropped` (0: none) has gone.
void Tlb::note_large(PageSize size, std::uint64_t dropped) {
  large_ += size != PageSize::small;
  large_ -= (dropped >> (mm_shift_ - 2) & 3) != 0;
}

void Tlb::erase(TlbArray& array, const Key& key) {
  if (!array.present()) return;
  TlbArray::Way* const set = array.set(key.page);
  const unsigned w = array.find(set, key.tag);
  if (w == array.ways()) return;
  array.erase(set, w);
  --count(key.tag);
  large_ -= key.size != PageSize::small;
}

// Keeps the order of what stays.
void Tlb::erase_mm(TlbArray& array, std::uint32_t mm_id) {
  auto& all = array.all();
  for (std::size_t first = 0; first < all.size(); first += array.ways()) {
    std::size_t kept = first;
    for (std::size_t w = first; w < first + array.ways(); ++w) {
      const TlbArray::Way way = all[w];
      all[w] = {};
      if (way.tag == 0) continue;
      if (way.tag >> mm_shift_ == mm_id) {
        --count(way.tag);
        note_large(PageSize::small, way.tag);
      } else {
        all[kept++] = way;
      }
    }
  }
}

TlbLookup Tlb::lookup_slow(std::uint32_t mm_id, Vaddr va, Access access, bool user) {
  Key keys[] = {key(mm_id, va, PageSize::small), key(mm_id, va, PageSize::huge),
                key(mm_id, va, PageSize::giant)};
  bool there[] = {!absent(keys[0].tag), !absent(keys[1].tag), !absent(keys[2].tag)};
  if (!there[0] && !there[1] && !there[2]) return {};
  for (unsigned i = 0; i < 3; ++i) {
    TlbArray& array = l1(sizes[i]);
    if (!there[i] || !array.present()) continue;
    TlbArray::Way* const set = array.set(keys[i].page);
    const unsigned w = array.find(set, keys[i].tag);
    if (w == array.ways()) continue;
    if (w != 0) TlbArray::put_first(set, w, TlbArray::Way(set[w]));
    return {check(set[0].entry, access, user, TlbResult::l1), sizes[i], set[0].entry};
  }
  for (unsigned i = 0; i < 3; ++i) {
    TlbArray& array = stlb(sizes[i]);
    if (!there[i] || !array.present()) continue;
    TlbArray::Way* const set = array.set(keys[i].page);
    const unsigned w = array.find(set, keys[i].tag);
    if (w == array.ways()) continue;
    if (w != 0) TlbArray::put_first(set, w, TlbArray::Way(set[w]));
    put(l1(sizes[i]), keys[i], set[0].entry, false);
    return {check(set[0].entry, access, user, TlbResult::stlb), sizes[i], set[0].entry};
  }
  return {};
}

TlbLookup Tlb::peek(std::uint32_t mm_id, Vaddr va) const {
  for (const TlbResult level : {TlbResult::l1, TlbResult::stlb}) {
    for (const PageSize size : sizes) {
      const TlbArray& array = level == TlbResult::l1 ? l1(size) : stlb(size);
      if (!array.present()) continue;
      const Key wanted = key(mm_id, va, size);
      const TlbArray::Way* const set = array.set(wanted.page);
      const unsigned w = array.find(set, wanted.tag);
      if (w < array.ways()) return {level, size, set[w].entry};
    }
  }
  return {};
}

void Tlb::insert(std::uint32_t mm_id, Vaddr va, PageSize size, std::uint64_t entry) {
  FL_ASSERT(std::uint64_t(mm_id) >> (64 - mm_shift_) == 0);
  if (sole_mm_ != mm_id) sole_mm_ = sole_mm_ == 0 ? mm_id : MIXED;
  const Key wanted = key(mm_id, va, size);
  const bool known = !absent(wanted.tag);
  put(l1(size), wanted, entry, known);
  put(stlb(size), wanted, entry, known);
}

void Tlb::drop_page(std::uint32_t mm_id, Vaddr va) {
  const Key wanted = key(mm_id, va, PageSize::small);
  if (!absent(wanted.tag)) {
    erase(l1(PageSize::small), wanted);
    erase(stlb(PageSize::small), wanted);
  }
  if (large_ != 0) drop_large(mm_id, va);
}

void Tlb::drop_large(std::uint32_t mm_id, Vaddr va) {
  for (const PageSize size : {PageSize::huge, PageSize::giant}) {
    const Key wanted = key(mm_id, va, size);
    if (absent(wanted.tag)) continue;
    erase(l1(size), wanted);
    erase(stlb(size), wanted);
  }
}

void Tlb::invalidate_page(std::uint32_t mm_id, Vaddr va) {
  walk_cache.flush(mm_id);
  drop_page(mm_id, va);
}

void Tlb::page_fault(std::uint32_t mm_id, Vaddr va) {
  walk_cache.forget(mm_id, va);
  drop_page(mm_id, va);
}

std::uint64_t Tlb::invalidate_range(std::uint32_t mm_id, Vaddr start, Vaddr end,
                                    unsigned stride_shift) {
  if (end <= start) return 0;
  const std::uint64_t strides = ((end - start - 1) >> stride_shift) + 1;
  if (strides > FLUSH_CEILING) {
    flush_mm(mm_id);
    return FLUSH_ALL;
  }
  for (std::uint64_t i = 0; i < strides; ++i) {
    invalidate_page(mm_id, start + (i << stride_shift));
  }
  return strides;
}

void Tlb::flush_mm(std::uint32_t mm_id) {
  walk_cache.flush(mm_id);
  if (sole_mm_ == mm_id) {
    flush_all();
  } else if (sole_mm_ == MIXED) {
    for (TlbArray& array : l1_) erase_mm(array, mm_id);
    erase_mm(stlb_, mm_id);
    erase_mm(stlb_giant_, mm_id);
  }
}

void Tlb::flush_all() {
  walk_cache.flush_all();
  if (sole_mm_ == 0) return;
  const auto clear = [](TlbArray& array) {
    std::fill(array.all().begin(), array.all().end(), TlbArray::Way{});
  };
  for (TlbArray& array : l1_) clear(array);
  clear(stlb_);
  clear(stlb_giant_);
  std::fill(counts_.begin(), counts_.end(), std::uint16_t(0));
  large_ = 0;
  sole_mm_ = 0;
}

std::size_t Tlb::capacity() const {
  std::size_t n = stlb_.all().size() + stlb_giant_.all().size();
  for (const TlbArray& array : l1_) n += array.all().size();
  return n;
}

}  // namespace faultline
