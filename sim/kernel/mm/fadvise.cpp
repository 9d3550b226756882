// Advice about the reading of a file. Linux 6.12 mm/fadvise.c generic_fadvise. A file without page
// cache to read ahead into (DAX, tmpfs) takes any advice that there is, and nothing comes of it.
// Left out: random access, reading ahead at once and dropping of pages, which are findings.
#include "kernel/mm/fadvise.hpp"

#include <cerrno>

#include "kernel/fs/open.hpp"

namespace faultline {

namespace {

enum Advice : std::uint64_t { normal, random, sequential, willneed, dontneed, noreuse };

std::int64_t generic_fadvise(Kernel& k, file& f, std::int64_t len, std::uint64_t advice) {
  inode& host = *f.f_inode;
  if (host.type == InodeType::pipe) return -ESPIPE;
  if (len < 0 || advice > noreuse) return -EINVAL;
  if (host.dax || !host.i_data.a_ops) return 0;
  const std::uint64_t usual = file_ra_state{}.ra_pages;
  switch (advice) {
    case normal:
      f.f_ra.ra_pages = usual;
      return 0;
    case sequential:
      f.f_ra.ra_pages = usual * 2;
      return 0;
    case noreuse:
      return 0;
    default:
      k.unmodelled("this advice to posix_fadvise for a file of the page cache; nothing is done");
      return 0;
  }
}

}  // namespace

Path<std::int64_t> ksys_fadvise64_64(Kernel& k, std::int64_t fd, std::uint64_t, std::uint64_t len,
                                     std::uint64_t advice) {
  co_await k.engine.spend(Nanos{});
  file* const f = fget(k, fd);
  if (!f) co_return -EBADF;
  const std::int64_t result = generic_fadvise(k, *f, static_cast<std::int64_t>(len), advice);
  fput(k, *f);
  co_return result;
}

}  // namespace faultline
