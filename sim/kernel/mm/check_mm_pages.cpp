// Page tables against VMAs, counters and pages. An entry without an ordinary page behind it (the
// zero page, a PFN of a driver, a block of DAX) is special and counts nowhere.
#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "kernel/mm/check_mm_parts.hpp"

namespace faultline {

void check_pages(const Kernel& k, const mm_struct& mm, MmLook& look) {
  RssStat seen;
  const vm_area_struct* vma = nullptr;
  bool outside = false;
  each_leaf(mm, look.cost, [&](const Leaf& leaf) {
    if (!vma || vma->vm_end <= leaf.at) vma = find_vma(mm, leaf.at);
    const bool covered = vma && vma->vm_start <= leaf.at &&
                         leaf.at + (std::uint64_t{1} << leaf.shift) <= vma->vm_end;
    if (!covered && !outside) {
      outside = true;
      look.broken.push_back({MmRule::page_outside_vma, mm.id,
                             fmt::format("{:#x} is mapped, but no VMA is there", leaf.at.v)});
    }
    if (!leaf.ordinary()) return;
    const folio* const f = k.folios.of(leaf.pfn());
    (!f              ? seen.anon
     : f->swapbacked ? seen.shmem
                     : seen.file) += static_cast<std::int64_t>(leaf.pages());
  });
  if (seen.file == mm.rss.file && seen.anon == mm.rss.anon && seen.shmem == mm.rss.shmem) return;
  look.broken.push_back(
      {MmRule::resident_pages, mm.id,
       fmt::format("resident are {} file, {} anonymous and {} shared pages, counted {}, {} and {}",
                   seen.file, seen.anon, seen.shmem, mm.rss.file, mm.rss.anon, mm.rss.shmem)});
}

namespace {

// Entries by page: of a huge anonymous page, those that map any part of it.
struct Mappings {
  struct Folio {
    const folio* page = nullptr;
    std::uint64_t entries = 0;
  };
  std::map<std::uint32_t, Folio> folios;  // by id
  std::map<std::uint64_t, std::uint64_t> frames;
};

Mappings count_mappings(const Kernel& k, std::uint64_t& cost) {
  Mappings out;
  for (const mm_struct& mm : k.mms) {
    each_leaf(mm, cost, [&](const Leaf& leaf) {
      if (!leaf.ordinary() || leaf.pfn() == k.zero_pfn) return;
      if (const folio* const f = k.folios.of(leaf.pfn())) {
        Mappings::Folio& mapped = out.folios[f->id];
        mapped.page = f;
        ++mapped.entries;
      } else if (k.frames.is_dram(leaf.pfn())) {
        ++out.frames[k.frames.head(leaf.pfn()).v];
      }
    });
  }
  return out;
}

// Each pin of any part of an anonymous page holds a reference.
std::uint64_t pins_of_page(const Kernel& k, Pfn first) {
  const std::uint64_t pages = k.frames.in_huge(first) ? 1ULL << PMD_ORDER : 1;
  std::uint64_t pins = 0;
  const auto end = k.pins.counts.lower_bound(first + pages);
  for (auto pin = k.pins.counts.lower_bound(first); pin != end; ++pin) pins += pin->second;
  return pins;
}

void check_anonymous(const Kernel& k, const Mappings& mappings, MmLook& look) {
  for (const auto& [pfn, entries] : mappings.frames) {
    const std::uint32_t counted = k.frames.count(Pfn(pfn));
    if (counted == entries + pins_of_page(k, Pfn(pfn))) continue;
    look.broken.push_back(
        {MmRule::page_references, 0,
         fmt::format("frame {:#x} has {} references, {} entries map it", pfn, counted, entries)});
  }
  k.frames.each_free([&](Pfn pfn) {
    ++look.cost;
    if (mappings.frames.count(pfn.v) == 0) return;
    look.broken.push_back(
        {MmRule::page_references, 0, fmt::format("frame {:#x} is free, but mapped", pfn.v)});
  });
}

// A driver's page has the driver's reference and one of each mapping; one that the description
// makes bad has none, the zero page is not counted.
void check_driver_pages(const Kernel& k, const Mappings& mappings, MmLook& look) {
  for (const char_device& device : k.char_devices) {
    for (std::size_t i = 0; i < device.pages.size(); ++i) {
      const folio& page = *device.pages[i];
      const auto found = mappings.folios.find(page.id);
      const std::uint64_t entries = found == mappings.folios.end() ? 0 : found->second.entries;
      const bool bad = page.refs == 0 && page.mapcount == 0 && entries == 0;
      const bool right = page.mapcount == entries && page.refs == entries + 1;
      if (bad || right || page.pfn == k.zero_pfn) continue;
      look.broken.push_back(
          {MmRule::page_references, 0,
           fmt::format("page {} of {} has {} references and {} mappings, {} entries map it", i,
                       device.name, page.refs, page.mapcount, entries)});
    }
  }
}

void check_mapcounts(const Mappings& mappings, MmLook& look) {
  for (const auto& [id, mapped] : mappings.folios) {
    const folio& page = *mapped.page;
    if (page.mapcount == mapped.entries) continue;
    look.broken.push_back(
        {MmRule::page_references, 0,
         fmt::format("page {} of its file, at frame {:#x} counts {} mappings, {} entries map it",
                     page.index, page.pfn.v, page.mapcount, mapped.entries)});
  }
}

}  // namespace

void check_page_references(const Kernel& k, MmLook& look) {
  const Mappings mappings = count_mappings(k, look.cost);
  check_anonymous(k, mappings, look);
  check_driver_pages(k, mappings, look);
  check_mapcounts(mappings, look);
}

}  // namespace faultline
