// Freeze protection: the three levels of a super block, each a per-CPU rwsem. Linux 6.12
// include/linux/fs.h (sb_start_write and its family) and fs/super.c.
#pragma once

#include "kernel/fs/fs_types.hpp"
#include "locking/percpu_rwsem.hpp"

namespace faultline {

/// `co_await sb_start_write(sb)`: a system call that writes. Outermost.
inline auto sb_start_write(super_block& sb) {
  return percpu_down_read(sb.s_writers[static_cast<int>(SbFreeze::write)]);
}
inline auto sb_start_write_trylock(super_block& sb) {
  return percpu_down_read_trylock(sb.s_writers[static_cast<int>(SbFreeze::write)]);
}
inline void sb_end_write(super_block& sb) {
  percpu_up_read(sb.s_writers[static_cast<int>(SbFreeze::write)]);
}
/// A write fault; inside mmap_lock, outside MMAPLOCK.
inline auto sb_start_pagefault(super_block& sb) {
  return percpu_down_read(sb.s_writers[static_cast<int>(SbFreeze::pagefault)]);
}
inline void sb_end_pagefault(super_block& sb) {
  percpu_up_read(sb.s_writers[static_cast<int>(SbFreeze::pagefault)]);
}
/// A transaction. Innermost.
inline auto sb_start_intwrite(super_block& sb) {
  return percpu_down_read(sb.s_writers[static_cast<int>(SbFreeze::fs)]);
}
inline void sb_end_intwrite(super_block& sb) {
  percpu_up_read(sb.s_writers[static_cast<int>(SbFreeze::fs)]);
}

/// Makes the locks of a mount; its `id` is set.
void init_super_locks(Kernel& k, super_block& sb);

/// FIFREEZE and FITHAW. 0, -EBUSY (frozen already), -EINVAL (not frozen) or -EOPNOTSUPP.
Path<std::int64_t> freeze_super(Kernel& k, super_block& sb);
Path<std::int64_t> thaw_super(Kernel& k, super_block& sb);

}  // namespace faultline
