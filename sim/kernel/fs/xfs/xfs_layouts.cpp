// Breaking layouts: of pages that a device may still transfer to, by unmapping them and waiting
// until they are idle, and leases, by asking their holders. Linux 6.12 fs/xfs/xfs_file.c
// xfs_break_layouts, xfs_break_dax_layouts; fs/xfs/xfs_pnfs.c xfs_break_leased_layouts.
#include "kernel/fs/xfs/xfs_layouts.hpp"

#include <fmt/format.h>

#include <cerrno>

#include "kernel/fs/dax.hpp"
#include "kernel/fs/locks.hpp"
#include "kernel/fs/xfs/xfs_inode.hpp"
#include "kernel/sched.hpp"

namespace faultline::xfs {

// With MMAPLOCK given up faults may map the file again: the caller has to look once more.
static Path<void> xfs_wait_dax_page(Kernel& k, inode& ip) {
  xfs_iunlock(k, ip, XFS_MMAPLOCK_EXCL, "xfs_wait_dax_page");
  Task& current = k.engine.current();
  current.sleep = SleepState::interruptible;
  co_await k.engine.block();
  current.sleep = SleepState::uninterruptible;
  co_await xfs_ilock(k, ip, XFS_MMAPLOCK_EXCL, "xfs_wait_dax_page");
}

Path<std::int64_t> xfs_break_dax_layouts(Kernel& k, inode& ip) {
  const IdleWait wait{xfs_wait_dax_page, true};
  const std::int64_t error = co_await dax_break_layout(k, ip.i_data, 0, ~0ULL, wait);
  co_return error;
}

// Who has a signal pending does not sleep: it asks, is sent away and asks again, with the CPU for
// itself, until the holder has let go or its time is over. After the first turns each stands for
// as many as fit into a sixteenth of the time so far. The holder may be the caller: then it waits
// for itself.
static HelperPath<void> spin_with_a_signal(Kernel& k, const inode& ip, unsigned turn, Nanos since) {
  constexpr unsigned turns_in_full = 64;
  constexpr std::uint64_t for_ever = 600'000'000'000;
  if (turn < turns_in_full) co_return;
  const std::string& comm = k.engine.tracer().tasks().name(k.engine.current().id).comm;
  k.broken_rule("livelock", fmt::format("{} has a signal pending and asks for the layout of {} "
                                        "again and again (xfs_break_leased_layouts drops the "
                                        "-ERESTARTSYS of its wait)",
                                        comm, ip.name));
  const std::uint64_t spun = k.engine.now().v - since.v;
  co_await k.engine.spend(Nanos(spun / 16));
  if (spun < for_ever) co_return;
  k.engine.stop(Outcome::stuck, "a task spins and nobody will end it");
  co_await k.engine.block();
}

// xfs_break_leased_layouts(): nobody may wait for a lease with IOLOCK held, since its holder may
// need that to give it up. Whoever gave IOLOCK up takes it exclusively, and has to look at all it
// saw again. What the waiting came to is not looked at: the next test says it.
static Path<std::int64_t> xfs_break_leased_layouts(Kernel& k, inode& ip, unsigned& iolock,
                                                   bool& did_unlock) {
  const Nanos since = k.engine.now();
  for (unsigned turn = 0; has_lease(ip, FL_LAYOUT); ++turn) {
    const std::int64_t blocked = co_await __break_lease(k, ip, true, true, FL_LAYOUT);
    if (blocked != -EWOULDBLOCK) co_return blocked;
    xfs_iunlock(k, ip, iolock, "xfs_break_leased_layouts");
    did_unlock = true;
    std::int64_t waited = 0;
    if (has_lease(ip, FL_LAYOUT)) waited = co_await __break_lease(k, ip, true, false, FL_LAYOUT);
    if (waited == -ERESTARTSYS) co_await spin_with_a_signal(k, ip, turn, since);
    iolock = (iolock & ~XFS_IOLOCK_SHARED) | XFS_IOLOCK_EXCL;
    co_await xfs_ilock(k, ip, iolock, "xfs_break_leased_layouts");
  }
  co_return 0;
}

Path<std::int64_t> xfs_break_layouts(Kernel& k, inode& ip, unsigned& iolock, LayoutBreak reason) {
  for (;;) {
    if (reason == LayoutBreak::unmap && k.profile.breaks_busy_layouts) {
      const std::int64_t error = co_await xfs_break_dax_layouts(k, ip);
      if (error) co_return error;
    }
    if (!has_lease(ip, FL_LAYOUT)) co_return 0;
    bool did_unlock = false;
    const std::int64_t error = co_await xfs_break_leased_layouts(k, ip, iolock, did_unlock);
    if (error || !did_unlock) co_return error;
  }
}

}  // namespace faultline::xfs
