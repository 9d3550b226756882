// The lists of leases. See the header. A breaker marks every lease that conflicts, has its holder
// told, and sleeps until the first of them is gone or its time is over; a lease whose manager wants
// to time it itself has no time of its own, and is looked at again every tick.
#include "kernel/fs/locks.hpp"

#include <signal.h>

#include <algorithm>
#include <cerrno>

#include "kernel/fs/open.hpp"
#include "kernel/signal.hpp"

namespace faultline {

namespace {

constexpr Nanos jiffy(1'000'000);  // CONFIG_HZ=1000
constexpr std::uint64_t second = 1'000'000'000;

file_lock_context& context_of(Kernel& k, inode& node) {
  if (!node.i_flctx) {
    node.i_flctx = std::make_unique<file_lock_context>();
    init_lock(node.i_flctx->flc_lock, k.locks, k.cls.flc_lock,
              lock_id(LockOwner::inode, node.index, 5));
  }
  return *node.i_flctx;
}

void note(Kernel& k, const file_lock& fl, std::string_view what) {
  const inode& node = *fl.fl_file->f_inode;
  const std::uint64_t dev = node.i_sb ? node.i_sb->s_dev : 0;
  k.trace<Event::sim_lease>(dev, node.i_ino, fl.fl_owner, what);
}

bool conflicts(const file_lock& fl, bool want_write, std::uint32_t kind) {
  if (fl.fl_flags != kind) return false;
  return want_write || fl.fl_type == LeaseType::write;
}

bool any_conflict(const file_lock_context& ctx, bool want_write, std::uint32_t kind) {
  return std::any_of(ctx.flc_lease.begin(), ctx.flc_lease.end(),
                     [&](const file_lock& fl) { return conflicts(fl, want_write, kind); });
}

// locks_delete_lock_ctx(): who waits for the lease goes on.
void remove_lease(Kernel& k, file_lock_context& ctx, std::list<file_lock>::iterator fl) {
  note(k, *fl, "removed");
  for (Task* const waiter : fl->blocked) k.engine.wake(*waiter);
  ctx.flc_lease.erase(fl);
}

// lease_modify() to F_UNLCK.
void unlock_lease(Kernel& k, file_lock_context& ctx, std::list<file_lock>::iterator fl) {
  if (fl->fl_lmops && fl->fl_lmops->lm_change) fl->fl_lmops->lm_change(k, *fl);
  remove_lease(k, ctx, fl);
}

void time_out_leases(Kernel& k, file_lock_context& ctx) {
  const auto past = [&](Nanos when) { return when.v != 0 && when <= k.now(); };
  for (auto fl = ctx.flc_lease.begin(); fl != ctx.flc_lease.end();) {
    const auto at = fl++;
    if (at->unlock_pending && past(at->fl_break_time)) {
      note(k, *at, "timed out");
      unlock_lease(k, ctx, at);
    } else if (at->downgrade_pending && past(at->fl_downgrade_time)) {
      note(k, *at, "timed out");
      at->fl_type = LeaseType::read;
      at->downgrade_pending = false;
    }
  }
}

// How a lease of fcntl(2) hears of it: a signal, and its time as the kernel has set it.
bool lease_break_callback(Kernel& k, file_lock& fl) {
  send_sigio(k, fl.signalled);
  return false;
}

constexpr lock_manager_operations lease_manager_ops{.lm_break = lease_break_callback};

// Only the holder may have the file open in ways that the lease is against; layouts do not care.
bool opened_otherwise(const Kernel& k, const file_lock& wanted) {
  if (wanted.fl_flags == FL_LAYOUT) return false;
  const bool read_lease = wanted.fl_type == LeaseType::read;
  for (const file& f : k.files) {
    if (f.f_inode != wanted.fl_file->f_inode || f.f_count == 0) continue;
    if (read_lease ? (f.f_mode & FMODE_WRITE) != 0 : &f != wanted.fl_file) return true;
  }
  return false;
}

// generic_add_lease(), with flc_lock held.
std::int64_t add_lease(Kernel& k, file_lock_context& ctx, const file_lock& wanted) {
  time_out_leases(k, ctx);
  if (opened_otherwise(k, wanted)) return -EAGAIN;
  file_lock* mine = nullptr;
  for (file_lock& fl : ctx.flc_lease) {
    if (fl.fl_file == wanted.fl_file && fl.fl_owner == wanted.fl_owner) {
      mine = &fl;
    } else if (wanted.fl_type == LeaseType::write || fl.unlock_pending) {
      return -EAGAIN;
    }
  }
  if (mine) {
    mine->fl_type = wanted.fl_type;
    mine->unlock_pending = mine->downgrade_pending = false;
    note(k, *mine, "changed");
    return 0;
  }
  ctx.flc_lease.push_back(wanted);
  note(k, wanted, "added");
  return 0;
}

// Marks what conflicts and tells its holders.
void break_all(Kernel& k, file_lock_context& ctx, bool want_write, std::uint32_t kind) {
  const std::uint64_t time = k.profile.lease_break_time;
  const Nanos break_time = time == 0 ? Nanos{} : k.now() + Nanos(time * second);
  for (auto fl = ctx.flc_lease.begin(); fl != ctx.flc_lease.end();) {
    const auto at = fl++;
    if (!conflicts(*at, want_write, kind)) continue;
    if (want_write) {
      if (at->unlock_pending) continue;
      at->unlock_pending = true;
      at->fl_break_time = break_time;
    } else {
      if (at->unlock_pending || at->downgrade_pending) continue;
      at->downgrade_pending = true;
      at->fl_downgrade_time = break_time;
    }
    note(k, *at, "breaking");
    if (at->fl_lmops->lm_break(k, *at)) remove_lease(k, ctx, at);
  }
}

// What time is left to the first of the leases, as the kernel reckons: none means one tick.
Nanos wait_until(Kernel& k, const file_lock& fl) {
  const Nanos end = fl.fl_break_time;
  if (end.v == 0) return k.now() + jiffy;
  return end <= k.now() ? k.now() + jiffy : end;
}

HelperPath<Wake> sleep_for(Kernel& k, Nanos until, bool for_ever) {
  if (signal_pending(k.current())) co_return Wake::signal;
  Task& current = k.engine.current();
  current.sleep = SleepState::interruptible;
  const Wake why = for_ever ? co_await k.engine.block() : co_await k.engine.block_until(until);
  current.sleep = SleepState::uninterruptible;
  co_return why;
}

void forget_waiter(file_lock_context& ctx, const Task& task) {
  for (file_lock& fl : ctx.flc_lease) std::erase(fl.blocked, &task);
}

}  // namespace

bool has_lease(const inode& node, std::uint32_t kind) {
  if (!node.i_flctx) return false;
  const auto& leases = node.i_flctx->flc_lease;
  return std::any_of(leases.begin(), leases.end(),
                     [&](const file_lock& fl) { return fl.fl_flags == kind; });
}

void send_sigio(Kernel& k, TaskId id) { send_kernel_signal(k, SIGIO, k.tasks[id.v]); }

Path<std::int64_t> vfs_setlease(Kernel& k, const file_lock& wanted) {
  inode& node = *wanted.fl_file->f_inode;
  const task_struct& current = k.current();
  if (current.fsuid != node.i_uid && !capable(current, CAP_LEASE)) co_return -EACCES;
  if (node.type != InodeType::regular) co_return -EINVAL;
  file_lock_context& ctx = context_of(k, node);
  co_await percpu_down_read(k.file_rwsem);
  co_await spin_lock(ctx.flc_lock);
  const std::int64_t error = add_lease(k, ctx, wanted);
  spin_unlock(ctx.flc_lock);
  percpu_up_read(k.file_rwsem);
  co_return error;
}

Path<std::int64_t> generic_delete_lease(Kernel& k, inode& node, std::uint64_t owner) {
  if (!node.i_flctx) co_return -EAGAIN;
  file_lock_context& ctx = *node.i_flctx;
  co_await percpu_down_read(k.file_rwsem);
  co_await spin_lock(ctx.flc_lock);
  const auto fl = std::find_if(ctx.flc_lease.begin(), ctx.flc_lease.end(),
                               [&](const file_lock& each) { return each.fl_owner == owner; });
  const bool found = fl != ctx.flc_lease.end();
  if (found) unlock_lease(k, ctx, fl);
  spin_unlock(ctx.flc_lock);
  percpu_up_read(k.file_rwsem);
  co_return found ? 0 : -EAGAIN;
}

Path<std::int64_t> __break_lease(Kernel& k, inode& node, bool want_write, bool nonblock,
                                 std::uint32_t kind) {
  file_lock_context& ctx = context_of(k, node);
  co_await percpu_down_read(k.file_rwsem);
  co_await spin_lock(ctx.flc_lock);
  time_out_leases(k, ctx);
  std::int64_t error = 0;
  if (any_conflict(ctx, want_write, kind)) break_all(k, ctx, want_write, kind);
  while (any_conflict(ctx, want_write, kind)) {
    if (nonblock) {
      error = -EWOULDBLOCK;
      break;
    }
    file_lock& first = ctx.flc_lease.front();
    const bool for_ever = k.profile.lease_break_time == 0 && first.fl_break_time.v == 0 &&
                          first.fl_lmops == &lease_manager_ops;
    const Nanos until = wait_until(k, first);
    first.blocked.push_back(&k.engine.current());
    note(k, first, "waited for");
    spin_unlock(ctx.flc_lock);
    percpu_up_read(k.file_rwsem);
    const Wake why = co_await sleep_for(k, until, for_ever);
    co_await percpu_down_read(k.file_rwsem);
    co_await spin_lock(ctx.flc_lock);
    forget_waiter(ctx, k.engine.current());
    if (why == Wake::signal) {
      error = -ERESTARTSYS;
      break;
    }
    if (why == Wake::timeout) time_out_leases(k, ctx);
  }
  spin_unlock(ctx.flc_lock);
  percpu_up_read(k.file_rwsem);
  co_return error;
}

bool holds_lease(const file& f) {
  if (!f.f_inode->i_flctx) return false;
  const auto& leases = f.f_inode->i_flctx->flc_lease;
  return std::any_of(leases.begin(), leases.end(),
                     [&](const file_lock& fl) { return fl.fl_file == &f; });
}

Path<void> locks_remove_file(Kernel& k, file& f) {
  file_lock_context& ctx = *f.f_inode->i_flctx;
  co_await percpu_down_read(k.file_rwsem);
  co_await spin_lock(ctx.flc_lock);
  for (auto fl = ctx.flc_lease.begin(); fl != ctx.flc_lease.end();) {
    const auto at = fl++;
    if (at->fl_file == &f) unlock_lease(k, ctx, at);
  }
  spin_unlock(ctx.flc_lock);
  percpu_up_read(k.file_rwsem);
}

// The owner is the open file: a lease goes with all its descriptors.
static std::uint64_t owner_of(Kernel& k, const file& f) {
  if (f.f_inode->i_flctx) {
    for (const file_lock& fl : f.f_inode->i_flctx->flc_lease) {
      if (fl.fl_file == &f && fl.fl_lmops == &lease_manager_ops) return fl.fl_owner;
    }
  }
  return k.next_lease_owner++;
}

Path<std::int64_t> fcntl_setlease(Kernel& k, file& f, std::uint64_t arg) {
  const std::uint64_t owner = owner_of(k, f);
  if (arg == static_cast<std::uint64_t>(LeaseType::none)) {
    const std::int64_t error = co_await generic_delete_lease(k, *f.f_inode, owner);
    co_return error;
  }
  if (arg > static_cast<std::uint64_t>(LeaseType::none)) co_return -EINVAL;
  file_lock wanted;
  wanted.fl_type = static_cast<LeaseType>(arg);
  wanted.fl_file = &f;
  wanted.fl_owner = owner;
  wanted.signalled = k.engine.current().id;
  wanted.fl_lmops = &lease_manager_ops;
  const std::int64_t error = co_await vfs_setlease(k, wanted);
  co_return error;
}

Path<std::int64_t> fcntl_getlease(Kernel& k, file& f) {
  inode& node = *f.f_inode;
  auto type = static_cast<std::int64_t>(LeaseType::none);
  if (!node.i_flctx || node.i_flctx->flc_lease.empty()) co_return type;
  file_lock_context& ctx = *node.i_flctx;
  co_await percpu_down_read(k.file_rwsem);
  co_await spin_lock(ctx.flc_lock);
  time_out_leases(k, ctx);
  for (const file_lock& fl : ctx.flc_lease) {
    if (fl.fl_file != &f) continue;
    // What is left of it once it is broken.
    if (fl.unlock_pending) break;
    const LeaseType target = fl.downgrade_pending ? LeaseType::read : fl.fl_type;
    type = static_cast<std::int64_t>(target);
    break;
  }
  spin_unlock(ctx.flc_lock);
  percpu_up_read(k.file_rwsem);
  co_return type;
}

}  // namespace faultline
