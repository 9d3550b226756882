// The mmap hooks of a described driver. What a description leaves out is what such a driver would
// do: map its memory from the mapping's offset on, over the whole VMA.
#include <cerrno>

#include "kernel/drivers/preset_checks.hpp"
#include "kernel/fs/open.hpp"
#include "kernel/kernel.hpp"
#include "kernel/mm/memory_map.hpp"
#include "kernel/mm/mmap_action.hpp"
#include "kernel/mm/mmap_lock.hpp"
#include "kernel/mm/shmem.hpp"
#include "kernel/mm/vma.hpp"

namespace faultline {

namespace {

pgprot_t choose_cache(CacheChoice choice, pgprot_t prot) {
  switch (choice) {
    case CacheChoice::unchanged:
      return prot;
    case CacheChoice::noncached:
      return pgprot_noncached(prot);
    case CacheChoice::writecombine:
      return pgprot_writecombine(prot);
  }
  return prot;
}

/// Where a mapping lies; what helpers' absent arguments are taken from.
struct Mapping {
  Vaddr start{}, end{};
  Pgoff pgoff{};
  std::uint64_t bytes() const { return end - start; }
  std::uint64_t pages() const { return (end - start) >> PAGE_SHIFT; }
};

Pfn frame_of(const char_device& device, const Mapping& m, const DriverAction& a) {
  if (a.pfn) return Pfn(*a.pfn);
  return device.what->phys_from_offset ? Pfn(m.pgoff.v) : device.first_pfn + m.pgoff.v;
}
std::uint64_t size_of(const Mapping& m, const DriverAction& a) {
  if (a.half) return m.bytes() / 2;  // of an odd number of pages: up to the middle of one
  if (a.size) return *a.size;
  return a.pages ? *a.pages << PAGE_SHIFT : m.bytes();
}
std::uint64_t count_of(const Mapping& m, const DriverAction& a) {
  if (a.half) return m.pages() / 2;
  if (a.pages) return *a.pages;
  return a.size ? *a.size >> PAGE_SHIFT : m.pages();
}

// The array from entry `from` on. A driver that promises more pages than it has would let the
// kernel read whatever lies behind; that is refused.
folio* const* array_from(Kernel& k, const char_device& device, std::uint64_t from,
                         std::uint64_t count) {
  if (from <= device.pages.size() && count <= device.pages.size() - from) {
    return device.pages.data() + from;
  }
  k.unmodelled("a driver whose page array is shorter than its mapping; mmap fails with EINVAL");
  return nullptr;
}

Path<std::int64_t> driver_success_hook(Kernel& k, char_device* driver, vm_area_struct& vma) {
  char_device& device = *driver;
  HookCall& call = log_hook(k, device, HookKind::success_hook, vma);
  co_await hook_sleep(k, device, HookKind::success_hook);
  call.returned = device.what->success_hook.returns;
  co_return device.what->success_hook.returns;
}

Path<std::int64_t> driver_error_hook(Kernel& k, char_device* driver, std::int64_t error) {
  char_device& device = *driver;
  HookCall& call = log_hook(k, device, HookKind::error_hook);
  call.error = error;
  co_await hook_sleep(k, device, HookKind::error_hook);
  call.returned = device.what->error_hook.returns;
  co_return device.what->error_hook.returns;
}

std::int64_t choose_action(Kernel& k, char_device& device, vm_area_desc& desc,
                           const DriverAction& a) {
  const Mapping m{desc.start, desc.end, desc.pgoff};
  const Vaddr start = desc.start + static_cast<std::uint64_t>(a.start);
  switch (a.kind) {
    case DriverActionKind::none:
      return 0;
    case DriverActionKind::remap:
    case DriverActionKind::remap_full:
      mmap_action_remap(k, desc, start, frame_of(device, m, a), size_of(m, a));
      return 0;
    case DriverActionKind::ioremap:
    case DriverActionKind::ioremap_full:
      mmap_action_ioremap(k, desc, start, frame_of(device, m, a), size_of(m, a));
      return 0;
    case DriverActionKind::simple_ioremap:
      mmap_action_simple_ioremap(
          desc, a.phys.value_or(device.what->phys_at),
          a.size || a.pages || a.half ? size_of(m, a) : device.what->phys_size);
      return 0;
    case DriverActionKind::map_kernel_pages:
    case DriverActionKind::map_kernel_pages_full: {
      const std::uint64_t count = count_of(m, a);
      folio* const* const pages = array_from(k, device, a.from, count);
      if (!pages) return -EINVAL;
      mmap_action_map_kernel_pages(desc, start, pages, count);
      return 0;
    }
    case DriverActionKind::unknown:
      desc.action.type = MmapAction::unknown;
      return 0;
  }
  return 0;
}

// The driver puts a file of its own under the mapping.
std::int64_t replace_file(Kernel& k, const char_device& device, const Mapping& m, vm_flags_t flags,
                          file** vm_file) {
  if (device.what->replace_by_shmem) {
    file* const fresh = shmem_kernel_file_setup(k, m.bytes(), flags);
    if (!fresh) return -ENOMEM;
    *vm_file = fresh;
  } else if (device.replacement) {
    ++device.replacement->f_count;
    *vm_file = device.replacement;
  }
  return 0;
}

std::int64_t describe_mapping(Kernel& k, char_device& device, vm_area_desc& desc) {
  const CharDescription& d = *device.what;
  desc.vm_flags = (desc.vm_flags | d.set_flags) & ~d.clear_flags;
  desc.page_prot = choose_cache(d.page_prot, desc.page_prot);
  desc.pgoff += d.pgoff_shift;
  if (d.has_vm_ops) desc.vm_ops = &device.ops;
  if (d.private_data) desc.private_data = *d.private_data;
  const Mapping m{desc.start, desc.end, desc.pgoff};
  if (const std::int64_t error = replace_file(k, device, m, desc.vm_flags, &desc.vm_file))
    return error;
  for (const DriverAction& action : d.actions) {
    if (const std::int64_t error = choose_action(k, device, desc, action)) return error;
  }
  desc.page_prot = choose_cache(d.page_prot_after, desc.page_prot);
  desc.action.driver = &device;
  if (d.success_hook.present) desc.action.success_hook = driver_success_hook;
  if (d.error_hook.present) desc.action.error_hook = driver_error_hook;
  desc.action.hide_from_rmap_until_complete = d.hide_from_rmap;
  return d.returns;
}

Path<std::int64_t> driver_mmap_prepare(Kernel& k, file& file, vm_area_desc& desc) {
  char_device& device = *device_of(file);
  HookCall& call = log_hook(k, device, HookKind::mmap_prepare);
  call.start = desc.start;
  call.end = desc.end;
  call.pgoff = desc.pgoff;
  const mm_struct& mm = *desc.mm;
  call.occupied = find_vma_intersection(mm, desc.start, desc.end) ||
                  (mm.stale_start < desc.end && desc.start < mm.stale_end);
  co_await hook_sleep(k, device, HookKind::mmap_prepare);
  std::int64_t error = check_preset(k, device, desc);
  if (!error) error = describe_mapping(k, device, desc);
  call.returned = error;
  co_return error;
}

// ---- the mmap hook ----------------------------------------------------------------------------

HelperPath<std::int64_t> insert_into(Kernel& k, char_device& device, vm_area_struct& vma,
                                     const DriverCall& call) {
  const Mapping m{vma.vm_start, vma.vm_end, vma.vm_pgoff};
  const DriverAction& a = call.args;
  const bool one = call.kind == DriverCallKind::vm_insert_page;
  const bool all = call.kind == DriverCallKind::vm_map_pages;
  std::uint64_t count = one ? 1 : all ? a.pages.value_or(device.pages.size()) : count_of(m, a);
  folio* const* const pages = array_from(k, device, a.from, count);
  if (!pages) co_return -EINVAL;
  const Vaddr start = vma.vm_start + static_cast<std::uint64_t>(a.start);
  std::int64_t error = 0;
  if (one) {
    error = co_await vm_insert_page(k, vma, start, **pages);
  } else if (all) {
    error = co_await vm_map_pages(k, vma, pages, count);
  } else {
    error = co_await vm_insert_pages(k, vma, start, pages, &count);
  }
  co_return error;
}

HelperPath<std::int64_t> make_call(Kernel& k, char_device& device, vm_area_struct& vma,
                                   const DriverCall& call) {
  const Mapping m{vma.vm_start, vma.vm_end, vma.vm_pgoff};
  const DriverAction& a = call.args;
  std::int64_t error = 0;
  switch (call.kind) {
    case DriverCallKind::remap_pfn_range:
    case DriverCallKind::io_remap_pfn_range:
      error = co_await remap_pfn_range(k, vma, vma.vm_start + static_cast<std::uint64_t>(a.start),
                                       frame_of(device, m, a), size_of(m, a), vma.vm_page_prot);
      break;
    case DriverCallKind::vm_iomap_memory: {
      const bool own = a.size || a.pages || a.half;
      error = co_await vm_iomap_memory(k, vma, a.phys.value_or(device.what->phys_at),
                                       own ? size_of(m, a) : device.what->phys_size);
      break;
    }
    case DriverCallKind::vm_insert_page:
    case DriverCallKind::vm_insert_pages:
    case DriverCallKind::vm_map_pages:
      error = co_await insert_into(k, device, vma, call);
      break;
  }
  co_return error;
}

HelperPath<std::int64_t> set_up_vma(Kernel& k, char_device& device, vm_area_struct& vma) {
  const CharDescription& d = *device.what;
  const vm_flags_t flags = (vma.vm_flags | d.set_flags) & ~d.clear_flags;
  if (flags != vma.vm_flags) co_await vma_start_write(k, vma);
  vma.vm_flags = flags;
  vma.vm_page_prot = choose_cache(d.page_prot, vma.vm_page_prot);
  vma.vm_pgoff += d.pgoff_shift;
  if (d.has_vm_ops) vma.vm_ops = &device.ops;
  if (d.private_data) vma.vm_private_data = *d.private_data;
  const Mapping m{vma.vm_start, vma.vm_end, vma.vm_pgoff};
  file* wanted = vma.vm_file;
  const std::int64_t error = replace_file(k, device, m, vma.vm_flags, &wanted);
  if (wanted != vma.vm_file) {
    vma_set_file(k, vma, *wanted);
    fput(k, *wanted);
  }
  co_return error;
}

HelperPath<std::int64_t> perform_mmap(Kernel& k, char_device& device, vm_area_struct& vma) {
  const CharDescription& d = *device.what;
  std::int64_t error = 0;
  if (!d.splits) error = co_await set_up_vma(k, device, vma);
  if (error) co_return error;
  for (const DriverCall& call : d.calls) {
    error = co_await make_call(k, device, vma, call);
    if (error) co_return error;
  }
  vma.vm_page_prot = choose_cache(d.page_prot_after, vma.vm_page_prot);
  if (d.splits) {
    error = co_await compat_mmap(k, *vma.vm_file, vma, driver_mmap_prepare);
    if (error) co_return error;
  }
  if (device.inner_file) {
    vma_set_file(k, vma, *device.inner_file);
    error = co_await vfs_mmap(k, *device.inner_file, vma);
    if (error) co_return error;
  }
  co_return d.returns;
}

/// The mmap hook of the driver's files.
Path<std::int64_t> driver_mmap(Kernel& k, file& file, vm_area_struct& vma) {
  char_device& device = *device_of(file);
  HookCall& call = log_hook(k, device, HookKind::mmap, vma);
  co_await hook_sleep(k, device, HookKind::mmap);
  std::int64_t error = device.what->splits ? 0 : check_preset_vma(device, vma);
  if (!error) error = co_await perform_mmap(k, device, vma);
  call.returned = error;
  co_return error;
}

}  // namespace

void init_driver_ops(char_device& device);  // char_device_ops.cpp

void init_char_device(Kernel&, char_device& device) {
  const MmapHook hook = device.what->hook;
  if (hook == MmapHook::mmap_prepare || hook == MmapHook::both) {
    device.fops.mmap_prepare = driver_mmap_prepare;
  }
  if (hook == MmapHook::mmap || hook == MmapHook::both || hook == MmapHook::stacked) {
    device.fops.mmap = driver_mmap;
  }
  device.fops.both_hooks = hook == MmapHook::both;
  if (device.what->preset == DriverPreset::device_dax) {
    device.fops.area = AreaSearch::dax;
    device.fops.fop_flags = FOP_MMAP_SYNC;
  }
  init_driver_ops(device);
}

}  // namespace faultline
