// The lock classes of the modelled paths under the names that lock debugging of Linux 6.12 prints,
// and the numbering of lock instances.
#pragma once

#include "kernel/profiles/profile.hpp"
#include "locking/lock.hpp"

namespace faultline {

struct LockClasses {
  LockClasses(LockContext& context, const Profile& profile);

  LockClassId mmap_lock, vm_lock, page_table_lock, ptlock, anon_vma;
  LockClassId mmap_lock_nested, ptlock_nested,
      page_table_lock_nested;  ///< of a child while fork holds the parent's too
  LockClassId dup_mmap_sem;
  LockClassId sb_writers, sb_pagefaults, sb_internal, s_umount;
  LockClassId i_rwsem, invalidate_lock, ilock, i_mmap_rwsem, xa_lock;
  LockClassId i_rwsem_dir, ilock_dir;  ///< of directories, as the parent of what is worked on
  LockClassId i_rwsem_nondir2, invalidate_lock_second, ilock_second;  ///< of two files at once
  LockClassId file_rwsem, flc_lock;  ///< of leases: all lists of them, and one inode's
  LockClassId uffd_wqh;              ///< faults that wait for a monitor
  LockClassId xc_ctx_lock, dax_srcu, fs_reclaim;
  LockClassId dax_entry, buf_agf, buf_agi, buf_agfl, buf_bnobt, buf_cntbt, buf_refcountbt,
      buf_rmapbt, buf_inode, buf_inobt, buf_bmbt, buf_sb, folio;
  LockClassId xlog_grant_space;  ///< space in the log of an XFS
};

/// First part of a lock's id: what kind of object owns it.
enum class LockOwner : std::uint8_t {
  global = 1,
  mm,
  vma,
  page_table,
  anon_vma,
  super,
  inode,
  dax_entry,
  buffer,
  log,
  scenario,
  folio,
  perags,
  uffd
};

constexpr std::uint64_t lock_id(LockOwner kind, std::uint64_t owner, std::uint64_t index = 0) {
  return lock_id(static_cast<std::uint8_t>(kind), owner, index);
}

}  // namespace faultline
