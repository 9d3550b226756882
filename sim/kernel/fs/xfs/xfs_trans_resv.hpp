// How much log space a transaction reserves, from the file system's geometry.
// Source: linux 6.12 fs/xfs/libxfs/xfs_trans_resv.c, fs/xfs/xfs_log.c (xlog_calc_unit_res). The
// transactions that data paths use; directory and inode-allocation ones are left out, and no
// realtime device is assumed.
#pragma once

#include "kernel/fs/xfs/xfs_format.hpp"

namespace faultline::xfs {

/// `struct xfs_trans_res`: bytes of one unit, units reserved, whether it may roll.
struct TransRes {
  std::uint32_t logres = 0;
  std::uint32_t logcount = 1;
  bool permanent = false;
};

/// The log's own parameters.
struct LogGeometry {
  std::uint32_t iclog_size = 32768;
  std::uint32_t iclog_hsize = 512;
  std::uint32_t roundoff = 4096;  ///< log stripe unit: the sector size, at least 512
  std::uint64_t size = 64ULL << 20;
};
LogGeometry log_geometry(const Geometry& geo);

TransRes tr_write(const Geometry& geo);      ///< allocate, convert, punch
TransRes tr_itruncate(const Geometry& geo);  ///< truncate
TransRes tr_remove(const Geometry& geo);     ///< take a name away
TransRes tr_ifree(const Geometry& geo);      ///< free an inode
TransRes tr_ichange(const Geometry& geo);    ///< change the inode's attributes
TransRes tr_sb(const Geometry& geo);         ///< write the superblock
TransRes tr_fsyncts(const Geometry& geo);    ///< timestamps and size

/// What one unit takes in the log with all headers and padding: `t_unit_res` of the tracepoints.
std::uint32_t xlog_calc_unit_res(const LogGeometry& log, std::uint32_t unit_bytes);
/// How many log buffers one unit may reach into: `t_iclog_hdrs`.
std::uint32_t xlog_iclog_headers(const LogGeometry& log, std::uint32_t unit_bytes);
/// xfs_log_calc_minimum_size(): the smallest log that a kernel mounts, in bytes.
std::uint64_t xfs_log_calc_minimum_size(const Geometry& geo);

}  // namespace faultline::xfs
