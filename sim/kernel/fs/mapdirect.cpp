// Registration, break and end of the leases of MAP_DIRECT mappings. See the header. The worker and
// ->close use the VMA of the registration as the proposal does: it may have been unmapped while
// others of the registration live on, and it is no more once the last one is closed.
#include "kernel/fs/mapdirect.hpp"

#include <algorithm>

#include "kernel/fs/open.hpp"
#include "kernel/fs/xfs/xfs_map_direct.hpp"
#include "kernel/fs/xfs/xfs_mount.hpp"
#include "kernel/mm/memory.hpp"
#include "kernel/mm/rmap.hpp"

namespace faultline {

namespace {

void put_map_direct(map_direct_state& mds) { --mds.mds_ref; }

// Reads the VMA that the registration points to, as memory debugging sees it.
const vm_area_struct& read_vma(Kernel& k, const map_direct_state& mds, const char* reader) {
  const vm_area_struct& vma = *mds.mds_vma;
  const auto& freed = vma.vm_mm->free_vmas;
  const bool gone =
      vma.id != mds.vma_id || std::find(freed.begin(), freed.end(), &vma) != freed.end();
  if (gone) {
    k.broken_rule("use-after-free", std::string(reader) + " reads a VMA that has been freed");
  }
  return vma;
}

bool map_direct_lm_break(Kernel& k, file_lock& fl) {
  constexpr std::uint64_t second = 1'000'000'000;
  auto& mds = *static_cast<map_direct_state*>(fl.data);
  if (!mds.breaking) {
    mds.breaking = true;
    schedule_delayed_work(k, mds.mds_work, Nanos(k.profile.lease_break_time * second));
    send_sigio(k, fl.signalled);
  }
  fl.fl_break_time = Nanos{};  // who waits is to wait for the worker, not for the time
  return false;
}

void map_direct_lm_change(Kernel& k, file_lock& fl) {
  xfs::add_mapdcount(k, *static_cast<map_direct_state*>(fl.data)->mds_inode, -1);
}

constexpr lock_manager_operations map_direct_lm_ops{.lm_break = map_direct_lm_break,
                                                    .lm_change = map_direct_lm_change};

HelperPath<void> unmap(Kernel& k, const map_direct_state& mds, Pgoff first, std::uint64_t bytes) {
  co_await unmap_mapping_range(k, mds.mds_inode->i_data, first.v << PAGE_SHIFT, bytes, true);
}

// The time of the lease is over, or the last VMA goes while that was to come.
Path<void> map_direct_invalidate(Kernel& k, delayed_work& work) {
  auto& mds = *static_cast<map_direct_state*>(work.data);
  mds.valid = false;
  if (!k.profile.invalidate_reads_vma) {
    if (mds.mds_vmaref != 0) co_await unmap(k, mds, mds.first, mds.bytes);
    co_await generic_delete_lease(k, *mds.mds_file->f_inode, mds.owner);
    put_map_direct(mds);
    co_return;
  }
  vm_area_struct* const vma = mds.mds_vma;
  if (vma) {
    const vm_area_struct& range = read_vma(k, mds, "map_direct_invalidate");
    co_await unmap(k, mds, range.vm_pgoff, range.vm_end - range.vm_start);
  }
  if (!vma) co_await k.bug("NULL pointer dereference: map_direct_invalidate reads vma->vm_file");
  co_await generic_delete_lease(k, *vma->vm_file->f_inode, mds.owner);
  put_map_direct(mds);
}

}  // namespace

map_direct_state& map_direct_of(Kernel& k, const vm_area_struct& vma) {
  return *k.map_directs[vma.vm_private_data - 1];
}

Path<std::int64_t> map_direct_register(Kernel& k, vm_area_struct& vma) {
  k.might_alloc();
  auto mds = std::make_unique<map_direct_state>();
  mds->mds_inode = vma.vm_file->f_inode;
  mds->mds_vma = &vma;
  mds->vma_id = vma.id;
  mds->owner = k.next_lease_owner++;
  mds->mds_file = vma.vm_file;
  mds->first = vma.vm_pgoff;
  mds->bytes = vma.vm_end - vma.vm_start;
  mds->mds_work.func = map_direct_invalidate;
  mds->mds_work.data = mds.get();
  file_lock fl;
  fl.fl_flags = FL_LAYOUT;
  fl.fl_type = LeaseType::read;
  fl.fl_file = vma.vm_file;
  fl.fl_owner = mds->owner;
  fl.signalled = k.engine.current().id;
  fl.fl_lmops = &map_direct_lm_ops;
  fl.data = mds.get();
  const std::int64_t error = co_await vfs_setlease(k, fl);
  if (error) co_return error;
  ++mds->mds_ref;  // of the lease
  co_await k.engine.choice_point();
  xfs::add_mapdcount(k, *mds->mds_inode, 1);
  k.map_directs.push_back(std::move(mds));
  vma.vm_private_data = k.map_directs.size();
  co_return 0;
}

Path<void> get_map_direct_vma(Kernel& k, vm_area_struct& vma) {
  co_await k.engine.choice_point();
  ++map_direct_of(k, vma).mds_vmaref;
}

Path<void> put_map_direct_vma(Kernel& k, vm_area_struct& vma) {
  map_direct_state& mds = map_direct_of(k, vma);
  file* registered = mds.mds_file;
  if (k.profile.invalidate_reads_vma) {
    registered = read_vma(k, mds, "put_map_direct_vma").vm_file;
  }
  co_await k.engine.choice_point();
  if (--mds.mds_vmaref != 0) co_return;
  mds.mds_vma = nullptr;
  mds.breaking = true;
  co_await generic_delete_lease(k, *registered->f_inode, mds.owner);
  co_await flush_delayed_work(k, mds.mds_work);
  put_map_direct(mds);
}

}  // namespace faultline
