// Where things lie on an XFS of 4 KiB blocks: allocation groups, their headers and first B+tree
// blocks, how many records a tree block takes, what fits into a 512-byte inode.
// Source: linux 6.12 fs/xfs/libxfs/xfs_format.h, xfs_types.c, xfs_alloc.c (maxlevels), xfs_bmap.c;
// AG sizes as mkfs.xfs chooses them for one plain device or a striped one. Left out: other block
// sizes, realtime.
#pragma once

#include <algorithm>
#include <cstdint>

#include <faultline/types.hpp>

namespace faultline::xfs {

using AgNumber = std::uint32_t;  ///< index of an allocation group
using AgBlock = std::uint32_t;   ///< block index inside an allocation group
using ExtLen = std::uint32_t;    ///< length in blocks

inline constexpr AgNumber null_agno = 0xffffffff;
inline constexpr AgBlock null_agbno = 0xffffffff;
inline constexpr FsBlock null_fsblock{~0ULL};
inline constexpr ExtLen max_extlen = (1u << 21) - 1;  ///< longest extent a record can describe
inline constexpr unsigned block_log = 12;
inline constexpr unsigned daddrs_per_block = 8;

// Records per block: short-form header 56 bytes, long-form 72; a free-space record has 8 bytes, a
// node entry 8 + 4; an extent record 16, a node entry 8 + 8; minima are half of it.
inline constexpr unsigned alloc_maxrecs[2] = {(4096 - 56) / 8, (4096 - 56) / 12};
inline constexpr unsigned alloc_minrecs[2] = {alloc_maxrecs[0] / 2, alloc_maxrecs[1] / 2};
inline constexpr unsigned bmbt_maxrecs[2] = {(4096 - 72) / 16, (4096 - 72) / 16};
inline constexpr unsigned bmbt_minrecs[2] = {bmbt_maxrecs[0] / 2, bmbt_maxrecs[1] / 2};

/// Height of a tree for `records` with `limits` = {leaf, node} records a block.
constexpr unsigned btree_levels(const unsigned (&limits)[2], std::uint64_t records) {
  std::uint64_t blocks = (records + limits[0] - 1) / limits[0];
  unsigned height = 1;
  for (; blocks > 1; ++height) blocks = (blocks + limits[1] - 1) / limits[1];
  return height;
}

/// The shape of one file system. Plain numbers; `make_geometry` fills it.
struct Geometry {
  AgNumber agcount = 1;
  ExtLen agblocks = 0;        ///< blocks of every AG but the last
  std::uint64_t dblocks = 0;  ///< blocks of the data device
  unsigned agblklog = 0;      ///< bits of a block number inside an AG
  unsigned sectsize = 4096;   ///< bytes of an AG header
  unsigned inodesize = 512;   ///< bytes
  bool reflink = false;
  bool rmapbt = false;
  bool nrext64 = false;  ///< 64-bit extent counters
  unsigned alloc_maxlevels = 1;
  unsigned rmap_maxlevels = 1;
  unsigned refc_maxlevels = 1;
  unsigned bmap_maxlevels = 1;

  constexpr ExtLen ag_length(AgNumber ag) const {
    return ag + 1 < agcount ? agblocks : ExtLen(dblocks - std::uint64_t(agcount - 1) * agblocks);
  }
  constexpr FsBlock fsb(AgNumber ag, AgBlock b) const {
    return FsBlock((std::uint64_t(ag) << agblklog) | b);
  }
  constexpr AgNumber agno(FsBlock b) const { return AgNumber(b.v >> agblklog); }
  constexpr AgBlock agbno(FsBlock b) const { return AgBlock(b.v & ((1ULL << agblklog) - 1)); }
  constexpr Daddr daddr(AgNumber ag, AgBlock b) const {
    return Daddr((std::uint64_t(ag) * agblocks + b) * daddrs_per_block);
  }
  constexpr Daddr daddr(FsBlock b) const { return daddr(agno(b), agbno(b)); }
  /// Byte address of a block on the device.
  constexpr Paddr device_offset(FsBlock b) const { return Paddr(daddr(b).v * 512); }
  constexpr Daddr header(AgNumber ag, unsigned sector) const {
    return daddr(ag, 0) + std::uint64_t(sector) * (sectsize / 512);
  }
  constexpr Daddr agf_daddr(AgNumber ag) const { return header(ag, 1); }
  constexpr Daddr agi_daddr(AgNumber ag) const { return header(ag, 2); }
  constexpr Daddr agfl_daddr(AgNumber ag) const { return header(ag, 3); }

  // The fixed first blocks of an AG: headers, then one root block per tree.
  constexpr AgBlock bno_root() const { return (4 * sectsize + 4095) / 4096; }
  constexpr AgBlock cnt_root() const { return bno_root() + 1; }
  constexpr AgBlock inobt_root() const { return bno_root() + 2; }
  constexpr AgBlock finobt_root() const { return bno_root() + 3; }
  constexpr AgBlock rmap_root() const { return bno_root() + 4; }
  constexpr AgBlock refc_root() const { return bno_root() + 4 + (rmapbt ? 1 : 0); }
  /// First block that is not fixed metadata.
  constexpr AgBlock prealloc_blocks() const { return refc_root() + (reflink ? 1 : 0); }
  /// Most blocks that one allocation could ever get from an AG.
  constexpr ExtLen ag_max_usable() const { return agblocks - prealloc_blocks() - 4; }
  /// Entries of the AG free list: what is left of its sector after a 36-byte header.
  constexpr unsigned agfl_size() const { return (sectsize - 36) / 4; }

  constexpr unsigned fork_size() const { return inodesize - 176; }  ///< bytes, without attributes
  constexpr unsigned inline_extents() const { return fork_size() / 16; }
  constexpr unsigned root_ptrs() const { return (fork_size() - 4) / 16; }
  /// The block that holds inode `ino` (8 inodes of 512 bytes a block).
  constexpr FsBlock inode_block(Ino ino) const { return FsBlock(ino.v / (4096 / inodesize)); }
  /// The buffer of the inode cluster that holds `ino`: 16 KiB clusters (32 inodes of 512 bytes).
  constexpr Daddr inode_cluster_daddr(Ino ino) const {
    const FsBlock b = inode_block(ino);
    return daddr(agno(b), agbno(b) / 4 * 4);
  }
};

/// What a scenario may choose; `agcount` 0 is as mkfs.xfs would.
struct GeometryChoice {
  std::uint64_t device_bytes = 0;
  AgNumber agcount = 0;
  ExtLen dsunit = 0;   ///< stripe unit, blocks; 0: none
  ExtLen dswidth = 0;  ///< stripe width, a multiple of it
  unsigned sectsize = 4096;
  bool reflink = false;
  bool rmapbt = false;
  bool nrext64 = false;
};

/// The geometry for a choice. `device_bytes` must be at least 16 MiB and below 8 EiB; an agcount
/// that makes AGs shorter than 64 blocks or longer than 2^28 - 1 is clamped.
Geometry make_geometry(const GeometryChoice& choice);

}  // namespace faultline::xfs
