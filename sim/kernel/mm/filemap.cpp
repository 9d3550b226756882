// Folios of a file: look-up, insertion, dirtying. Linux 6.12 mm/filemap.c (__filemap_add_folio) and
// mm/page-writeback.c (filemap_dirty_folio).
#include "kernel/mm/filemap.hpp"

#include "kernel/fs/inode.hpp"

namespace faultline {

folio* filemap_get_folio(Kernel& k, address_space& mapping, std::uint64_t index) {
  const XaEntry entry = mapping.i_pages.load(index);
  return entry == 0 ? nullptr : &k.folios.at(entry);
}

static folio* make_folio(Kernel& k, address_space& mapping, std::uint64_t index, unsigned order) {
  const std::optional<Pfn> pfn = k.frames.alloc_folio(order);
  return pfn ? &k.folios.make(&mapping, index, *pfn, order) : nullptr;
}

static void insert_folio(address_space& mapping, const folio& f) {
  mapping.i_pages.store(f.index, f.order, folio_entry(f));
  mapping.nrpages += f.pages();
}

Path<folio*> filemap_add_folio(Kernel& k, address_space& mapping, std::uint64_t index,
                               unsigned order) {
  k.engine.charge(k.costs.page_alloc);
  if (k.inject.fails(FailPoint::filemap_add_folio)) co_return nullptr;
  folio* const f = make_folio(k, mapping, index, order);
  if (!f) co_return nullptr;
  folio_trylock(k, *f);
  co_await spin_lock(mapping.xa_lock);
  std::uint64_t where = 0;
  const bool taken = mapping.i_pages.find(index, index + f->pages() - 1, &where) != 0;
  if (!taken) insert_folio(mapping, *f);
  spin_unlock(mapping.xa_lock);
  if (taken) {
    folio_unlock(k, *f);
    k.frames.free_folio(f->pfn, order);
    k.folios.drop(*f);
    co_return nullptr;
  }
  k.trace<Event::mm_filemap_add_to_page_cache>(mapping.host->i_sb->s_dev, mapping.host->i_ino,
                                               f->pfn, index << PAGE_SHIFT, order);
  co_return f;
}

folio* filemap_declare_folio(Kernel& k, address_space& mapping, std::uint64_t index,
                             unsigned order) {
  folio* const f = make_folio(k, mapping, index, order);
  if (!f) return nullptr;
  f->uptodate = true;
  insert_folio(mapping, *f);
  return f;
}

HelperPath<bool> filemap_dirty_folio(Kernel& k, folio& f) {
  if (f.dirty) co_return false;
  f.dirty = true;
  if (!f.mapping) co_return true;  // a driver's page: there is nothing to write it back to
  address_space& mapping = *f.mapping;
  co_await spin_lock(mapping.xa_lock);
  mapping.i_pages.set_mark(f.index, f.order, XaMark::dirty);
  spin_unlock(mapping.xa_lock);
  __mark_inode_dirty_pages(k, *mapping.host);
  co_return true;
}

HelperPath<bool> folio_mark_dirty(Kernel& k, folio& f) {
  const address_space_operations* const ops = f.mapping ? f.mapping->a_ops : nullptr;
  const bool was_clean = ops && ops->dirty_folio ? co_await ops->dirty_folio(k, f)
                                                 : co_await filemap_dirty_folio(k, f);
  co_return was_clean;
}

}  // namespace faultline
