// Sizes as the kernel's check at mount allows them: linux 6.12 fs/xfs/libxfs/xfs_log_rlimit.c,
// xfs_fs.h (XFS_MAX_LOG_BYTES).
#include "scenario/build_log.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace faultline {

using namespace xfs;

namespace {

// The log's stripe unit is that of the data; 32 KiB if that is more than 256.
LogGeometry striped_log(LogGeometry log, std::uint64_t sunit) {
  constexpr std::uint64_t largest = 256 << 10;
  constexpr std::uint32_t header_covers = 32 << 10;  // bytes of a log buffer
  if (sunit == 0) return log;
  log.roundoff = sunit > largest ? 32u << 10 : static_cast<std::uint32_t>(sunit);
  log.iclog_size = std::max(log.iclog_size, log.roundoff);
  log.iclog_hsize = (log.iclog_size + header_covers - 1) / header_covers * 512;
  return log;
}

}  // namespace

std::optional<std::string> log_size_error(const Geometry& geo, std::uint64_t bytes) {
  constexpr std::uint64_t most = 2ULL << 30;
  const std::uint64_t least = xfs_log_calc_minimum_size(geo);
  if (bytes >= least && bytes <= most) return std::nullopt;
  return fmt::format("the log of this file system has {} to {} bytes", least, most);
}

void init_log(Kernel& k, xfs_mount& mp, const Geometry& geo, const XfsSpec& spec) {
  const std::uint32_t fs = mp.m_super->id;
  LogGeometry log = striped_log(log_geometry(geo), spec.sunit);
  log.size = spec.log_size;
  mp.log = Log(log);
  LogSpace& space = mp.log.space;
  mp.covered_head = space.head();
  init_lock(mp.xc_ctx_lock, k.locks, k.cls.xc_ctx_lock, lock_id(LockOwner::log, fs));
  init_lock(space.reserve_head, k.locks, k.cls.xlog_grant_space, lock_id(LockOwner::log, fs, 1));
  init_lock(space.write_head, k.locks, k.cls.xlog_grant_space, lock_id(LockOwner::log, fs, 2));
}

}  // namespace faultline
