// The slow half of the TLB: hits outside of the newest way, fills and invalidations. A fill or a
// hit in the second level goes to both levels; the levels are otherwise independent (an entry
// dropped from one may stay in the other), as in processors whose second level is not inclusive.
#include "machine/tlb.hpp"

namespace faultline {

// Inserts or replaces; the least recently used way is dropped.
template <class Set>
void Tlb::put(Set& set, std::uint64_t tag, std::uint64_t entry) {
  const auto ways = unsigned(set.tag.size());
  const unsigned w = absent(tag) ? ways : set.find(tag);
  const std::uint64_t dropped =
      w >= ways - 1 ? set.insert_newest(tag, entry) : set.insert(w, tag, entry);
  ++count(tag);
  if (dropped != 0) --count(dropped);
}

template <class Set>
void Tlb::erase_tag(Set& set, std::uint64_t tag) {
  const unsigned w = set.find(tag);
  if (w == set.tag.size()) return;
  set.erase(w);
  --count(tag);
}

// Keeps the order of what stays.
template <class Sets>
void Tlb::erase_mm(Sets& sets, std::uint32_t mm_id) {
  for (auto& set : sets) {
    unsigned kept = 0;
    for (unsigned w = 0; w < set.tag.size(); ++w) {
      const std::uint64_t tag = set.tag[w], entry = set.entry[w];
      set.tag[w] = set.entry[w] = 0;
      if (tag == 0) continue;
      if (tag >> 37 == mm_id) {
        --count(tag);
        continue;
      }
      set.tag[kept] = tag;
      set.entry[kept++] = entry;
    }
  }
}

TlbLookup Tlb::lookup_slow(std::uint32_t mm_id, Vaddr va, Access access, bool user) {
  const std::uint64_t page = small_page(va), huge = huge_page(va);
  const std::uint64_t tag = tag_of(mm_id, page, false), huge_tag = tag_of(mm_id, huge, true);
  if (absent(tag) && absent(huge_tag)) return {};
  auto& l1 = l1_[page & (L1_SETS - 1)];
  if (const unsigned w = l1.find(tag); w < L1_WAYS) {
    l1.touch(w);
    return {check(l1.entry[0], access, user, TlbResult::l1), PageSize::small, l1.entry[0]};
  }
  auto& l1_huge = l1_huge_[huge & (L1_HUGE_SETS - 1)];
  if (const unsigned w = l1_huge.find(huge_tag); w < L1_WAYS) {
    if (w != 0) l1_huge.touch(w);
    return {check(l1_huge.entry[0], access, user, TlbResult::l1), PageSize::huge, l1_huge.entry[0]};
  }
  auto& stlb = stlb_[page & (STLB_SETS - 1)];
  if (const unsigned w = stlb.find(tag); w < STLB_WAYS) {
    stlb.touch(w);
    put(l1, tag, stlb.entry[0]);
    return {check(stlb.entry[0], access, user, TlbResult::stlb), PageSize::small, stlb.entry[0]};
  }
  auto& stlb_huge = stlb_[huge & (STLB_SETS - 1)];
  if (const unsigned w = stlb_huge.find(huge_tag); w < STLB_WAYS) {
    stlb_huge.touch(w);
    const std::uint64_t entry = stlb_huge.entry[0];
    put(l1_huge, huge_tag, entry);
    return {check(entry, access, user, TlbResult::stlb), PageSize::huge, entry};
  }
  return {};
}

TlbLookup Tlb::peek(std::uint32_t mm_id, Vaddr va) const {
  const std::uint64_t page = small_page(va), huge = huge_page(va);
  const std::uint64_t tag = tag_of(mm_id, page, false), huge_tag = tag_of(mm_id, huge, true);
  const auto& l1 = l1_[page & (L1_SETS - 1)];
  if (const unsigned w = l1.find(tag); w < L1_WAYS) {
    return {TlbResult::l1, PageSize::small, l1.entry[w]};
  }
  const auto& l1_huge = l1_huge_[huge & (L1_HUGE_SETS - 1)];
  if (const unsigned w = l1_huge.find(huge_tag); w < L1_WAYS) {
    return {TlbResult::l1, PageSize::huge, l1_huge.entry[w]};
  }
  const auto& stlb = stlb_[page & (STLB_SETS - 1)];
  if (const unsigned w = stlb.find(tag); w < STLB_WAYS) {
    return {TlbResult::stlb, PageSize::small, stlb.entry[w]};
  }
  const auto& stlb_huge = stlb_[huge & (STLB_SETS - 1)];
  if (const unsigned w = stlb_huge.find(huge_tag); w < STLB_WAYS) {
    return {TlbResult::stlb, PageSize::huge, stlb_huge.entry[w]};
  }
  return {};
}

void Tlb::insert(std::uint32_t mm_id, Vaddr va, PageSize size, std::uint64_t entry) {
  if (sole_mm_ != mm_id) sole_mm_ = sole_mm_ == 0 ? mm_id : MIXED;
  if (size == PageSize::huge) {
    const std::uint64_t page = huge_page(va), tag = tag_of(mm_id, page, true);
    put(l1_huge_[page & (L1_HUGE_SETS - 1)], tag, entry);
    put(stlb_[page & (STLB_SETS - 1)], tag, entry);
  } else {
    const std::uint64_t page = small_page(va), tag = tag_of(mm_id, page, false);
    put(l1_[page & (L1_SETS - 1)], tag, entry);
    put(stlb_[page & (STLB_SETS - 1)], tag, entry);
  }
}

void Tlb::invalidate_page(std::uint32_t mm_id, Vaddr va) {
  walk_cache.flush();
  const std::uint64_t page = small_page(va), huge = huge_page(va);
  const std::uint64_t tag = tag_of(mm_id, page, false), huge_tag = tag_of(mm_id, huge, true);
  if (!absent(tag)) {
    erase_tag(l1_[page & (L1_SETS - 1)], tag);
    erase_tag(stlb_[page & (STLB_SETS - 1)], tag);
  }
  if (!absent(huge_tag)) {
    erase_tag(l1_huge_[huge & (L1_HUGE_SETS - 1)], huge_tag);
    erase_tag(stlb_[huge & (STLB_SETS - 1)], huge_tag);
  }
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
  walk_cache.flush();
  if (sole_mm_ == mm_id) {
    flush_all();
  } else if (sole_mm_ == MIXED) {
    erase_mm(l1_, mm_id);
    erase_mm(l1_huge_, mm_id);
    erase_mm(stlb_, mm_id);
  }
}

void Tlb::flush_all() {
  walk_cache.flush();
  if (sole_mm_ == 0) return;
  l1_ = {};
  l1_huge_ = {};
  stlb_ = {};
  counts_ = {};
  sole_mm_ = 0;
}

}  // namespace faultline
