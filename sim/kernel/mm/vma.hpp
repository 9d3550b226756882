// The set of VMAs of a process and the operations that change it: look-up, insertion, merging,
// splitting, unmapping. Linux 6.12 mm/vma.c. Left out: userfaultfd, KSM, mempolicy, uprobes and VMA
// names; VMAs live in one ordered map keyed by their end.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

/// First VMA that ends above `address`; null if none.
vm_area_struct* find_vma(const mm_struct& mm, Vaddr address);
/// The VMA that covers `address`; null if none.
vm_area_struct* vma_lookup(const mm_struct& mm, Vaddr address);
/// First VMA that intersects [start, end); null if none.
vm_area_struct* find_vma_intersection(const mm_struct& mm, Vaddr start, Vaddr end);
/// Last VMA that ends at or below `address`; null if none.
vm_area_struct* find_vma_prev(const mm_struct& mm, Vaddr address);

/// What an unmapping or a translation change must flush from the TLBs. mm/mmu_gather.c.
struct mmu_gather {
  Vaddr start{~0ULL}, end{0};
  bool freed_tables = false, cleared_ptes = false, cleared_pmds = false, cleared_puds = false;
  bool cleared_p4ds = false;
  bool fullmm = false;
  bool vma_pfn = false;    ///< of a VMA whose PFNs nobody counts: flushed before rmap forgets it
  bool keep_cows = false;  ///< private copies stay (even_cows false)
  std::vector<Pfn> pages;  ///< given back once no CPU can reach them any more
  /// As many pages as the batches of the kernel take: one of 8 in place and 19 of 510, of which one
  /// place each stays empty.
  static constexpr std::size_t max_pages = 7 + 19 * 509;
  bool full() const { return pages.size() >= max_pages; }
  /// After a flush on the way: what was noted so far is done.
  void reset_range() {
    start = Vaddr(~0ULL);
    end = Vaddr(0);
    freed_tables = cleared_ptes = cleared_pmds = cleared_puds = cleared_p4ds = false;
  }
  void adjust(Vaddr from, Vaddr to) {
    if (from < start) start = from;
    if (end < to) end = to;
  }
};

/// PTEs and page tables of one VMA that is in no tree go, as after a failed mmap hook.
Path<void> unmap_region(Kernel& k, mm_struct& mm, vm_area_struct& vma);

/// mmap_region(): makes the mapping. The address, or a negative errno.
Path<std::int64_t> mmap_region(Kernel& k, mm_struct& mm, file* file, Vaddr addr, std::uint64_t len,
                               vm_flags_t vm_flags, Pgoff pgoff);

/// do_vmi_munmap(): unmaps [start, start + len) and releases mmap_lock if `unlock` (downgraded on
/// the way), as munmap(2) wants it. 0 or a negative errno; on error the lock is still held.
Path<std::int64_t> do_vmi_munmap(Kernel& k, mm_struct& mm, Vaddr start, std::uint64_t len,
                                 bool unlock);

/// Whether munmap(2) and a shrinking mremap(2) let go of mmap_lock on the way.
inline bool munmap_drops_lock(const Profile& profile) {
  return profile.munmap_downgrades && profile.mmap_region == MmapRegion::gathers;
}
/// do_vmi_munmap(), or what the profile has in its place; `unlock` only if munmap_drops_lock().
Path<std::int64_t> unmap_range(Kernel& k, mm_struct& mm, Vaddr start, std::uint64_t len,
                               bool unlock);

/// Detached VMAs of one unmapping, and what they counted. mm/vma.h struct vma_munmap_struct.
struct vma_munmap_struct {
  std::vector<vm_area_struct*> vmas;
  Vaddr start{}, end{};
  std::uint64_t nr_pages = 0;
  std::uint64_t nr_accounted = 0;  ///< pages of them that were charged
};
/// Splits at the ends, write-locks and detaches every VMA of the range.
Path<std::int64_t> vms_gather_munmap_vmas(Kernel& k, mm_struct& mm, vma_munmap_struct& vms);
/// Unmaps pages and frees page tables of the gathered VMAs.
Path<void> vms_clear_ptes(Kernel& k, mm_struct& mm, vma_munmap_struct& vms);
/// Finishes the unmapping: clears what is left, frees the VMAs.
Path<void> vms_complete_munmap_vmas(Kernel& k, mm_struct& mm, vma_munmap_struct& vms, bool unlock,
                                    bool cleared);

/// Adds a VMA to its file's i_mmap; a fork's copy right after its original. Takes i_mmap_rwsem.
Path<void> vma_link_file(Kernel& k, vm_area_struct& vma, vm_area_struct* original = nullptr);
/// A VMA that is nowhere yet.
vm_area_struct& vm_area_alloc(Kernel& k, mm_struct& mm);
/// A VMA of a process that exists before the run begins: no lock, no record. Anonymous, with its
/// page offset as such; the caller may make it one of a file.
vm_area_struct& place_vma(Kernel& k, mm_struct& mm, Vaddr start, Vaddr end, vm_flags_t flags);
/// Frees a VMA without a word to its driver: who wants vm_ops->close to run calls vma_close first.
void remove_vma(Kernel& k, vm_area_struct& vma);
/// Runs vm_ops->close, once: the VMA has the dummy operations afterwards.
Path<void> vma_close(Kernel& k, vm_area_struct& vma);
/// Operations that do nothing: of a file's VMA before its hook, and after its close.
extern const vm_operations_struct vma_dummy_vm_ops;

/// Page protection of the VMA's flags; shared and writable but tracked: read-only. The cache mode
/// that its driver chose stays. mm/mmap.c.
void vma_set_page_prot(vm_area_struct& vma);
/// Protection of a mapping with these flags that nobody tracks: protection_map of mm/mmap.c.
pgprot_t vm_get_page_prot(vm_flags_t flags);
/// Replaces the file of a VMA; takes a reference on the new one, drops that on the old. mm/util.c.
void vma_set_file(Kernel& k, vm_area_struct& vma, file& fresh);

vm_area_struct& vm_area_alloc(Kernel& k, mm_struct& mm);

}  // namespace faultline
