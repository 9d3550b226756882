// MAP_HUGETLB. Linux 6.12 fs/hugetlbfs/inode.c, mm/hugetlb.c.
#include "kernel/fs/hugetlbfs.hpp"

#include <cerrno>

#include "kernel/fs/inode.hpp"

namespace faultline {

namespace {

constexpr std::uint32_t hugetlb_inode_index = 0xffff'0000;  // after every declared file
constexpr std::uint64_t pgoff_lofft_max = ((1ULL << (PAGE_SHIFT + 1)) - 1) << (63 - PAGE_SHIFT);

Path<vm_fault_t> hugetlb_fault(Kernel& k, vm_fault&) {
  k.unmodelled("a page fault on reserved huge pages (hugetlb); it ends as if there were none");
  co_return VM_FAULT_SIGBUS;
}

const vm_operations_struct hugetlb_vm_ops{.fault = hugetlb_fault};

Path<std::int64_t> hugetlbfs_file_mmap(Kernel&, file& file, vm_area_struct& vma) {
  const std::uint64_t pages = file.f_inode->blocksize >> PAGE_SHIFT;
  vma.vm_flags |= VM_HUGETLB | VM_DONTEXPAND;
  vma.vm_ops = &hugetlb_vm_ops;
  if (vma.vm_pgoff.v & pgoff_lofft_max) co_return -EINVAL;
  if (vma.vm_pgoff.v & (pages - 1)) co_return -EINVAL;
  const std::uint64_t length = vma.vm_end - vma.vm_start;
  const auto end = static_cast<std::int64_t>(length + (vma.vm_pgoff.v << PAGE_SHIFT));
  if (end < static_cast<std::int64_t>(length)) co_return -EINVAL;
  // hugetlb_reserve_pages(): the pool is empty.
  if (!(vma.vm_flags & VM_NORESERVE)) co_return -ENOMEM;
  co_return 0;
}

}  // namespace

const file_operations hugetlbfs_file_operations{.mmap = hugetlbfs_file_mmap,
                                                .area = AreaSearch::hugetlb};

std::uint64_t hugetlb_page_size(const Kernel& k, std::uint64_t flags) {
  if (k.profile.hugetlb == HugetlbMode::off) return 0;
  const std::uint64_t log = (flags >> 26) & 0x3f;
  if (log == 0 || log == PMD_SHIFT) return PMD_SIZE;
  return log == PUD_SHIFT ? PUD_SIZE : 0;
}

file& hugetlb_file_setup(Kernel& k, std::uint64_t page_size) {
  inode*& node = page_size == PMD_SIZE ? k.hugetlb_inode : k.gigantic_inode;
  if (!node) {
    node = &k.inodes.emplace_back();
    node->index = hugetlb_inode_index + (page_size == PMD_SIZE ? 0 : 1);
    node->name = "anon_hugepage";
    node->blocksize = page_size;
    node->i_fop = &hugetlbfs_file_operations;
    init_inode_locks(k, *node);
  }
  file& opened = k.files.emplace_back();
  opened.f_inode = node;
  opened.f_op = node->i_fop;
  opened.f_mode = FMODE_READ | FMODE_WRITE;
  opened.f_count = 1;
  return opened;
}

}  // namespace faultline
