// Two files exchange blocks. Linux 6.12 fs/xfs/xfs_exchrange.c (XFS_IOC_EXCHANGE_RANGE), and 4.13
// fs/xfs/xfs_ioctl.c xfs_ioc_swapext (XFS_IOC_SWAPEXT), as the profile says.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline::xfs {

/// Bytes of both files that change places; `length` 0: all up to the ends of both.
struct ExchangeRange {
  std::uint64_t file1_offset = 0, file2_offset = 0, length = 0;
};

/// What XFS_IOC_START_COMMIT tells of a file, and XFS_IOC_COMMIT_RANGE looks at again.
struct CommitFreshness {
  Ino file2_ino{};
  Nanos file2_mtime{}, file2_ctime{};
};
/// XFS_IOC_START_COMMIT: 0 or a negative errno.
Path<std::int64_t> xfs_ioc_start_commit(Kernel& k, std::int64_t fd2, CommitFreshness& sample);
/// XFS_IOC_COMMIT_RANGE: an exchange that is -EBUSY if the file of `fd2` has changed since `fresh`.
Path<std::int64_t> xfs_ioc_commit_range(Kernel& k, std::int64_t fd2, std::int64_t fd1,
                                        const ExchangeRange& range, const CommitFreshness& fresh);

/// The ioctl, made on `fd2`, or for swapext with it as the target. 0 or a negative errno.
Path<std::int64_t> xfs_ioc_exchange(Kernel& k, std::int64_t fd2, std::int64_t fd1,
                                    const ExchangeRange& range);

/// xfs_exchange_range: with freeze protection, below the descriptors. `fresh` null: nobody asks.
Path<std::int64_t> xfs_exchange_range(Kernel& k, file& file1, file& file2, ExchangeRange range,
                                      const CommitFreshness* fresh);
/// xfs_ioc_swapext: whole files, one `target` that is mapped in more pieces than `tmp`.
Path<std::int64_t> xfs_ioc_swapext(Kernel& k, file& target, file& tmp, const ExchangeRange& range);

}  // namespace faultline::xfs
