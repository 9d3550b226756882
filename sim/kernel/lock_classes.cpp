// Registers the lock classes of the modelled kernel.
#include "kernel/lock_classes.hpp"

namespace faultline {

LockClasses::LockClasses(LockContext& c, const Profile& profile) {
  const bool counted = profile.vma_lock == VmaLock::refcount;
  const bool old = profile.lock_names == LockWords::mmap_sem;
  const char* const mmap_lock_name = old ? "&mm->mmap_sem" : "&mm->mmap_lock";
  const char* const ptlock_name = old ? "&(ptlock_ptr(page))->rlock" : "ptlock_ptr(ptdesc)";
  mmap_lock = c.lock_class(mmap_lock_name, LockType::rwsem);
  mmap_lock_nested = c.lock_class(mmap_lock_name, LockType::rwsem, 1);
  ptlock_nested = c.lock_class(ptlock_name, LockType::spinlock, 1);
  dup_mmap_sem = c.lock_class("dup_mmap_sem", LockType::percpu_rwsem);
  vm_lock = c.lock_class(counted ? "vm_lock" : "&vma->vm_lock->lock", LockType::rwsem);
  page_table_lock = c.lock_class(old ? "&(&mm->page_table_lock)->rlock" : "&mm->page_table_lock",
                                 LockType::spinlock);
  ptlock = c.lock_class(ptlock_name, LockType::spinlock);
  anon_vma = c.lock_class("&anon_vma->rwsem", LockType::rwsem);
  sb_writers = c.lock_class("sb_writers", LockType::percpu_rwsem);
  sb_pagefaults = c.lock_class("sb_pagefaults", LockType::percpu_rwsem);
  sb_internal = c.lock_class("sb_internal", LockType::percpu_rwsem);
  s_umount = c.lock_class("&type->s_umount_key", LockType::rwsem);
  i_rwsem = c.lock_class("&sb->s_type->i_mutex_key", LockType::rwsem);
  constexpr std::uint8_t parent = 1;  // I_MUTEX_PARENT
  i_rwsem_dir = c.lock_class("&sb->s_type->i_mutex_dir_key", LockType::rwsem, parent);
  ilock_dir = c.lock_class("&xfs_dir_ilock_class", LockType::rwsem);
  constexpr std::uint8_t nondir2 = 4;  // I_MUTEX_NONDIR2
  i_rwsem_nondir2 = c.lock_class("&sb->s_type->i_mutex_key", LockType::rwsem, nondir2);
  const char* const invalidate_name =
      old ? "&(&ip->i_mmaplock)->mr_lock" : "mapping.invalidate_lock";
  invalidate_lock = c.lock_class(invalidate_name, LockType::rwsem);
  invalidate_lock_second = c.lock_class(invalidate_name, LockType::rwsem, 1);
  ilock = c.lock_class("&xfs_nondir_ilock_class", LockType::rwsem);
  ilock_second = c.lock_class("&xfs_nondir_ilock_class", LockType::rwsem, 1);
  i_mmap_rwsem = c.lock_class("&mapping->i_mmap_rwsem", LockType::rwsem);
  xa_lock =
      c.lock_class(old ? "&(&mapping->tree_lock)->rlock" : "&xa->xa_lock", LockType::spinlock);
  xc_ctx_lock = c.lock_class("&cil->xc_ctx_lock", LockType::rwsem);
  file_rwsem = c.lock_class("file_rwsem", LockType::percpu_rwsem);
  flc_lock = c.lock_class(old ? "&(&ctx->flc_lock)->rlock" : "&ctx->flc_lock", LockType::spinlock);
  uffd_wqh = c.lock_class("&ctx->fault_pending_wqh", LockType::spinlock);
  dax_srcu = c.lock_class("dax_srcu", LockType::annotation);
  c.set_recursive(dax_srcu);
  fs_reclaim = c.lock_class("fs_reclaim", LockType::annotation);
  dax_entry = c.lock_class("dax_entry", LockType::bitlock);
  buf_agf = c.lock_class("xfs_buf(agf)", LockType::bitlock);
  buf_agi = c.lock_class("xfs_buf(agi)", LockType::bitlock);
  buf_agfl = c.lock_class("xfs_buf(agfl)", LockType::bitlock);
  buf_bnobt = c.lock_class("xfs_buf(bnobt)", LockType::bitlock);
  buf_cntbt = c.lock_class("xfs_buf(cntbt)", LockType::bitlock);
  buf_refcountbt = c.lock_class("xfs_buf(refcountbt)", LockType::bitlock);
  buf_rmapbt = c.lock_class("xfs_buf(rmapbt)", LockType::bitlock);
  buf_inode = c.lock_class("xfs_buf(inode)", LockType::bitlock);
  buf_inobt = c.lock_class("xfs_buf(inobt)", LockType::bitlock);
  buf_bmbt = c.lock_class("xfs_buf(bmbt)", LockType::bitlock);
  buf_sb = c.lock_class("xfs_buf(sb)", LockType::bitlock);
  xlog_grant_space = c.lock_class("xlog_grant_space", LockType::bitlock);
  folio = c.lock_class(old ? "page" : "folio", LockType::bitlock);
  page_table_lock_nested = c.lock_class(
      old ? "&(&mm->page_table_lock)->rlock" : "&mm->page_table_lock", LockType::spinlock, 1);
}

}  // namespace faultline
