// The types of the VFS: super_block, inode, address_space, file, and the descriptor table. Names
// are those of Linux 6.12 include/linux/fs.h; only what the modelled paths read is here.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <faultline/types.hpp>

#include "engine/path.hpp"
#include "engine/shared.hpp"
#include "kernel/lib/xarray.hpp"
#include "kernel/mm/interval_tree.hpp"
#include "locking/percpu_rwsem.hpp"
#include "locking/rwsem.hpp"
#include "locking/spinlock.hpp"

namespace faultline {

struct Kernel;
struct Task;
struct file;
struct inode;
struct super_block;
struct vm_area_desc;
struct vm_area_struct;
struct vm_operations_struct;
class BlockDevice;
class PmemDevice;
struct file_lock_context;
struct folio;
struct writeback_control;

struct address_space;
struct char_device;

namespace xfs {
struct xfs_mount;
struct xfs_inode;
}  // namespace xfs

/// Freeze levels, outermost first.
enum class SbFreeze : std::uint8_t { write = 0, pagefault = 1, fs = 2 };

enum class FreezeState : std::uint8_t { unfrozen, freezing, frozen };

struct super_block {
  std::string name;
  std::uint64_t s_dev = 0;  ///< make_dev(major, minor)
  percpu_rw_semaphore s_writers[3];
  rw_semaphore s_umount;
  FreezeState frozen = FreezeState::unfrozen;
  PmemDevice* s_daxdev = nullptr;  ///< null: no DAX
  BlockDevice* s_bdev = nullptr;   ///< null: on a DAX device
  bool relatime = true;
  std::uint32_t id = 0;
  std::unique_ptr<xfs::xfs_mount> mount;

  super_block();
  ~super_block();
};

/// How a file system fills and tracks the page cache of its files.
struct address_space_operations {
  /// Reads the locked new folios; each is unlocked when the device is done with it.
  Path<void> (*readahead)(Kernel&, address_space&, std::vector<folio*>&) = nullptr;
  /// Writes what is dirty in the range back; does not wait for the device. 0 or a negative errno.
  Path<std::int64_t> (*writepages)(Kernel&, address_space&, const writeback_control&) = nullptr;
  HelperPath<bool> (*dirty_folio)(Kernel&, folio&) = nullptr;  ///< true if it was clean before
  /// Bytes of a folio are of no interest any more.
  void (*invalidate_folio)(Kernel&, folio&, std::uint64_t offset, std::uint64_t length) = nullptr;
  /// Gives up what the file system keeps of a folio; false if it will not.
  bool (*release_folio)(Kernel&, folio&) = nullptr;
};

/// A request to write pages back, all of it and durably (WB_SYNC_ALL); bytes, the last included.
struct writeback_control {
  std::uint64_t range_start = 0, range_end = ~0ULL;
};

struct address_space {
  inode* host = nullptr;
  rw_semaphore invalidate_lock;
  rw_semaphore i_mmap_rwsem;
  spinlock_t xa_lock;  ///< of i_pages
  XArray i_pages;
  std::uint64_t nrpages = 0;
  const address_space_operations* a_ops = nullptr;  ///< null: no page cache (DAX)
  std::int64_t wb_err = 0;                          ///< the latest error of write-back, negative
  std::uint32_t wb_seq = 0;                         ///< how many there were
  VmaIntervalTree i_mmap;                           ///< under i_mmap_rwsem
  std::int64_t i_mmap_writable = 0;  ///< VMAs that may write the file, and mmaps on their way
};

enum class InodeType : std::uint8_t { regular, directory, character, pipe };

/// Which address search a file asks for. include/linux/fs.h f_op->get_unmapped_area.
enum class AreaSearch : std::uint8_t {
  plain,    ///< that of the mm
  thp,      ///< thp_get_unmapped_area: congruent to the offset modulo 2 MiB
  hugetlb,  ///< multiples of 2 MiB only
  dax,      ///< device-dax: congruent to the offset modulo the size of its pages
  own       ///< a driver's, of which the core knows nothing; finds what that of the mm does
};

inline constexpr std::uint32_t FOP_MMAP_SYNC = 1u << 4, FOP_UNSIGNED_OFFSET = 1u << 5;

/// Two ranges of equal length that are to share their blocks: bytes; `length` 0: to the end of the
/// source.
struct RemapRange {
  std::uint64_t pos_in = 0, pos_out = 0, length = 0;
  bool dedupe = false;  ///< only if they hold the same (REMAP_FILE_DEDUP, REMAP_FILE_CAN_SHORTEN)
};

/// What a file system or driver does for its open files. Null: the operation does not exist.
struct file_operations {
  Path<std::int64_t> (*mmap)(Kernel&, file&, vm_area_struct&) = nullptr;
  /// ->mmap with the flags of the system call, as MAP_DIRECT's first patch gives it to every file;
  /// the hooks that do not look at them stay above.
  Path<std::int64_t> (*mmap_flagged)(Kernel&, file&, vm_area_struct&,
                                     std::uint64_t map_flags) = nullptr;
  /// ->mmap of MAP_SHARED_VALIDATE as version 7 of MAP_DIRECT has it: with the flags of the system
  /// call.
  Path<std::int64_t> (*mmap_validate)(Kernel&, file&, vm_area_struct&,
                                      std::uint64_t map_flags) = nullptr;
  std::uint64_t mmap_extra_flags = 0;  ///< that mmap3 lets through beyond the old ones
  Path<std::int64_t> (*mmap_prepare)(Kernel&, file&, vm_area_desc&) = nullptr;
  Path<std::int64_t> (*fsync)(Kernel&, file&, std::uint64_t start, std::uint64_t end,
                              bool datasync) = nullptr;
  Path<std::int64_t> (*fallocate)(Kernel&, file&, unsigned mode, std::uint64_t offset,
                                  std::uint64_t len) = nullptr;
  /// Lets blocks of `in` be blocks of `out` as well, or compares and then does so. Bytes, or an
  /// errno.
  Path<std::int64_t> (*remap_file_range)(Kernel&, file& in, file& out,
                                         const RemapRange& range) = nullptr;
  /// The last reference to an open file has gone; called on the way back to user mode.
  Path<void> (*release)(Kernel&, file&) = nullptr;
  AreaSearch area = AreaSearch::plain;
  bool both_hooks = false;  ///< a driver that sets mmap and mmap_prepare at once, wrongly
  std::uint32_t fop_flags = 0;
};

struct inode {
  Ino i_ino{};
  std::uint32_t index = 0;  ///< of its World: part of the ids of its locks
  std::string name;
  InodeType type = InodeType::regular;
  std::uint32_t i_mode = 0644;
  std::uint32_t i_uid = 0;
  std::uint64_t i_size = 0;  ///< bytes; written under IOLOCK, in a DAX fault stable by MMAPLOCK
  bool append = false, immutable = false, noexec = false;
  /// S_* flags that are changed while the file is in use, each change a read and a write of the
  /// word under whatever lock its writer happens to hold.
  std::optional<Shared<std::uint32_t>> i_flags;
  bool dax = false;                ///< IS_DAX
  std::uint64_t blocksize = 4096;  ///< of its pages; larger for huge pages
  bool dirty_pages = false;        ///< I_DIRTY_PAGES
  Nanos i_atime{}, i_mtime{}, i_ctime{};
  super_block* i_sb = nullptr;             ///< null: no file system (pipes, devices)
  const file_operations* i_fop = nullptr;  ///< never null once built
  char_device* i_cdev = nullptr;           ///< whose device it is, if a scenario describes it
  bool unnamed = false;                    ///< of shared memory: goes with its last file
  std::uint64_t charged = 0;               ///< pages of shared memory promised to it
  std::uint32_t i_nlink = 1;               ///< names; files are declared with one
  std::uint32_t i_count = 0;               ///< open files, and whoever works on it
  std::uint32_t i_dio_count = 0;           ///< direct I/O under way
  std::vector<Task*> dio_waiters;          ///< inode_dio_wait()
  rw_semaphore i_rwsem;
  address_space i_data;
  std::unique_ptr<file_lock_context> i_flctx;  ///< null: never had a lease
  std::unique_ptr<xfs::xfs_inode> xfs;

