// The iteration step. Linux 6.12 fs/iomap/iter.c iomap_iter().
#include "kernel/fs/iomap.hpp"

#include <algorithm>
#include <cerrno>

#include "kernel/kernel.hpp"

namespace faultline {

// What is left after the bytes processed. 1: go on, 0: done, else the error of the last mapping.
static std::int64_t iomap_iter_advance(iomap_iter& iter) {
  if (!iter.started) return iter.len == 0 ? 0 : 1;
  if (iter.processed < 0) return iter.processed;
  // A stale mapping is looked up again.
  if (iter.processed == 0) return iter.map.flags & IOMAP_F_STALE ? 1 : 0;
  iter.pos += static_cast<std::uint64_t>(iter.processed);
  iter.len -= static_cast<std::uint64_t>(iter.processed);
  iter.processed = 0;
  return iter.len == 0 ? 0 : 1;
}

// iomap_length(): what the current mapping covers of the rest. Before the first mapping that is
// nothing at offset 0 and, by wrap-around, everything elsewhere; the tracepoint shows it.
static std::uint64_t iomap_length(const iomap_iter& iter) {
  std::uint64_t end = iter.map.offset + iter.map.length;
  if (iter.srcmap.type != IOMAP_HOLE) [[unlikely]] {
    end = std::min(end, iter.srcmap.offset + iter.srcmap.length);
  }
  return std::min(iter.len, end - iter.pos);
}

// What the actor has done already counts as moved, or is about to be.
static void trace_iter(Kernel& k, const iomap_iter& iter, const iomap_ops& ops,
                       const char* caller) {
  const inode& host = *iter.host;
  const bool moved = k.profile.iomap_actor_advances && iter.processed > 0;
  const std::uint64_t done = moved ? static_cast<std::uint64_t>(iter.processed) : 0;
  k.trace<Event::iomap_iter>(host.i_sb->s_dev, host.i_ino, iter.pos + done,
                             iomap_length(iter) - done, moved ? 0 : iter.processed, iter.flags,
                             ops.name, caller);
}

HelperPath<std::int64_t> iomap_iter_next(Kernel& k, iomap_iter& iter, const iomap_ops& ops,
                                         const char* caller) {
  inode& host = *iter.host;
  // Since the actors move the iterator the tracepoint comes before the mapping's end.
  if (k.profile.iomap_actor_advances) trace_iter(k, iter, ops, caller);
  if (iter.started && ops.iomap_end) {
    const std::int64_t written = std::max<std::int64_t>(iter.processed, 0);
    const std::int64_t error = co_await ops.iomap_end(k, host, iter.pos, iomap_length(iter),
                                                      written, iter.flags, iter.map);
    if (error < 0 && iter.processed == 0) co_return error;
  }
  if (!k.profile.iomap_actor_advances) trace_iter(k, iter, ops, caller);
  const std::int64_t more = iomap_iter_advance(iter);
  if (more <= 0) co_return more;
  iter.started = true;
  iter.map = iomap();
  iter.srcmap.type = IOMAP_HOLE;
  const std::int64_t error =
      co_await ops.iomap_begin(k, host, iter.pos, iter.len, iter.flags, iter.map, iter.srcmap);
  if (error < 0) co_return error;
  k.trace<Event::iomap_iter_dstmap>(host.i_sb->s_dev, host.i_ino, host.i_sb->s_dev, iter.map.addr,
                                    iter.map.offset, iter.map.length, iter.map.type,
                                    iter.map.flags);
  if (iter.srcmap.type != IOMAP_HOLE) [[unlikely]] {
    k.trace<Event::iomap_iter_srcmap>(host.i_sb->s_dev, host.i_ino, host.i_sb->s_dev,
                                      iter.srcmap.addr, iter.srcmap.offset, iter.srcmap.length,
                                      iter.srcmap.type, iter.srcmap.flags);
  }
  co_return 1;
}

}  // namespace faultline
