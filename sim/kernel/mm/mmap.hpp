// mmap(2) and munmap(2) as system calls: the checks of do_mmap and the choice of an address.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

/// mmap(2): the address, or a negative errno. `flags` and `prot` are taken as given, unjudged.
Path<std::int64_t> ksys_mmap_pgoff(Kernel& k, std::uint64_t addr, std::uint64_t len,
                                   std::uint64_t prot, std::uint64_t flags, std::int64_t fd,
                                   std::uint64_t offset);
/// vm_mmap_pgoff(): the same for who has the file; `pgoff` in pages.
Path<std::int64_t> vm_mmap_pgoff(Kernel& k, file* file, std::uint64_t addr, std::uint64_t len,
                                 std::uint64_t prot, std::uint64_t flags, std::uint64_t pgoff);
/// do_mmap() of the profile's kernel, with mmap_lock held for writing. `populate`: the bytes that
/// are to be faulted in afterwards.
HelperPath<std::int64_t> do_mmap_locked(Kernel& k, file* file, std::uint64_t addr,
                                        std::uint64_t len, std::uint64_t prot, std::uint64_t flags,
                                        std::uint64_t pgoff, std::uint64_t* populate);
/// remap_file_pages(2): 0 or a negative errno. `pgoff` in pages.
Path<std::int64_t> ksys_remap_file_pages(Kernel& k, std::uint64_t start, std::uint64_t size,
                                         std::uint64_t prot, std::uint64_t pgoff,
                                         std::uint64_t flags);
/// mmap3 of the MAP_DIRECT proposal: mmap(2) for flags that the kernel and the file know.
/// `offset` in bytes, as for mmap(2). The address, or a negative errno.
Path<std::int64_t> mmap_pgoff_strict(Kernel& k, std::uint64_t addr, std::uint64_t len,
                                     std::uint64_t prot, std::uint64_t flags, std::int64_t fd,
                                     std::uint64_t offset);
/// munmap(2): 0 or a negative errno.
Path<std::int64_t> vm_munmap(Kernel& k, std::uint64_t start, std::uint64_t len);

/// exit_mmap(): the last user of an mm has gone; everything is unmapped.
Path<void> exit_mmap(Kernel& k, mm_struct& mm);

}  // namespace faultline
