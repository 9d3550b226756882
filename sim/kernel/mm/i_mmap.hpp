// A file's list of mappings, and the count of those that may write it: i_mmap and i_mmap_writable
// of address_space. Linux 6.12 and 7.1 include/linux/fs.h (mapping_map_writable and its sisters),
// mm/vma.c (__vma_link_file, __remove_shared_vm_struct); 4.13 mm/mmap.c. The count is an atomic of
// the kernel: no lock, no record. Who could push it below zero, the write seal of a memfd, is left
// out, since there are no memfds.
#pragma once

#include <cerrno>

#include "base/bug.hpp"
#include "kernel/kernel.hpp"

namespace faultline {

/// Whether a mapping with these flags counts as one that may write its file. Since 6.7 only what
/// could ever be made writable does; before, whatever is shared.
inline bool is_shared_maywrite(const Profile& profile, vm_flags_t flags) {
  const vm_flags_t asked = profile.writable_asks_maywrite ? VM_SHARED | VM_MAYWRITE : VM_SHARED;
  return (flags & asked) == asked;
}

/// One more who may write the file's pages through a mapping: an mmap on its way. 0 or -EPERM.
inline int mapping_map_writable(address_space& mapping) {
  if (mapping.i_mmap_writable < 0) return -EPERM;
  ++mapping.i_mmap_writable;
  return 0;
}
/// The same for who has been let through before: a VMA that is linked.
inline void mapping_allow_writable(address_space& mapping) { ++mapping.i_mmap_writable; }
inline void mapping_unmap_writable(address_space& mapping) {
  FL_ASSERT(mapping.i_mmap_writable > 0);
  --mapping.i_mmap_writable;
}

/// A VMA that is new to the file; a fork's copy comes right after its original. Under
/// i_mmap_rwsem, held for writing.
inline void __vma_link_file(const Kernel& k, vm_area_struct& vma, address_space& mapping,
                            vm_area_struct* original = nullptr) {
  if (is_shared_maywrite(k.profile, vma.vm_flags)) mapping_allow_writable(mapping);
  if (original) {
    mapping.i_mmap.insert_after(vma, *original);
  } else {
    mapping.i_mmap.insert(vma);
  }
}

/// A VMA that maps the file no longer. Under i_mmap_rwsem, held for writing.
inline void __remove_shared_vm_struct(const Kernel& k, vm_area_struct& vma,
                                      address_space& mapping) {
  if (is_shared_maywrite(k.profile, vma.vm_flags)) mapping_unmap_writable(mapping);
  mapping.i_mmap.remove(vma);
}

}  // namespace faultline
