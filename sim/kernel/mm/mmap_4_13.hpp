// mmap(2) as Linux 4.13 has it with the MAP_DIRECT proposal (patches 1, 3 and 4 of version 6):
// flags reach the file's hook, mappings in the way go before it is called. Chosen by knob
// mm.mmap_region.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

inline constexpr std::uint64_t MAP_DIRECT = 0x80000;

/// Whether the kernel has the system call mmap3: versions 5 and 6 of the proposal.
bool has_mmap3(const Profile& profile);

/// LEGACY_MAP_SUPPORTED_MASK: the flags that every file takes.
std::uint64_t legacy_map_supported_mask(const Profile& profile);

namespace v4_13 {

/// The arguments of a mapping, unjudged; `pgoff` in pages.
struct MmapArguments {
  std::uint64_t addr = 0, len = 0, prot = 0, flags = 0, pgoff = 0;
};

/// do_mmap(): the address, or a negative errno. Needs mmap_sem for writing. `populate` is set to
/// the bytes that are to be faulted in afterwards.
Path<std::int64_t> do_mmap(Kernel& k, mm_struct& mm, file* file, MmapArguments args,
                           std::uint64_t* populate);

/// do_munmap(): unmaps [start, start + len); 0 or a negative errno. Keeps mmap_sem, held for
/// writing.
Path<std::int64_t> do_munmap(Kernel& k, mm_struct& mm, Vaddr start, std::uint64_t len);
/// remove_vma(): closes and frees a VMA that is out of the tree.
Path<void> remove_vma(Kernel& k, vm_area_struct& vma);

}  // namespace v4_13
}  // namespace faultline
