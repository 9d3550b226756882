// Which mmap hook a file has, and the layer that lets an mmap hook call a file that prepares its
// mappings: a stacked file system, a driver that splits its work. Linux 7.1 mm/util.c
// (can_mmap_file, vfs_mmap, compat_vma_mmap, __compat_vma_mmap).
#include <cerrno>

#include "kernel/mm/mmap_action.hpp"
#include "kernel/mm/vma.hpp"

namespace faultline {

bool has_mmap_prepare_hook(const Kernel& k, const file& file) {
  return k.profile.mmap_prepare && file.f_op->mmap_prepare;
}

bool has_mmap_hook(const Kernel& k, const file& file) {
  const file_operations& ops = *file.f_op;
  return ops.mmap && (ops.both_hooks || !has_mmap_prepare_hook(k, file));
}

bool can_mmap_file(Kernel& k, const file& file) {
  const bool prepare = has_mmap_prepare_hook(k, file);
  const bool legacy = has_mmap_hook(k, file);
  if (prepare && legacy) {
    k.warn_on_once("can_mmap_file: a file has both mmap and mmap_prepare");
    return false;
  }
  return prepare || legacy;
}

// A VMA whose operations want to be told when it is mapped was made by a hook that cannot tell
// them: only the core does, for who prepares. Asked for a while, then dropped.
static std::int64_t check_mmap_hook(Kernel& k, const vm_area_struct& vma) {
  if (!k.profile.mapped_check || !vma.vm_ops || !vma.vm_ops->mapped) return 0;
  k.warn_on_once("__vma_check_mmap_hook: an mmap hook has set operations with mapped");
  return -EINVAL;
}

Path<std::int64_t> mmap_file(Kernel& k, file& file, vm_area_struct& vma) {
  std::int64_t error = co_await file.f_op->mmap(k, file, vma);
  if (!error) error = check_mmap_hook(k, vma);
  co_return error;
}

Path<std::int64_t> vfs_mmap(Kernel& k, file& file, vm_area_struct& vma) {
  if (has_mmap_prepare_hook(k, file)) {
    const std::int64_t error = co_await compat_vma_mmap(k, file, vma);
    co_return error;
  }
  if (!has_mmap_hook(k, file)) co_return -ENODEV;
  const std::int64_t error = co_await mmap_file(k, file, vma);
  co_return error;
}

static vm_area_desc compat_set_desc_from_vma(const Kernel& k, file& file,
                                             const vm_area_struct& vma) {
  vm_area_desc desc;
  desc.mm = vma.vm_mm;
  desc.file = &file;
  desc.start = vma.vm_start;
  desc.end = vma.vm_end;
  desc.pgoff = vma.vm_pgoff;
  desc.vm_file = vma.vm_file;
  desc.vm_flags = vma.vm_flags;
  desc.page_prot = vma.vm_page_prot;
  if (k.profile.desc_vm_ops == DescVmOps::dummy) desc.vm_ops = vma.vm_ops;
  return desc;
}

// A hook that has set no operations hands its null on: a private mapping becomes anonymous so.
static void compat_set_vma_from_desc(Kernel& k, const vm_area_desc& desc, vm_area_struct& vma) {
  vma.vm_pgoff = desc.pgoff;
  if (desc.vm_file != vma.vm_file) vma_set_file(k, vma, *desc.vm_file);
  vma.vm_flags = desc.vm_flags;
  vma.vm_page_prot = desc.page_prot;
  vma.vm_ops = desc.vm_ops;
  vma.vm_private_data = desc.private_data;
}

static Path<std::int64_t> __compat_vma_mmap(Kernel& k, vm_area_desc& desc, vm_area_struct& vma) {
  std::int64_t error = co_await mmap_action_prepare(k, desc);
  if (error) co_return error;
  compat_set_vma_from_desc(k, desc, vma);
  error = co_await mmap_action_complete(k, vma, desc.action, true);
  co_return error;
}

Path<std::int64_t> compat_mmap(Kernel& k, file& file, vm_area_struct& vma,
                               Path<std::int64_t> (*prepare)(Kernel&, struct file&,
                                                             vm_area_desc&)) {
  vm_area_desc desc = compat_set_desc_from_vma(k, file, vma);
  std::int64_t error = co_await prepare(k, file, desc);
  if (error) co_return error;
  error = co_await __compat_vma_mmap(k, desc, vma);
  co_return error;
}

Path<std::int64_t> compat_vma_mmap(Kernel& k, file& file, vm_area_struct& vma) {
  vm_area_desc desc = compat_set_desc_from_vma(k, file, vma);
  std::int64_t error = co_await file.f_op->mmap_prepare(k, file, desc);
  if (error) co_return error;
  // The VMA of an mmap hook cannot be found by rmap yet: there is no lock to keep.
  if (k.profile.compat_clears_hide) desc.action.hide_from_rmap_until_complete = false;
  error = co_await __compat_vma_mmap(k, desc, vma);
  co_return error;
}

}  // namespace faultline
