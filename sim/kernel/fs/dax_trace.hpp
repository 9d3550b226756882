// What the DAX faults of every version share: the file behind a fault, the colour of a page in its
// 2 MiB, and the records of PTE and PMD faults. Linux 6.12 fs/dax.c, include/trace/events/fs_dax.h.
#pragma once

#include "kernel/fs/dax.hpp"

namespace faultline {

inline constexpr std::uint64_t PG_PMD_COLOUR = (PMD_SIZE >> PAGE_SHIFT) - 1;

inline inode& host_of(const vm_fault& vmf) { return *vmf.vma->vm_file->f_inode; }

template <Event E>
void trace_pte(Kernel& k, const vm_fault& vmf, vm_fault_t result) {
  const inode& host = host_of(vmf);
  k.trace<E>(host.i_sb->s_dev, host.i_ino, vmf.vma->vm_flags, vmf.flags, vmf.real_address,
             vmf.pgoff, result);
}

template <Event E>
void trace_pmd(Kernel& k, const vm_fault& vmf, Pgoff max_pgoff, vm_fault_t result) {
  const inode& host = host_of(vmf);
  k.trace<E>(host.i_sb->s_dev, host.i_ino, vmf.vma->vm_flags, vmf.flags, vmf.real_address,
             vmf.vma->vm_start, vmf.vma->vm_end, vmf.pgoff, max_pgoff, result);
}

}  // namespace faultline
