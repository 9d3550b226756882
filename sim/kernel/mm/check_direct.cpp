// See the header. The type of the mapping decides whether the flag counts at all: MAP_SHARED does
// where the proposal reads it there, elsewhere it drops what it does not know.
#include "kernel/mm/check_direct.hpp"

#include <fmt/format.h>
#include <sys/mman.h>

#include "kernel/fs/xfs/xfs_file.hpp"
#include "kernel/fs/xfs/xfs_map_direct.hpp"
#include "kernel/mm/mmap_4_13.hpp"
#include "kernel/mm/vma.hpp"

namespace faultline {

namespace {

bool asks(const Profile& profile, std::uint64_t flags) {
  if (profile.map_bit != MapBit::direct || !(flags & MAP_DIRECT)) return false;
  const std::uint64_t type = flags & MAP_TYPE;
  return type == MAP_SHARED_VALIDATE || (type == MAP_SHARED && has_mmap3(profile));
}

}  // namespace

bool is_direct(const vm_area_struct& vma) {
  return xfs::v4_13::is_direct_mapping(vma) || xfs::v4_13::is_leased_mapping(vma) ||
         vma.vm_ops == &xfs::xfs_file_vm_direct_ops;
}

bool maps_direct(const mm_struct& mm, Vaddr start, std::uint64_t len) {
  const Vaddr end = start + len;
  const vm_area_struct* vma = find_vma(mm, start);
  for (; vma && vma->vm_start < end; vma = find_vma(mm, vma->vm_end)) {
    if (is_direct(*vma)) return true;
  }
  return false;
}

void check_direct_made(Kernel& k, const mm_struct& mm, std::uint64_t flags, std::int64_t result) {
  const bool made = result >= 0 || result <= -4096;
  if (!made || !asks(k.profile, flags)) return;
  const Vaddr at(static_cast<std::uint64_t>(result));
  const vm_area_struct* const vma = find_vma(mm, at);
  if (!vma || at < vma->vm_start || is_direct(*vma)) return;
  const std::string name = vma->vm_file ? vma->vm_file->f_inode->name : "anonymous memory";
  k.broken_rule("direct-lost",
                fmt::format("mmap of {} with MAP_DIRECT has succeeded, but {}", name,
                            vma->vm_start < at ? "was merged into a plain mapping beside it"
                                               : "what it has made is a plain mapping"));
}

void check_direct_kept(Kernel& k, const mm_struct& mm, Vaddr start, bool before, const char* call) {
  if (!before) return;
  const vm_area_struct* const vma = find_vma(mm, start);
  if (!vma || start < vma->vm_start || is_direct(*vma)) return;
  const std::string name = vma->vm_file ? vma->vm_file->f_inode->name : "anonymous memory";
  k.broken_rule("direct-lost", fmt::format("{} has replaced a MAP_DIRECT mapping of {} by a plain "
                                           "one",
                                           call, name));
}

}  // namespace faultline
