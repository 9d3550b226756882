// Translations against frames: what a CPU could still reach. A frame is given back only after every
// CPU that may use a translation to it has flushed, so this holds at any moment, whoever is at
// work. Left out: blocks of DAX files, which the rule of mapped blocks covers once the flush is
// over.
#include <algorithm>

#include <fmt/format.h>

#include "kernel/mm/check_mm_parts.hpp"

namespace faultline {

namespace {

std::vector<std::uint64_t> free_frames(const Kernel& k, std::uint64_t& cost) {
  std::vector<std::uint64_t> frames;
  k.frames.each_free([&](Pfn pfn) { frames.push_back(pfn.v); });
  std::sort(frames.begin(), frames.end());
  cost += frames.size();
  return frames;
}

}  // namespace

void check_translations(const Kernel& k, MmLook& look) {
  const std::vector<std::uint64_t> frames = free_frames(k, look.cost);
  if (frames.empty()) return;
  for (std::size_t c = 0; c < k.cpus.size(); ++c) {
    // An address space that is not loaded is flushed, if it has to be, when it is loaded again.
    // So is one that a CPU uses lazily and that a flush has passed by.
    const mm_struct* const loaded = k.loaded_mms[c].mm;
    if (!loaded || k.loaded_mms[c].stale) continue;
    const Cpu& cpu = k.cpus[CpuId(static_cast<std::uint16_t>(c))];
    look.cost += cpu.tlb.capacity() / 12;
    cpu.tlb.for_each([&](std::uint32_t mm_id, Vaddr at, PageSize, std::uint64_t entry) {
      const std::uint64_t pfn = pte_pfn(pte_t{entry}).v;
      if (mm_id != loaded->id || !std::binary_search(frames.begin(), frames.end(), pfn)) return;
      look.broken.push_back(
          {MmRule::stale_translation, loaded->id,
           fmt::format("CPU {} can reach frame {:#x} at {:#x}, and it is free", c, pfn, at.v)});
    });
  }
}

}  // namespace faultline