  inode();
  ~inode();
};

inline constexpr std::uint32_t S_SYNC = 1, S_NOATIME = 2, S_APPEND = 4, S_IMMUTABLE = 8,
                               S_DAX = 8192, S_IOMAP_SEALED = 16384;
/// IS_IOMAP_SEALED(): the block map of the file may not change (MAP_DIRECT).
inline auto is_iomap_sealed(inode& node) { return node.i_flags->test(S_IOMAP_SEALED); }

/// FMODE_PATH: opened with O_PATH; most system calls do not know such a descriptor.
inline constexpr std::uint32_t FMODE_READ = 1, FMODE_WRITE = 2, FMODE_PATH = 0x4000;

/// Readahead of one open file, in pages. include/linux/fs.h.
struct file_ra_state {
  std::uint64_t start = 0;                 ///< where the last window began
  std::uint64_t size = 0, async_size = 0;  ///< its length, and the part that starts the next one
  std::uint64_t ra_pages = 32;             ///< largest window: 128 KiB
  std::uint64_t prev_pos = ~0ULL;          ///< where the last read(2) ended, bytes
  unsigned order = 0;                      ///< of the window's folios, where it is kept
  std::uint64_t mmap_miss = 0;             ///< faults that missed the cache, less those that hit
};

struct file {
  inode* f_inode = nullptr;
  const file_operations* f_op = nullptr;
  std::uint32_t f_mode = 0;   ///< FMODE_*
  std::uint32_t f_flags = 0;  ///< O_* as given to open
  std::uint64_t f_pos = 0;
  std::uint32_t f_count = 0;
  bool f_map_direct = false;  ///< may be mapped with MAP_DIRECT by who has no capability
  file_ra_state f_ra;
  std::uint32_t f_wb_seq = 0;  ///< of the mapping's errors that this file has reported
};

/// Descriptor table of a process. A null entry is free.
struct files_struct {
  std::vector<file*> fd;
};

}  // namespace faultline
