// Between the reverse mapping of frames and that of folios: cleaning the entries of one VMA.
// Linux 6.12 mm/rmap.c page_vma_mkclean_one.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

struct PfnRange {
  Pfn first{};
  std::uint64_t nr = 0;
  bool has(Pfn pfn) const { return pfn.v - first.v < nr; }
};

/// Entries of [addr, end) that map one of the frames become clean and read-only, each with a flush.
HelperPath<void> mkclean_vma(Kernel& k, vm_area_struct& vma, Vaddr addr, Vaddr end, PfnRange pfns);

}  // namespace faultline
