// read(2) and write(2) on a DAX file: no page cache, the copy goes straight to the device.
// Linux 6.12 fs/dax.c dax_iomap_rw, dax_iomap_iter. The copy holds dax_read_lock and may fault on
// the user's buffer, which can be a mapping of the very same file.
#include <algorithm>
#include <cerrno>

#include "kernel/arch/x86/access.hpp"
#include "kernel/fs/dax.hpp"
#include "kernel/fs/iomap_write.hpp"
#include "kernel/mm/mmap_lock.hpp"
#include "kernel/mm/tlb.hpp"

namespace faultline {

namespace {

// One piece of the copy, inside one page of the buffer. Bytes copied; fewer than asked at a fault.
HelperPath<std::uint64_t> copy_piece(Kernel& k, const DaxIo& io, std::uint64_t device_at,
                                     Vaddr buffer, std::uint64_t length) {
  std::vector<std::byte> bytes(length);
  PmemDevice& device = *io.host->i_sb->s_daxdev;
  const char* const symbol = io.write ? "copy_to_nontemporal" : "rep_movs_alternative";
  const UserPage page = co_await uaccess_page(k, buffer, !io.write, symbol);
  if (!page.ok) co_return 0;
  if (io.write) {
    read_phys(k, page.phys, bytes);
    device.content().persist(device_at, bytes);
    device.clear_poison(device_at, length);
  } else {
    // copy_mc_to_user(): ends where the poison begins, of which the driver is told.
    if (const auto bad = device.poisoned(device_at, length)) {
      device.note_bad_blocks(*bad, 1);
      length = *bad - device_at;
      bytes.resize(length);
    }
    device.content().read(device_at, bytes);
    write_phys(k, page.phys, bytes);
  }
  co_return length;
}

// Copies between the device and the buffer; bytes done.
HelperPath<std::uint64_t> copy(Kernel& k, const DaxIo& io, std::uint64_t device_at,
                               std::uint64_t done, std::uint64_t length) {
  PmemDevice& device = *io.host->i_sb->s_daxdev;
  k.engine.charge(io.write ? device.write_nt(k.now(), length, Pattern::sequential)
                           : device.read(k.now(), length, Pattern::sequential));
  if (!io.buffer) {
    if (io.write) {
      device.content().zero(device_at, length);
      device.clear_poison(device_at, length);
    } else if (const auto bad = device.poisoned(device_at, length)) {
      device.note_bad_blocks(*bad, 1);
      co_return *bad - device_at;
    }
    co_return length;
  }
  // Copies to user memory announce that they may fault; the copy of a write has no such call.
  if (!io.write) might_fault(k);
  std::uint64_t copied = 0;
  while (copied < length) {
    const Vaddr at = *io.buffer + (done + copied);
    const std::uint64_t piece = std::min(length - copied, PAGE_SIZE - (at.v & ~PAGE_MASK));
    const std::uint64_t n = co_await copy_piece(k, io, device_at + copied, at, piece);
    copied += n;
    if (n < piece) break;
  }
  co_return copied;
}

HelperPath<std::uint64_t> clear_user(Kernel& k, const DaxIo& io, std::uint64_t done,
                                     std::uint64_t length) {
  if (!io.buffer) co_return length;
  might_fault(k);
  std::uint64_t cleared = 0;
  while (cleared < length) {
    const Vaddr at = *io.buffer + (done + cleared);
    const std::uint64_t piece = std::min(length - cleared, PAGE_SIZE - (at.v & ~PAGE_MASK));
    const UserPage page = co_await uaccess_page(k, at, true, "rep_stos_alternative");
    if (!page.ok) break;
    const std::vector<std::byte> zeros(piece);
    write_phys(k, page.phys, zeros);
    cleared += piece;
  }
  co_return cleared;
}

// dax_direct_access() of the pages of [at, at + length): the first bad byte.
std::optional<std::uint64_t> find_bad(const PmemDevice& device, std::uint64_t at,
                                      std::uint64_t length) {
  const std::uint64_t first = at & PAGE_MASK;
  const std::uint64_t end = (at + length + PAGE_SIZE - 1) & PAGE_MASK;
  return device.bad_block(first, end - first);
}

// dax_recovery_write(): up to a bad page as always, then that page alone, which is healed first if
// all of it is written.
HelperPath<std::uint64_t> recovery_write(Kernel& k, const DaxIo& io, std::uint64_t device_at,
                                         std::uint64_t done, std::uint64_t length) {
  PmemDevice& device = *io.host->i_sb->s_daxdev;
  std::uint64_t copied = 0;
  while (copied < length) {
    const std::uint64_t at = device_at + copied;
    std::uint64_t piece = length - copied;
    if (const auto bad = find_bad(device, at, piece)) {
      const std::uint64_t page = *bad & PAGE_MASK;
      piece = std::min(piece, page > at ? page - at : PAGE_SIZE - (at & ~PAGE_MASK));
      if (page <= at) {
        if (piece != PAGE_SIZE) break;
        device.clear_bad_blocks(at, PAGE_SIZE);
      }
    }
    const std::uint64_t n = co_await copy(k, io, at, done + copied, piece);
    copied += n;
    if (n < piece) break;
  }
  co_return copied;
}

// dax_iomap_copy_around(): the blocks of a copy on write are filled from the old ones; what is to
// be written follows.
void copy_around(Kernel& k, const DaxIo& io, const iomap_iter& iter, std::uint64_t pos,
                 std::uint64_t end) {
  PmemDevice& device = *io.host->i_sb->s_daxdev;
  if (iter.srcmap.type == IOMAP_MAPPED) k.locks.annotate(k.dax_srcu, HoldMode::shared);
  for (std::uint64_t at = pos & PAGE_MASK; at < end; at += PAGE_SIZE) {
    const std::uint64_t to = iter.map.addr + (at - iter.map.offset);
    if (iter.srcmap.type != IOMAP_MAPPED) {
      device.content().zero(to, PAGE_SIZE);
      continue;
    }
    copy_page(k, device.pfn(to), device.pfn(iter.srcmap.addr + (at - iter.srcmap.offset)));
    k.engine.charge(k.costs.page_copy);
  }
}

// The bytes of one mapping; or a negative errno.
HelperPath<std::int64_t> dax_iomap_iter(Kernel& k, const DaxIo& io, const iomap_iter& iter,
                                        std::uint64_t done) {
  std::uint64_t end = iter.pos + iomap_length(iter);
  if (!io.write) {
    // The size counts only here: whoever reads up to it still asks what lies behind it.
    end = std::min(end, io.host->i_size);
    if (iter.pos >= end) co_return 0;
  }
  const std::uint64_t length = end - iter.pos;
  if (!io.write) {
    const bool hole = iter.map.type == IOMAP_HOLE || iter.map.type == IOMAP_UNWRITTEN;
    if (hole) {
      const std::uint64_t n = co_await clear_user(k, io, done, length);
      co_return n == 0 ? -EFAULT : static_cast<std::int64_t>(n);
    }
  }
  if (iter.map.type != IOMAP_MAPPED) co_return -EIO;
  const bool cow = io.write && (iter.map.flags & IOMAP_F_SHARED);
  if ((iter.map.flags & IOMAP_F_NEW) || cow) {
    // A hole, a zero page or the old block may be mapped where the data go now. An entry that was
    // stored to would stay, so it is made clean first.
    const Pgoff first(iter.pos >> PAGE_SHIFT);
    const Pgoff last((end - 1) >> PAGE_SHIFT);
    if (cow) co_await dax_clear_dirty_range(k, io.host->i_data, first, last);
    co_await invalidate_inode_pages2_range(k, io.host->i_data, first, last);
  }
  if (fatal_signal_pending(k.current())) co_return -EINTR;
  const std::uint64_t at = iter.map.addr + (iter.pos - iter.map.offset);
  PmemDevice& device = *io.host->i_sb->s_daxdev;
  const bool bad = find_bad(device, at, length).has_value();
  if (bad && !(io.write && k.profile.dax_recovery_write)) co_return -EIO;
  k.locks.acquiring(k.dax_srcu, HoldMode::shared);
  k.locks.acquired(k.dax_srcu, HoldMode::shared, false);
  if (cow) copy_around(k, io, iter, iter.pos, end);
  std::uint64_t n = 0;
  if (bad) {
    n = co_await recovery_write(k, io, at, done, length);
  } else {
    n = co_await copy(k, io, at, done, length);
  }
  co_await k.engine.spend(Nanos{});  // the copy takes its time under the locks, not after them
  k.locks.released(k.dax_srcu);
  co_return n == 0 ? -EFAULT : static_cast<std::int64_t>(n);
}

}  // namespace

Path<std::int64_t> dax_iomap_rw(Kernel& k, DaxIo io, const iomap_ops& ops) {
  iomap_iter iter;
  iter.host = io.host;
  iter.pos = io.pos;
  iter.len = io.length;
  iter.flags = IOMAP_DAX | (io.write ? IOMAP_WRITE : 0);
  std::uint64_t done = 0;
  std::int64_t error = 0;
  for (;;) {
    error = co_await iomap_iter_next(k, iter, ops, "dax_iomap_rw");
    if (error <= 0) break;
    iter.processed = co_await dax_iomap_iter(k, io, iter, done);
    if (iter.processed > 0) done += static_cast<std::uint64_t>(iter.processed);
  }
  co_return done != 0 ? static_cast<std::int64_t>(done) : error;
}

}  // namespace faultline
