// The pages go as those of the page cache do, one by one, and parts of pages at the ends are
// zeroed. What was private to a mapping goes with a truncation and stays over a hole.
#include "kernel/mm/shmem_truncate.hpp"

#include <fcntl.h>

#include <cerrno>

#include "kernel/mm/filemap.hpp"
#include "kernel/mm/memory.hpp"
#include "kernel/mm/shmem.hpp"
#include "kernel/mm/truncate.hpp"

namespace faultline {

namespace {

constexpr std::uint64_t to_the_end = ~0ULL;

std::uint64_t round_up(std::uint64_t n) { return (n + PAGE_SIZE - 1) & PAGE_MASK; }

Path<void> shmem_truncate_range(Kernel& k, inode& node, std::uint64_t lstart, std::uint64_t lend) {
  co_await truncate_folios(k, node.i_data, lstart, lend);
  node.i_mtime = node.i_ctime = k.coarse_time();
}

HelperPath<void> punch_hole(Kernel& k, inode& node, std::uint64_t offset, std::uint64_t len) {
  const std::uint64_t unmap_start = round_up(offset);
  const std::uint64_t unmap_end = (offset + len) & PAGE_MASK;
  if (unmap_end > unmap_start + 1) {
    co_await unmap_mapping_range(k, node.i_data, unmap_start, unmap_end - unmap_start, false);
  }
  co_await shmem_truncate_range(k, node, offset, offset + len - 1);
}

HelperPath<std::int64_t> allocate_range(Kernel& k, inode& node, unsigned mode, std::uint64_t offset,
                                        std::uint64_t len) {
  const std::uint64_t end = (offset + len + PAGE_SIZE - 1) >> PAGE_SHIFT;
  for (std::uint64_t index = offset >> PAGE_SHIFT; index < end; ++index) {
    folio* const f = co_await shmem_get_folio(k, node.i_data, index);
    if (!f) co_return -ENOMEM;
    f->dirty = true;
    folio_unlock(k, *f);
  }
  if (!(mode & FALLOC_FL_KEEP_SIZE) && offset + len > node.i_size) node.i_size = offset + len;
  node.i_ctime = k.coarse_time();
  co_return 0;
}

}  // namespace

Path<std::int64_t> shmem_setattr(Kernel& k, inode& node, std::uint64_t newsize) {
  const std::uint64_t oldsize = node.i_size;
  if (newsize != oldsize) {
    node.i_size = newsize;
    node.i_mtime = node.i_ctime = k.coarse_time();
  }
  if (newsize > oldsize) co_return 0;
  const std::uint64_t holebegin = round_up(newsize);
  if (oldsize > holebegin) co_await unmap_mapping_range(k, node.i_data, holebegin, 0, true);
  if (node.i_data.nrpages != 0) co_await shmem_truncate_range(k, node, newsize, to_the_end);
  // Again: a private copy may have been made meanwhile.
  if (oldsize > holebegin) co_await unmap_mapping_range(k, node.i_data, holebegin, 0, true);
  co_return 0;
}

Path<std::int64_t> shmem_fallocate(Kernel& k, file& f, unsigned mode, std::uint64_t offset,
                                   std::uint64_t len) {
  inode& node = *f.f_inode;
  constexpr unsigned known = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE;
  if (mode & ~known) co_return -EOPNOTSUPP;
  co_await down_write(node.i_rwsem);
  std::int64_t error = 0;
  if (mode & FALLOC_FL_PUNCH_HOLE) {
    co_await punch_hole(k, node, offset, len);
  } else {
    error = co_await allocate_range(k, node, mode, offset, len);
  }
  up_write(node.i_rwsem);
  co_return error;
}

}  // namespace faultline
