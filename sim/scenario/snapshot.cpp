// Reads the mm. smaps itself is fs/proc/task_mmu.c (6.12): show_map_vma, show_smap_vma_flags.
#include "scenario/snapshot.hpp"

#include <array>

#include "kernel/mm/vma.hpp"

namespace faultline {

namespace {

struct FlagLetters {
  vm_flags_t flag;
  const char* letters;
};
// In order of the bits. Soft-dirty tracking is shown by kernels that are built with it, which the
// traced ones are not.
constexpr std::array letters{
    FlagLetters{VM_READ, "rd"},        FlagLetters{VM_WRITE, "wr"},
    FlagLetters{VM_EXEC, "ex"},        FlagLetters{VM_SHARED, "sh"},
    FlagLetters{VM_MAYREAD, "mr"},     FlagLetters{VM_MAYWRITE, "mw"},
    FlagLetters{VM_MAYEXEC, "me"},     FlagLetters{VM_MAYSHARE, "ms"},
    FlagLetters{VM_GROWSDOWN, "gd"},   FlagLetters{VM_PFNMAP, "pf"},
    FlagLetters{VM_LOCKED, "lo"},      FlagLetters{VM_IO, "io"},
    FlagLetters{0x8000, "sr"},         FlagLetters{0x10000, "rr"},
    FlagLetters{VM_DONTCOPY, "dc"},    FlagLetters{VM_DONTEXPAND, "de"},
    FlagLetters{VM_LOCKONFAULT, "lf"}, FlagLetters{VM_ACCOUNT, "ac"},
    FlagLetters{VM_NORESERVE, "nr"},   FlagLetters{VM_HUGETLB, "ht"},
    FlagLetters{VM_SYNC, "sf"},        FlagLetters{VM_WIPEONFORK, "wf"},
    FlagLetters{VM_DONTDUMP, "dd"},    FlagLetters{VM_MIXEDMAP, "mm"},
    FlagLetters{VM_HUGEPAGE, "hg"},    FlagLetters{VM_NOHUGEPAGE, "nh"},
    FlagLetters{VM_MERGEABLE, "mg"},   FlagLetters{VM_DROPPABLE, "dp"},
};

const char* cache_text(std::uint64_t bits) {
  switch (cache_mode(bits)) {
    case CacheMode::wb:
      return "WB";
    case CacheMode::wc:
      return "WC";
    case CacheMode::uc_minus:
      return "UC-";
    case CacheMode::uc:
      return "UC";
  }
  return "WB";
}

std::string perms_of(vm_flags_t flags) {
  std::string text = "---p";
  if (flags & VM_READ) text[0] = 'r';
  if (flags & VM_WRITE) text[1] = 'w';
  if (flags & VM_EXEC) text[2] = 'x';
  if (flags & VM_MAYSHARE) text[3] = 's';
  return text;
}

// Counts the page of one entry as smaps does: entries without a page do not count.
void count_page(Kernel& k, VmaSnapshot& vma, std::uint64_t word, std::uint64_t pages) {
  const pte_t pte{word};
  if (pte_devmap(pte)) {
    if (k.profile.dax_folios) vma.rss += pages;
    return;
  }
  if (pte_special(pte)) return;
  vma.rss += pages;
  if (!k.folios.of(pte_pfn(pte)) && k.frames.is_dram(pte_pfn(pte))) vma.anon += pages;
}

// Entries of one VMA; those in [from, to) go into the list.
void read_entries(Kernel& k, const vm_area_struct& vma, Vaddr from, Vaddr to, VmaSnapshot& out,
                  MmSnapshot& snapshot) {
  for (Vaddr at = vma.vm_start; at < vma.vm_end;) {
    const EntryAt entry = vma.vm_mm->pgtables->lookup(at);
    const std::uint64_t word = *entry.entry;
    const std::uint64_t size = 1ULL << level_shift(entry.level);
    const Vaddr next((at.v + size) & ~(size - 1));
    if (word != 0) count_page(k, out, word, size >> PAGE_SHIFT);
    const bool listed = at >= from && at < to && (word & PTE_P);
    if (listed) {
      PteSnapshot& pte = snapshot.ptes.emplace_back();
      pte.at = at;
      pte.pfn = pte_pfn(pte_t{word}).v;
      pte.writable = word & PTE_RW;
      pte.special = (word & PTE_SPECIAL) && !(word & PTE_DEVMAP);
      pte.cache = cache_text(word);
    }
    if (next <= at) break;  // the end of the address space
    at = next;
  }
}

VmaSnapshot describe_vma(const vm_area_struct& vma) {
  VmaSnapshot out;
  out.start = vma.vm_start;
  out.end = vma.vm_end;
  out.perms = perms_of(vma.vm_flags);
  out.pgoff = vma.vm_pgoff.v;
  if (vma.vm_file) out.file = vma.vm_file->f_inode->name;
  for (const FlagLetters& each : letters) {
    if (vma.vm_flags & each.flag) out.vmflags.emplace_back(each.letters);
  }
  out.cache = cache_text(vma.vm_page_prot.v);
  out.writable = vma.vm_page_prot.v & PTE_RW;
  out.private_data = vma.vm_private_data;
  return out;
}

}  // namespace

MmSnapshot take_snapshot(Kernel& k, const mm_struct& mm, Vaddr start, std::uint64_t length) {
  MmSnapshot snapshot;
  snapshot.rss = mm.rss;
  snapshot.total_vm = mm.total_vm;
  snapshot.committed = k.vm_committed_as;
  const Vaddr end = length == 0 ? Vaddr(~0ULL) : start + length;
  for (const vm_area_struct* vma = find_vma_intersection(mm, start, end); vma;
       vma = find_vma_intersection(mm, vma->vm_end, end)) {
    VmaSnapshot described = describe_vma(*vma);
    read_entries(k, *vma, start, end, described, snapshot);
    snapshot.vmas.push_back(std::move(described));
  }
  for (const char_device& device : k.char_devices) {
    if (device.pages.empty()) continue;
    auto& [name, counts] = snapshot.pages.emplace_back();
    name = device.name;
    for (const folio* const page : device.pages) counts.emplace_back(page->refs, page->mapcount);
  }
  return snapshot;
}

}  // namespace faultline
