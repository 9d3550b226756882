// mmap_action_prepare and mmap_action_complete. Linux 7.1 mm/util.c. Knobs lead back to the states
// between the patches of the series that made it: who unmaps after a failure and under which lock,
// what prepare checks, whether there is a mapped hook.
#include "kernel/mm/mmap_action.hpp"

#include <cerrno>

#include "kernel/mm/memory_map.hpp"
#include "kernel/mm/mmap_lock.hpp"
#include "kernel/mm/vma.hpp"

namespace faultline {

void mmap_action_remap(Kernel& k, vm_area_desc& desc, Vaddr start, Pfn pfn, std::uint64_t size) {
  // A range outside the VMA is the driver's bug; prepare refuses it.
  if (start < desc.start || desc.end < start) {
    k.warn_on_once("mmap_action_remap: the range starts outside the VMA");
  }
  if (start + size < desc.start || desc.end < start + size) {
    k.warn_on_once("mmap_action_remap: the range ends outside the VMA");
  }
  desc.action.type = MmapAction::remap_pfn;
  desc.action.start = start;
  desc.action.start_pfn = pfn;
  desc.action.size = size;
  desc.action.pgprot = desc.page_prot;
}

void mmap_action_ioremap(Kernel& k, vm_area_desc& desc, Vaddr start, Pfn pfn, std::uint64_t size) {
  mmap_action_remap(k, desc, start, pfn, size);
  desc.action.type = MmapAction::io_remap_pfn;
}

void mmap_action_simple_ioremap(vm_area_desc& desc, std::uint64_t phys, std::uint64_t size) {
  desc.action.type = MmapAction::simple_io_remap;
  desc.action.start_phys_addr = phys;
  desc.action.size = size;
}

void mmap_action_map_kernel_pages(vm_area_desc& desc, Vaddr start, folio* const* pages,
                                  std::uint64_t nr_pages) {
  desc.action.type = MmapAction::map_kernel_pages;
  desc.action.start = start;
  desc.action.pages = pages;
  desc.action.nr_pages = nr_pages;
}

std::int64_t iomap_window(std::uint64_t phys, std::uint64_t size, Pgoff pgoff,
                          std::uint64_t vma_pages, Pfn* pfn) {
  if (phys + size < phys) return -EINVAL;
  size += phys & ~PAGE_MASK;
  std::uint64_t first = phys >> PAGE_SHIFT;
  std::uint64_t pages = (size + PAGE_SIZE - 1) >> PAGE_SHIFT;
  if (first + pages < first) return -EINVAL;
  if (pgoff.v > pages) return -EINVAL;
  first += pgoff.v;
  pages -= pgoff.v;
  if (vma_pages > pages) return -EINVAL;
  *pfn = Pfn(first);
  return 0;
}

static std::int64_t simple_ioremap_prepare(Kernel& k, vm_area_desc& desc) {
  Pfn pfn;
  const std::uint64_t size = vma_desc_size(desc);
  const std::int64_t error = iomap_window(desc.action.start_phys_addr, desc.action.size, desc.pgoff,
                                          size >> PAGE_SHIFT, &pfn);
  if (error) return error;
  mmap_action_ioremap(k, desc, desc.start, pfn, size);
  return remap_pfn_range_prepare(k, desc);
}

Path<std::int64_t> mmap_action_prepare(Kernel& k, vm_area_desc& desc) {
  mmap_action& action = desc.action;
  if (action.error_override && (action.error_override >= 0 || action.error_override < -4095)) {
    k.warn_on_once("mmap_action_prepare: error_override is no errno");
    co_return -EINVAL;
  }
  switch (action.type) {
    case MmapAction::nothing:
      co_return 0;
    case MmapAction::remap_pfn:
    case MmapAction::io_remap_pfn:
      co_return remap_pfn_range_prepare(k, desc);
    case MmapAction::simple_io_remap:
      co_return simple_ioremap_prepare(k, desc);
    case MmapAction::map_kernel_pages: {
      const std::int64_t error = co_await map_kernel_pages_prepare(k, desc);
      co_return error;
    }
    case MmapAction::unknown:
      break;
  }
  k.warn_on_once("mmap_action_prepare: no such action");
  co_return -EINVAL;
}

static Path<std::int64_t> call_vma_mapped(Kernel& k, vm_area_struct& vma) {
  MappedRange range;
  range.ops = vma.vm_ops;
  range.mm = vma.vm_mm;
  range.start = vma.vm_start;
  range.end = vma.vm_end;
  range.pgoff = vma.vm_pgoff;
  range.vm_file = vma.vm_file;
  range.private_data = vma.vm_private_data;
  const std::int64_t error = co_await vma.vm_ops->mapped(k, range);
  if (error) co_return error;
  vma.vm_private_data = range.private_data;
  ++vma.mapped_calls;
  co_return 0;
}

// Lets the reverse map see a mapping that was hidden until now.
static void maybe_rmap_unlock_action(Kernel& k, vm_area_struct& vma, mmap_action& action) {
  if (!action.hide_from_rmap_until_complete) return;
  action.hide_from_rmap_until_complete = false;
  if (vma_is_anonymous(vma)) k.warn_on_once("an anonymous VMA was to be hidden from rmap");
  if (!vma.vm_file) return;
  if (!up_write(vma.vm_file->f_inode->i_data.i_mmap_rwsem)) {
    k.warn_on_once("i_mmap_rwsem is released by a task that does not hold it");
  }
}

static Path<void> unmap_failed_mapping(Kernel& k, vm_area_struct& vma) {
  const std::uint64_t len = vma.vm_end - vma.vm_start;
  if (vma.unlinked) {
    // No VMA is there to be unmapped; marking this one as detached warns, for it always was.
    k.warn_on_once("vma_mark_detached: the VMA of a stacked hook was never attached");
  }
  co_await do_vmi_munmap(k, *vma.vm_mm, vma.vm_start, len, false);
}

static Path<std::int64_t> filter_error(Kernel& k, const mmap_action& action, std::int64_t error) {
  if (action.error_override) co_return action.error_override;
  if (!action.error_hook) co_return error;
  const std::int64_t filtered = co_await action.error_hook(k, action.driver, error);
  if (filtered == 0) k.warn_on_once("an error hook of mmap has cleared the error");
  co_return filtered;
}

// What follows the action, in the order of this profile.
static Path<std::int64_t> mmap_action_finish(Kernel& k, vm_area_struct& vma, mmap_action& action,
                                             std::int64_t error, bool is_compat) {
  const bool has_mapped = k.profile.mapped_hook && vma.vm_ops && vma.vm_ops->mapped;
  if (!error && has_mapped) error = co_await call_vma_mapped(k, vma);
  if (!error && action.success_hook) {
    error = co_await action.success_hook(k, action.driver, vma);
  }
  if (error && k.profile.action_unmap == ActionUnmap::under_rmap) {
    co_await unmap_failed_mapping(k, vma);
    maybe_rmap_unlock_action(k, vma, action);
  } else {
    maybe_rmap_unlock_action(k, vma, action);
    if (!error) co_return 0;
    if (is_compat && !k.profile.compat_unmaps) co_return error;
    co_await unmap_failed_mapping(k, vma);
  }
  if (!error) co_return 0;
  const std::int64_t filtered = co_await filter_error(k, action, error);
  co_return filtered;
}

Path<std::int64_t> mmap_action_complete(Kernel& k, vm_area_struct& vma, mmap_action& action,
                                        bool is_compat) {
  std::int64_t error = 0;
  switch (action.type) {
    case MmapAction::nothing:
      break;
    case MmapAction::remap_pfn:
      error = co_await remap_pfn_range_complete(k, vma, action);
      break;
    case MmapAction::map_kernel_pages:
      error = co_await map_kernel_pages_complete(k, vma, action);
      break;
    case MmapAction::io_remap_pfn:
    case MmapAction::simple_io_remap:
    case MmapAction::unknown:
      k.warn_on_once("mmap_action_complete: the action should be another one by now");
      error = -EINVAL;
      break;
  }
  error = co_await mmap_action_finish(k, vma, action, error, is_compat);
  co_return error;
}

}  // namespace faultline
