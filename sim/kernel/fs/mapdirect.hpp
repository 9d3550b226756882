// A MAP_DIRECT mapping that holds a layout lease, as version 7 of the proposal has it in
// fs/mapdirect.c: who wants to write the file, or change its blocks or its size, has to break the
// lease first; the holder gets SIGIO, and if it still maps the file when its time is over a worker
// takes the mapping away. Left out: ->lease_direct, by which a device keeps it.
#pragma once

#include "kernel/fs/locks.hpp"
#include "kernel/workqueue.hpp"

namespace faultline {

/// One registration; it has the lease. VMAs that are split off or forked share it.
struct map_direct_state {
  std::uint32_t mds_ref = 1;     ///< whoever may still use it
  std::uint32_t mds_vmaref = 1;  ///< VMAs of the registration
  bool breaking = false;         ///< MAPDIRECT_BREAK
  bool valid = true;             ///< MAPDIRECT_VALID
  inode* mds_inode = nullptr;
  delayed_work mds_work;
  vm_area_struct* mds_vma = nullptr;  ///< the first of its VMAs, whatever became of it
  std::uint32_t vma_id = 0;  ///< which VMA that was: the memory may be another one's by now
  std::uint64_t owner = 0;   ///< of its lease
  /// What a worker that does not trust the VMA goes by.
  file* mds_file = nullptr;
  Pgoff first{};
  std::uint64_t bytes = 0;
};

/// The registration of a VMA of such a mapping.
map_direct_state& map_direct_of(Kernel& k, const vm_area_struct& vma);

/// Takes the lease for a VMA that nobody can find yet; its private data are the registration then.
/// 0 or an errno.
Path<std::int64_t> map_direct_register(Kernel& k, vm_area_struct& vma);
/// ->open and ->close of its VMAs.
Path<void> get_map_direct_vma(Kernel& k, vm_area_struct& vma);
Path<void> put_map_direct_vma(Kernel& k, vm_area_struct& vma);

}  // namespace faultline
