// Write-back of a range and the wait for it. Linux 6.12 mm/filemap.c (file_write_and_wait_range,
// filemap_fdatawait_range) and mm/page-writeback.c (do_writepages, tag_pages_for_writeback,
// folio_prepare_writeback, folio_clear_dirty_for_io). A DAX file has nothing to wait for. Left out:
// accounting of dirty pages.
#include "kernel/fs/dax.hpp"
#include "kernel/mm/filemap.hpp"
#include "kernel/mm/rmap.hpp"

namespace faultline {

Path<std::int64_t> filemap_write_and_wait_range(Kernel& k, address_space& mapping,
                                                std::uint64_t start, std::uint64_t end) {
  return file_write_and_wait_range(k, mapping, start, end);
}

folio* next_folio(Kernel& k, const address_space& mapping, std::uint64_t* index,
                  std::uint64_t last) {
  std::uint64_t where = 0;
  const XaEntry entry = *index > last ? 0 : mapping.i_pages.find(*index, last, &where);
  if (entry == 0) return nullptr;
  folio& f = k.folios.at(entry);
  *index = f.index + f.pages();
  return &f;
}

Path<void> tag_pages_for_writeback(Kernel& k, address_space& mapping, std::uint64_t index,
                                   std::uint64_t last) {
  co_await spin_lock(mapping.xa_lock);
  while (const folio* const f = next_folio(k, mapping, &index, last)) {
    if (!mapping.i_pages.get_mark(f->index, XaMark::dirty)) continue;
    mapping.i_pages.set_mark(f->index, f->order, XaMark::towrite);
  }
  spin_unlock(mapping.xa_lock);
}

folio* next_tagged_folio(Kernel& k, const address_space& mapping, std::uint64_t* index,
                         std::uint64_t last) {
  while (folio* const f = next_folio(k, mapping, index, last)) {
    if (mapping.i_pages.get_mark(f->index, XaMark::towrite)) return f;
  }
  return nullptr;
}

Path<bool> folio_prepare_writeback(Kernel& k, address_space& mapping, folio& f) {
  if (f.mapping != &mapping || !f.dirty) co_return false;
  co_await folio_wait_writeback(k, f);
  // folio_clear_dirty_for_io(): from here on a store through a mapping faults again.
  co_await folio_mkclean(k, f);
  const bool was_dirty = f.dirty;
  f.dirty = false;
  co_return was_dirty;
}

static Path<void> filemap_fdatawait_range(Kernel& k, address_space& mapping, std::uint64_t index,
                                          std::uint64_t last) {
  while (folio* const f = next_folio(k, mapping, &index, last)) {
    if (!folio_test_writeback(k, *f)) continue;
    folio_get(*f);
    co_await folio_wait_writeback(k, *f);
    folio_put(k, *f);
  }
}

void mapping_set_error(address_space& mapping, std::int64_t error) {
  mapping.wb_err = error;
  ++mapping.wb_seq;
}

std::int64_t file_check_and_advance_wb_err(file& f) {
  const address_space& mapping = f.f_inode->i_data;
  if (f.f_wb_seq == mapping.wb_seq) return 0;
  f.f_wb_seq = mapping.wb_seq;
  return mapping.wb_err;
}

Path<std::int64_t> file_write_and_wait_range(Kernel& k, address_space& mapping, std::uint64_t start,
                                             std::uint64_t end) {
  if (end < start || mapping.nrpages == 0) co_return 0;
  const bool dirty = mapping.i_pages.marked(XaMark::dirty);
  if (mapping.host->dax) {
    if (!dirty) co_return 0;
    const std::int64_t error = co_await dax_writeback_mapping_range(k, mapping, start, end);
    co_return error;
  }
  if (!mapping.a_ops) co_return 0;  // nothing is behind the pages
  std::int64_t error = 0;
  writeback_control wbc;
  wbc.range_start = start;
  wbc.range_end = end;
  if (dirty) error = co_await mapping.a_ops->writepages(k, mapping, wbc);
  co_await filemap_fdatawait_range(k, mapping, start >> PAGE_SHIFT, end >> PAGE_SHIFT);
  co_return error;
}

}  // namespace faultline
