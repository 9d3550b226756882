// mmap_region(): from the checked arguments of mmap(2) to a VMA in the tree. Linux 6.12 and 7.1
// mm/vma.c (__mmap_setup, call_mmap_prepare, __mmap_new_vma, __mmap_complete). A file either
// prepares its mapping before the merge attempt and before there is a VMA (7.1), or its mmap hook
// works on the new VMA. Left out: KSM, uprobes, perf records, MDWE.
#include <cerrno>

#include "kernel/fs/open.hpp"
#include "kernel/mm/i_mmap.hpp"
#include "kernel/mm/memory.hpp"
#include "kernel/mm/mmap_action.hpp"
#include "kernel/mm/mmap_lock.hpp"
#include "kernel/mm/shmem.hpp"
#include "kernel/mm/vm_account.hpp"
#include "kernel/mm/vma.hpp"
#include "kernel/mm/vma_merge.hpp"

namespace faultline {

namespace {

/// State of one call. mm/vma.c struct mmap_state.
struct mmap_state {
  mm_struct& mm;
  Vaddr addr{}, end{};
  Pgoff pgoff{};
  std::uint64_t pglen = 0;
  vm_flags_t vm_flags = 0;
  file* vm_file = nullptr;
  pgprot_t page_prot{};
  const vm_operations_struct* vm_ops = nullptr;  ///< of a prepared mapping; null: none was set
  std::uint64_t vm_private_data = 0;
  std::uint64_t charged = 0;          ///< pages
  bool file_doesnt_need_get = false;  ///< the hook has brought a file with a reference
  vma_munmap_struct vms;
};

}  // namespace

// Charges a private writable mapping. What the mappings it replaces had been promised goes over.
static int charge_mapping(Kernel& k, mmap_state& map) {
  const std::uint64_t had = map.vms.nr_accounted;
  if (map.pglen > had) {
    if (const int error = vm_enough_memory(k, map.mm, map.pglen - had)) return error;
  } else {
    vm_unacct_memory(k, had - map.pglen);
  }
  map.charged = map.pglen;
  map.vm_flags |= VM_ACCOUNT;
  map.vms.nr_accounted = 0;
  return 0;
}

// The range's old VMAs are out of everybody's reach, but still where a look-up finds them.
static void note_stale(mmap_state& map) {
  if (map.vms.vmas.empty()) return;
  map.mm.stale_start = map.vms.vmas.front()->vm_start;
  map.mm.stale_end = map.vms.vmas.back()->vm_end;
}
static void forget_stale(mm_struct& mm) { mm.stale_start = mm.stale_end = Vaddr(0); }

// vms_clean_up_area(): from here on the old content is gone, whatever comes.
static Path<void> vms_clean_up_area(Kernel& k, mmap_state& map) {
  if (map.vms.vmas.empty()) co_return;
  co_await vms_clear_ptes(k, map.mm, map.vms);
  for (vm_area_struct* const old : map.vms.vmas) {
    if (old->vm_ops && old->vm_ops->close) co_await vma_close(k, *old);
  }
}

// Takes what the mapping replaces out of the process, and checks the limits.
static Path<std::int64_t> __mmap_setup(Kernel& k, mmap_state& map) {
  if (find_vma_intersection(map.mm, map.addr, map.end)) {
    const std::int64_t error = co_await vms_gather_munmap_vmas(k, map.mm, map.vms);
    if (error) {  // what was cut stays cut
      for (vm_area_struct* const old : map.vms.vmas) old->detached = false;
      co_return error;
    }
    note_stale(map);
  }
  const auto more =
      static_cast<std::int64_t>(map.pglen) - static_cast<std::int64_t>(map.vms.nr_pages);
  int refused = may_expand_vm(k, map.mm, map.vm_flags, more) ? 0 : -ENOMEM;
  if (refused == 0 && accountable_mapping(map.vm_file, map.vm_flags)) {
    refused = charge_mapping(k, map);
  }
  if (refused) {
    for (vm_area_struct* const old : map.vms.vmas) reattach_vma(*old);
    forget_stale(map.mm);
    co_return refused;
  }
  co_await vms_clean_up_area(k, map);
  co_return 0;
}

// The hook, then what it has asked to be done once the VMA exists.
static Path<std::int64_t> call_mmap_prepare(Kernel& k, mmap_state& map, vm_area_desc& desc) {
  desc.mm = &map.mm;
  desc.file = desc.vm_file = map.vm_file;
  desc.start = map.addr;
  desc.end = map.end;
  desc.pgoff = map.pgoff;
  desc.vm_flags = map.vm_flags;
  desc.page_prot = map.page_prot;
  if (k.profile.desc_vm_ops == DescVmOps::dummy) desc.vm_ops = &vma_dummy_vm_ops;
  std::int64_t error = co_await map.vm_file->f_op->mmap_prepare(k, *map.vm_file, desc);
  if (error) co_return error;
  error = co_await mmap_action_prepare(k, desc);
  if (error) co_return error;
  map.pgoff = desc.pgoff;
  if (desc.vm_file != map.vm_file) {
    map.vm_file = desc.vm_file;
    map.file_doesnt_need_get = true;
  }
  map.vm_flags = desc.vm_flags;
  map.page_prot = desc.page_prot;
  map.vm_ops = desc.vm_ops;
  map.vm_private_data = desc.private_data;
  co_return 0;
}

// The mmap hook works on a VMA that nobody can find yet. What it has mapped goes if it fails; its
// operations are never called then.
static Path<std::int64_t> call_mmap_hook(Kernel& k, mmap_state& map, vm_area_struct& vma) {
  const std::int64_t error = co_await mmap_file(k, *map.vm_file, vma);
  if (error) {
    vma.vm_ops = &vma_dummy_vm_ops;
    fput(k, *vma.vm_file);
    vma.vm_file = nullptr;
    co_await unmap_region(k, map.mm, vma);
    co_return error;
  }
  if (vma.vm_start != map.addr) k.warn_on_once("an mmap hook has moved the start of its VMA");
  if ((vma.vm_flags & ~map.vm_flags) & VM_MAYWRITE) {
    k.warn_on_once("an mmap hook has allowed writing that was forbidden");
  }
  co_return 0;
}

static Path<std::int64_t> mmap_new_file_vma(Kernel& k, mmap_state& map, vm_area_struct& vma) {
  vma.vm_file = map.vm_file;
  vma.vm_ops = &vma_dummy_vm_ops;
  if (!map.file_doesnt_need_get) ++vma.vm_file->f_count;
  if (has_mmap_hook(k, *map.vm_file)) {
    const std::int64_t error = co_await call_mmap_hook(k, map, vma);
    if (error) co_return error;
  }
  co_return 0;
}

// With a hook that changed the flags the mapping may fit a neighbour now (6.12).
static Path<vm_area_struct*> merge_after_hook(Kernel& k, mmap_state& map, vm_area_struct& vma) {
  const bool changed = vma.vm_flags != map.vm_flags;
  map.vm_flags = vma.vm_flags;
  map.vm_file = vma.vm_file;
  if (!changed || !k.profile.merge_after_mmap_hook || !find_vma_prev(map.mm, map.addr)) {
    co_return nullptr;
  }
  MergeRequest request;
  request.start = map.addr;
  request.end = map.end;
  request.pgoff = vma.vm_pgoff;
  request.flags = vma.vm_flags;
  request.vm_file = vma.vm_file;
  vm_area_struct* const merged = co_await vma_merge_new_range(k, map.mm, request);
  co_return merged;
}

// Takes i_mmap_rwsem and keeps it if nobody may find the mapping there before it is complete.
static Path<void> link_new_file_vma(Kernel& k, vm_area_struct& vma, bool hide) {
  if (!hide || !vma.vm_file) {
    co_await vma_link_file(k, vma);
    co_return;
  }
  address_space& mapping = vma.vm_file->f_inode->i_data;
  co_await down_write(mapping.i_mmap_rwsem);
  __vma_link_file(k, vma, mapping);
  k.engine.charge(k.costs.rmap_op);
}

static Path<std::int64_t> __mmap_new_vma(Kernel& k, mmap_state& map, bool hide,
                                         vm_area_struct** out) {
  mm_struct& mm = map.mm;
  if (k.inject.fails(FailPoint::vm_area_alloc)) co_return -ENOMEM;
  vm_area_struct& vma = vm_area_alloc(k, mm);
  vma.vm_start = map.addr;
  vma.vm_end = map.end;
  vma.vm_flags = map.vm_flags;
  vma.vm_pgoff = map.pgoff;
  vma.vm_page_prot = map.page_prot;
  std::int64_t error = 0;
  if (map.vm_file) {
    error = co_await mmap_new_file_vma(k, map, vma);
  } else if (vma.vm_flags & VM_SHARED) {
    error = shmem_zero_setup(k, vma);
  }
  if (error) {
    remove_vma(k, vma);
    co_return error;
  }
  if (map.vm_file) {
    vm_area_struct* const merged = co_await merge_after_hook(k, map, vma);
    if (merged) {
      remove_vma(k, vma);
      *out = merged;
      co_return 0;
    }
  }
  co_await vma_start_write(k, vma);
  forget_stale(mm);
  mm.mm_mt.insert(vma);
  vma.unlinked = false;
  ++mm.map_count;
  k.engine.charge(k.costs.vma_change);
  co_await link_new_file_vma(k, vma, hide);
  *out = &vma;
  co_return 0;
}

static void account_locked(mm_struct& mm, vm_area_struct& vma, std::uint64_t pages) {
  if (!(vma.vm_flags & VM_LOCKED)) return;
  const bool dax = vma.vm_file && vma.vm_file->f_inode->dax;
  if (dax || (vma.vm_flags & (VM_SPECIAL | VM_HUGETLB | VM_DROPPABLE))) {
    vma.vm_flags &= ~(VM_LOCKED | VM_LOCKONFAULT);
  } else {
    mm.locked_vm += pages;
  }
}

static Path<void> __mmap_complete(Kernel& k, mmap_state& map, vm_area_struct& vma) {
  co_await vms_complete_munmap_vmas(k, map.mm, map.vms, false, true);
  vm_stat_account(map.mm, map.vm_flags, static_cast<std::int64_t>(map.pglen));
  account_locked(map.mm, vma, map.pglen);
  vma.vm_flags |= VM_SOFTDIRTY;
  vma_set_page_prot(vma);
}

// Leaves a hole where the old VMAs were.
static Path<std::int64_t> abort_mmap(Kernel& k, mmap_state& map, std::int64_t error,
                                     bool uncharge) {
  if (uncharge && map.charged) vm_unacct_memory(k, map.charged);
  forget_stale(map.mm);
  co_await vms_complete_munmap_vmas(k, map.mm, map.vms, false, true);
  co_return error;
}

static Path<vm_area_struct*> try_merge(Kernel& k, mmap_state& map) {
  MergeRequest request;
  request.start = map.addr;
  request.end = map.end;
  request.pgoff = map.pgoff;
  request.flags = map.vm_flags;
  request.vm_file = map.vm_file;
  vm_area_struct* const merged = co_await vma_merge_new_range(k, map.mm, request);
  if (merged && map.file_doesnt_need_get) fput(k, *map.vm_file);
  if (merged) forget_stale(map.mm);
  co_return merged;
}

static Path<std::int64_t> __mmap_region(Kernel& k, mmap_state& map, bool have_mmap_prepare) {
  vm_area_desc desc;
  std::int64_t error = co_await __mmap_setup(k, map);
  if (error) co_return error;
  if (have_mmap_prepare) {
    error = co_await call_mmap_prepare(k, map, desc);
    if (error) {
      const std::int64_t out =
          co_await abort_mmap(k, map, error, k.profile.prepare_failure_uncharges);
      co_return out;
    }
  }
  bool allocated_new = false;
  vm_area_struct* vma = co_await try_merge(k, map);
  if (!vma) {
    const bool hide = have_mmap_prepare && desc.action.hide_from_rmap_until_complete;
    error = co_await __mmap_new_vma(k, map, hide, &vma);
    if (error) {
      const std::int64_t out = co_await abort_mmap(k, map, error, true);
      co_return out;
    }
    allocated_new = true;
  }
  if (have_mmap_prepare) {
    // Also where the range was merged into a neighbour, whose driver loses its pointer so.
    if (map.vm_ops) vma->vm_ops = map.vm_ops;
    if (desc.vm_ops == nullptr && k.profile.desc_vm_ops == DescVmOps::dummy) vma->vm_ops = nullptr;
    vma->vm_private_data = map.vm_private_data;
  }
  co_await __mmap_complete(k, map, *vma);
  if (have_mmap_prepare && allocated_new) {
    error = co_await mmap_action_complete(k, *vma, desc.action, false);
    if (error) co_return error;
  }
  co_return static_cast<std::int64_t>(map.addr.v);
}

Path<std::int64_t> mmap_region(Kernel& k, mm_struct& mm, file* file, Vaddr addr, std::uint64_t len,
                               vm_flags_t vm_flags, Pgoff pgoff) {
  mmap_state map{.mm = mm, .vms = {}};
  map.addr = map.vms.start = addr;
  map.end = map.vms.end = addr + len;
  map.pgoff = pgoff;
  map.pglen = len >> PAGE_SHIFT;
  map.vm_flags = vm_flags;
  map.vm_file = file;
  map.page_prot = vm_get_page_prot(vm_flags);
  const bool prepares = file && has_mmap_prepare_hook(k, *file);
  const bool may_write = file && is_shared_maywrite(k.profile, vm_flags);
  if (may_write) {
    if (const int refused = mapping_map_writable(file->f_inode->i_data)) co_return refused;
  }
  const std::int64_t result = co_await __mmap_region(k, map, prepares);
  // The VMA has a count of its own since it was linked.
  if (may_write) mapping_unmap_writable(file->f_inode->i_data);
  co_return result;
}

}  // namespace faultline
