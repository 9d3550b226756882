// Changing a data fork: adding, converting, removing mappings, in the map and in the tree.
// linux 6.12 fs/xfs/libxfs/xfs_bmap.c. Each case touches the tree's records in the kernel's order,
// because that order decides which tree blocks are locked when.
#include "base/bug.hpp"
#include "kernel/fs/xfs/xfs_bmap_fork.hpp"
#include "kernel/fs/xfs/xfs_delalloc.hpp"

namespace faultline::xfs {

BmbtCursor& ForkEdit::cursor() {
  if (!cur_) cur_.emplace(fork_.bmbt, space_, tp_.bufs);
  return *cur_;
}

void ForkEdit::find(const Extent& e) {
  if (!fork_.btree) return;
  const bool found = cursor().lookup_eq(e.off);
  FL_ASSERT(found);
}
void ForkEdit::bt_update(const Extent& e) {
  if (fork_.btree) cursor().update(PackedExtent(e));
}
bool ForkEdit::bt_insert(const Extent& e) {
  return !fork_.btree || cursor().insert(PackedExtent(e));
}
void ForkEdit::insert_absent(const Extent& e) {
  if (!fork_.btree) return;
  const bool found = cursor().lookup_eq(e.off);
  FL_ASSERT(!found);
  const bool done = cursor().insert(PackedExtent(e));
  FL_ASSERT(done);  // the caller left minleft blocks for it
}
void ForkEdit::bt_delete() {
  if (!fork_.btree) return;
  const bool done = cursor().remove();
  FL_ASSERT(done);
}
void ForkEdit::bt_prev() {
  if (!fork_.btree) return;
  const bool ok = cursor().decrement();
  FL_ASSERT(ok);
}
void ForkEdit::bt_next() {
  if (!fork_.btree) return;
  const bool ok = cursor().increment();
  FL_ASSERT(ok);
}

/// Neighbours that `range` would merge with; all three must fit into one record for both to.
ForkEdit::Around ForkEdit::around(const Extent& range, ExtentMap::Cursor left_of, bool at_start,
                                  bool at_end, const std::optional<Extent>& right) const {
  Around near;
  if (at_start) {
    near.left = fork_.map.peek_prev(left_of);
    if (near.left && !contiguous(*near.left, range)) near.left.reset();
  }
  if (at_end && right && contiguous(range, *right)) near.right = right;
  if (near.left && near.right &&
      std::uint64_t(near.left->len) + range.len + near.right->len > max_extlen) {
    near.right.reset();
  }
  return near;
}

void ForkEdit::add_extent_hole_real(const Extent& added) {
  ExtentMap& map = fork_.map;
  ExtentMap::Cursor c = map.lookup(added.off);
  const auto got = map.get(c);
  FL_ASSERT(!got || got->off >= added.end());
  const Around near = around(added, c, true, true, got);
  Extent whole = added;
  if (near.left)
    whole = {near.left->off, near.left->start, near.left->len + added.len, added.state};
  if (near.right) whole.len += near.right->len;

  if (near.left && near.right) {
    map.remove(c);
    map.prev(c);
    map.update(c, whole);
    --fork_.nextents;
    find(*near.right);
    bt_delete();
    bt_prev();
    bt_update(whole);
  } else if (near.left) {
    map.prev(c);
    map.update(c, whole);
    find(*near.left);
    bt_update(whole);
  } else if (near.right) {
    map.update(c, whole);
    find(*near.right);
    bt_update(whole);
  } else {
    map.insert(c, added);
    ++fork_.nextents;
    insert_absent(added);
  }
  fork_.nblocks += added.len;
  fix_format();
}

void ForkEdit::add_extent_unwritten_real(const Extent& range) {
  const ExtentMap::Cursor c = fork_.map.lookup(range.off);
  const auto old = fork_.map.get(c);
  FL_ASSERT(old && old->off <= range.off && old->end() >= range.end() && !old->delalloc());
  FL_ASSERT(old->state != range.state && old->start + (range.off - old->off) == range.start);
  const bool at_start = old->off == range.off;
  const bool at_end = old->end() == range.end();
  const Around near = around(range, c, at_start, at_end, fork_.map.peek_next(c));
  if (at_start && at_end) {
    convert_whole(c, *old, near, range);
  } else if (at_start) {
    convert_front(c, *old, near, range);
  } else if (at_end) {
    convert_back(c, *old, near, range);
  } else {
    convert_middle(c, *old, range);
  }
  fix_format();
}

void ForkEdit::convert_whole(ExtentMap::Cursor c, const Extent& old, const Around& near,
                             Extent range) {
  ExtentMap& map = fork_.map;
  if (near.right) {
    range.len += near.right->len;
    ExtentMap::Cursor right = c;
    map.next(right);
    map.remove(right);
    --fork_.nextents;
    find(*near.right);
    bt_delete();
    bt_prev();
  }
  if (near.left) {
    range = {near.left->off, near.left->start, near.left->len + range.len, range.state};
    map.remove(c);
    map.prev(c);
    --fork_.nextents;
    if (!near.right) find(old);
    bt_delete();
    bt_prev();
  } else if (!near.right) {
    find(old);
  }
  map.update(c, range);
  bt_update(range);
}

/// The first part changes: it joins the left neighbour or becomes a mapping of its own.
void ForkEdit::convert_front(ExtentMap::Cursor c, const Extent& old, const Around& near,
                             Extent range) {
  ExtentMap& map = fork_.map;
  const Extent rest{range.end(), old.start + range.len, old.len - range.len, old.state};
  map.update(c, rest);
  find(old);
  bt_update(rest);
  if (near.left) {
    const Extent left{near.left->off, near.left->start, near.left->len + range.len, range.state};
    map.prev(c);
    map.update(c, left);
    bt_prev();
    bt_update(left);
    return;
  }
  map.insert(c, range);
  ++fork_.nextents;
  const bool done = bt_insert(range);
  FL_ASSERT(done);
}

void ForkEdit::convert_back(ExtentMap::Cursor c, const Extent& old, const Around& near,
                            Extent range) {
  ExtentMap& map = fork_.map;
  const Extent rest{old.off, old.start, old.len - range.len, old.state};
  map.update(c, rest);
  find(old);
  bt_update(rest);
  map.next(c);
  if (near.right) {
    const Extent right{range.off, range.start, range.len + near.right->len, range.state};
    map.update(c, right);
    bt_next();
    bt_update(right);
    return;
  }
  map.insert(c, range);
  ++fork_.nextents;
  insert_absent(range);
}

void ForkEdit::convert_middle(ExtentMap::Cursor c, const Extent& old, Extent range) {
  ExtentMap& map = fork_.map;
  const auto front_len = ExtLen(range.off - old.off);
  const Extent front{old.off, old.start, front_len, old.state};
  const Extent back{range.end(), range.start + range.len, old.len - front_len - range.len,
                    old.state};
  map.update(c, back);
  map.insert(c, range);
  map.insert(c, front);
  fork_.nextents += 2;
  find(old);
  bt_update(back);
  const bool done = bt_insert(front);
  FL_ASSERT(done);
  insert_absent(range);
}

/// Cuts [off, end) out of `got`. False if that made two of one and the tree had no block for it.
bool ForkEdit::del_extent(ExtentMap::Cursor c, const Extent& got, std::uint64_t off,
                          std::uint64_t end) {
  ExtentMap& map = fork_.map;
  if (got.delalloc()) {  // xfs_bmap_del_extent_delay(): nothing of it is on disk
    unreserved_ += end - off + xfs_bmap_cut_delay(fs_.geo, map, c, off, end);
    return true;
  }
  const auto front_len = ExtLen(off - got.off);
  const auto back_len = ExtLen(got.end() - end);
  const auto block_at = [&](std::uint64_t o) { return got.start + (o - got.off); };
  const Extent front{got.off, got.start, front_len, got.state};
  const Extent back{end, block_at(end), back_len, got.state};
  if (front_len == 0 && back_len == 0) {
    map.remove(c);
    find(got);
    bt_delete();
    --fork_.nextents;
  } else if (front_len == 0 || back_len == 0) {
    const Extent& rest = front_len == 0 ? back : front;
    map.update(c, rest);
    find(got);
    bt_update(rest);
  } else {
    find(got);
    bt_update(front);
    if (fork_.btree) cursor().increment();
    if (!bt_insert(back)) {
      find(front);
      bt_update(got);
      return false;
    }
    map.update(c, front);
    map.next(c);
    map.insert(c, back);
    ++fork_.nextents;
  }
  if (on_unmap != OnUnmap::keep) {
    DeferItem item = DeferItem::extent(DeferKind::free, block_at(off), ExtLen(end - off));
    if (on_unmap == OnUnmap::drop_reference) {
      item.kind = DeferKind::refcount;
      item.op = DeferOp::refcount_decrease;
    }
    tp_.deferred.push_back(item);
  }
  removed_.push_back({off, block_at(off), ExtLen(end - off), got.state});
  fork_.nblocks -= end - off;
  return true;
}

bool ForkEdit::bunmapi(std::uint64_t off, std::uint64_t end, unsigned max_extents) {
  ExtentMap& map = fork_.map;
  removed_.reserve(std::min(max_extents, 4u));
  while (end > off && max_extents > 0) {
    // The last mapping that begins before `end`.
    ExtentMap::Cursor c = map.lookup(end);
    auto got = map.get(c);
    if (!got || got->off >= end) got = map.prev(c);
    if (!got || got->end() <= off) break;
    const std::uint64_t from = std::max(off, got->off);
    if (!del_extent(c, *got, from, std::min(end, got->end()))) {
      no_space_ = true;
      break;
    }
    end = from;
    --max_extents;
  }
  fix_format();
  if (no_space_) return false;
  const auto left = map.get(map.lookup(off));
  return !left || left->off >= end;
}

}  // namespace faultline::xfs
