// Starting write-back of a range. Linux 6.12 mm/filemap.c file_write_and_wait_range,
// filemap_fdatawrite_wbc; mm/page-writeback.c do_writepages. A DAX file has nothing to wait for
// afterwards. Left out: the page cache of other files.
#include "kernel/fs/dax.hpp"
#include "kernel/mm/filemap.hpp"

namespace faultline {

Path<std::int64_t> filemap_write_and_wait_range(Kernel& k, address_space& mapping,
                                                std::uint64_t start, std::uint64_t end) {
  return file_write_and_wait_range(k, mapping, start, end);
}

Path<std::int64_t> file_write_and_wait_range(Kernel& k, address_space& mapping, std::uint64_t start,
                                             std::uint64_t end) {
  if (end < start || mapping.nrpages == 0) co_return 0;
  if (!mapping.i_pages.marked(XaMark::dirty)) co_return 0;
  if (!mapping.host->dax) {
    k.unmodelled("write-back of the page cache; its dirty pages stay dirty");
    co_return 0;
  }
  const std::int64_t error = co_await dax_writeback_mapping_range(k, mapping, start, end);
  co_return error;
}

}  // namespace faultline
