// The hooks by which a file takes part in mmap(2), and the actions that an mmap_prepare hook leaves
// to the core. Linux 7.1 mm/util.c (vfs_mmap, compat_vma_mmap, mmap_action_prepare,
// mmap_action_complete) and include/linux/mm.h (the helpers); mmap_path.md sections 5, 6 and 9.
// Left out: machines without an MMU.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

/// Whether the file has the hook, for the kernel of this profile. A file system that has both
/// stands for two versions of itself; only of a driver both can be set at once, which is its bug.
bool has_mmap_prepare_hook(const Kernel& k, const file& file);
bool has_mmap_hook(const Kernel& k, const file& file);
/// can_mmap_file(): exactly one of the hooks; both: a warning, and no.
bool can_mmap_file(Kernel& k, const file& file);

/// The mmap hook of a file, and vfs_mmap(): the same from within another file's mmap hook, where a
/// file that prepares its mappings is served by the compat layer. 0 or a negative errno.
Path<std::int64_t> mmap_file(Kernel& k, file& file, vm_area_struct& vma);
Path<std::int64_t> vfs_mmap(Kernel& k, file& file, vm_area_struct& vma);
Path<std::int64_t> compat_vma_mmap(Kernel& k, file& file, vm_area_struct& vma);
/// The layer itself, for an mmap hook whose driver has a prepare hook of its own behind it: what
/// the hook describes is carried out on `vma`.
Path<std::int64_t> compat_mmap(Kernel& k, file& file, vm_area_struct& vma,
                               Path<std::int64_t> (*prepare)(Kernel&, struct file&, vm_area_desc&));

// The helpers that a hook chooses its action with. `start` is an address, sizes are bytes.
void mmap_action_remap(Kernel& k, vm_area_desc& desc, Vaddr start, Pfn pfn, std::uint64_t size);
void mmap_action_ioremap(Kernel& k, vm_area_desc& desc, Vaddr start, Pfn pfn, std::uint64_t size);
void mmap_action_simple_ioremap(vm_area_desc& desc, std::uint64_t phys, std::uint64_t size);
void mmap_action_map_kernel_pages(vm_area_desc& desc, Vaddr start, folio* const* pages,
                                  std::uint64_t nr_pages);

/// Checks the action and sets the flags it forces. 0 or a negative errno.
Path<std::int64_t> mmap_action_prepare(Kernel& k, vm_area_desc& desc);
/// Performs the action on the new VMA, runs vm_ops->mapped and the hooks, and lets rmap see the
/// VMA. On an error the VMA is unmapped, unless the compat layer asks: its VMA is in no tree.
Path<std::int64_t> mmap_action_complete(Kernel& k, vm_area_struct& vma, mmap_action& action,
                                        bool is_compat);

/// Where a device window lies: simple io-remap and vm_iomap_memory share this. 0 or -EINVAL.
std::int64_t iomap_window(std::uint64_t phys, std::uint64_t size, Pgoff pgoff,
                          std::uint64_t vma_pages, Pfn* pfn);

}  // namespace faultline
