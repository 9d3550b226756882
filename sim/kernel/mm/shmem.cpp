// Files whose pages are memory and nothing else: a fault makes a zeroed page that stays.
#include "kernel/mm/shmem.hpp"

#include <cerrno>

#include "kernel/fs/inode.hpp"
#include "kernel/fs/open.hpp"
#include "kernel/fs/super.hpp"
#include "kernel/mm/filemap.hpp"
#include "kernel/mm/shmem_truncate.hpp"
#include "kernel/mm/vm_account.hpp"
#include "kernel/mm/vma.hpp"

namespace faultline {

namespace {

constexpr std::uint32_t kernel_mount = 0xffff;  // where unnamed files are

// The folio of the page that is there, locked; null if it went meanwhile, or there is none.
HelperPath<folio*> find_lock_folio(Kernel& k, address_space& mapping, std::uint64_t index) {
  folio* const cached = filemap_get_folio(k, mapping, index);
  if (!cached) co_return nullptr;
  folio_get(*cached);
  co_await folio_lock(k, *cached);
  const bool there = cached->mapping == &mapping;
  if (!there) folio_unlock(k, *cached);
  folio_put(k, *cached);
  co_return there ? cached : nullptr;
}

}  // namespace

Path<folio*> shmem_get_folio(Kernel& k, address_space& mapping, std::uint64_t index) {
  while (filemap_get_folio(k, mapping, index)) {
    folio* const found = co_await find_lock_folio(k, mapping, index);
    if (found) co_return found;
  }
  k.might_alloc();
  const std::optional<Pfn> pfn = k.frames.alloc_folio(0);
  if (!pfn) co_return nullptr;
  folio& f = k.folios.make(&mapping, index, *pfn, 0);
  folio_trylock(k, f);
  co_await spin_lock(mapping.xa_lock);
  const XaEntry other = mapping.i_pages.load(index);
  if (other == 0) {
    mapping.i_pages.store(index, 0, folio_entry(f));
    ++mapping.nrpages;
  }
  spin_unlock(mapping.xa_lock);
  if (other != 0) {  // another task was faster
    folio_unlock(k, f);
    k.frames.free_folio(*pfn, 0);
    k.folios.drop(f);
    folio* const theirs = co_await shmem_get_folio(k, mapping, index);
    co_return theirs;
  }
  f.swapbacked = f.uptodate = f.dirty = true;
  k.engine.charge(k.costs.page_zero);
  k.dram.zero(pfn->v << PAGE_SHIFT, PAGE_SIZE);
  co_return &f;
}

namespace {

Path<vm_fault_t> shmem_fault(Kernel& k, vm_fault& vmf) {
  inode& node = *vmf.vma->vm_file->f_inode;
  if (vmf.pgoff.v >= (node.i_size + PAGE_SIZE - 1) >> PAGE_SHIFT) co_return VM_FAULT_SIGBUS;
  folio* const f = co_await shmem_get_folio(k, node.i_data, vmf.pgoff.v);
  if (!f) co_return VM_FAULT_OOM;
  if (vmf.pgoff.v >= (node.i_size + PAGE_SIZE - 1) >> PAGE_SHIFT) {  // truncated meanwhile
    folio_unlock(k, *f);
    co_return VM_FAULT_SIGBUS;
  }
  vmf.folio = f;
  co_return VM_FAULT_LOCKED;
}

}  // namespace

const vm_operations_struct shmem_vm_ops{.fault = shmem_fault, .map_pages = filemap_map_pages};

namespace {

// Without a name in the file system: the same, told apart by the kernel alone.
const vm_operations_struct shmem_anon_vm_ops{.fault = shmem_fault, .map_pages = filemap_map_pages};

Path<std::int64_t> shmem_mmap(Kernel& k, file& file, vm_area_struct& vma) {
  co_await touch_atime(k, *file.f_inode);
  vma.vm_ops = &shmem_vm_ops;
  co_return 0;
}

Path<std::int64_t> shmem_mmap_prepare(Kernel& k, file& file, vm_area_desc& desc) {
  co_await touch_atime(k, *file.f_inode);
  desc.vm_ops = &shmem_vm_ops;
  co_return 0;
}

// noop_fsync(): there is nothing behind the pages.
Path<std::int64_t> shmem_fsync(Kernel&, file&, std::uint64_t, std::uint64_t, bool) { co_return 0; }

// shmem_evict_inode(): an unnamed file goes with its last reference, and all it was promised.
Path<void> shmem_release(Kernel& k, file& f) {
  inode& node = *f.f_inode;
  if (!node.unnamed) co_return;
  vm_unacct_memory(k, node.charged);
  node.charged = 0;
  address_space& mapping = node.i_data;
  std::uint64_t index = 0;
  while (const XaEntry entry = mapping.i_pages.find(index, ~0ULL >> PAGE_SHIFT, &index)) {
    folio& gone = k.folios.at(entry);
    co_await spin_lock(mapping.xa_lock);
    k.trace<Event::mm_filemap_delete_from_page_cache>(node.i_sb->s_dev, node.i_ino, gone.pfn,
                                                      index << PAGE_SHIFT, 0);
    mapping.i_pages.store(index, 0, 0);
    spin_unlock(mapping.xa_lock);
    k.frames.free_folio(gone.pfn, 0);
    k.folios.drop(gone);
    k.engine.charge(k.costs.page_free);
  }
  mapping.nrpages = 0;
  // Who still looks at the mapping must see it empty before the inode is freed.
  co_await spin_lock(mapping.xa_lock);
  spin_unlock(mapping.xa_lock);
  k.free_shmem_files.push_back(&f);
}

super_block& kernel_super(Kernel& k) {
  for (super_block& sb : k.supers) {
    if (sb.id == kernel_mount) return sb;
  }
  super_block& sb = k.supers.emplace_back();
  sb.name = "shmem";
  sb.id = kernel_mount;
  sb.s_dev = make_dev(0, 1);
  init_super_locks(k, sb);
  return sb;
}

}  // namespace

const file_operations shmem_file_operations{.mmap = shmem_mmap,
                                            .mmap_prepare = shmem_mmap_prepare,
                                            .fsync = shmem_fsync,
                                            .fallocate = shmem_fallocate,
                                            .release = shmem_release};

// One that has gone, or a new one.
static file& unnamed_file(Kernel& k) {
  if (!k.free_shmem_files.empty()) {
    file& again = *k.free_shmem_files.back();
    k.free_shmem_files.pop_back();
    return again;
  }
  inode& node = k.inodes.emplace_back();
  node.index = k.next_kernel_inode++;
  node.i_ino = Ino(node.index);
  node.name = "/dev/zero";
  node.unnamed = true;
  node.i_sb = &kernel_super(k);
  node.i_fop = &shmem_file_operations;
  init_inode_locks(k, node);
  file& opened = k.files.emplace_back();
  opened.f_inode = &node;
  opened.f_op = node.i_fop;
  opened.f_mode = FMODE_READ | FMODE_WRITE;
  return opened;
}

file* shmem_kernel_file_setup(Kernel& k, std::uint64_t size, vm_flags_t flags) {
  const bool charged = !(flags & VM_NORESERVE);
  const std::uint64_t pages = charged ? (size + PAGE_SIZE - 1) >> PAGE_SHIFT : 0;
  if (vm_enough_memory(k, *k.current().mm, pages)) return nullptr;
  k.might_alloc();
  file& opened = unnamed_file(k);
  opened.f_count = 1;
  opened.f_ra = file_ra_state{};
  inode& node = *opened.f_inode;
  node.i_size = size;
  node.charged = pages;
  node.i_atime = node.i_mtime = node.i_ctime = k.coarse_time();
  return &opened;
}

std::int64_t shmem_zero_setup(Kernel& k, vm_area_struct& vma) {
  file* const fresh = shmem_kernel_file_setup(k, vma.vm_end - vma.vm_start, vma.vm_flags);
  if (!fresh) return -ENOMEM;
  vma_set_file(k, vma, *fresh);
  fput(k, *fresh);
  vma.vm_ops = &shmem_anon_vm_ops;
  return 0;
}

std::int64_t shmem_zero_setup_desc(Kernel& k, vm_area_desc& desc) {
  file* const fresh = shmem_kernel_file_setup(k, vma_desc_size(desc), desc.vm_flags);
  if (!fresh) return -ENOMEM;
  desc.vm_file = fresh;
  desc.vm_ops = &shmem_anon_vm_ops;
  return 0;
}

}  // namespace faultline
