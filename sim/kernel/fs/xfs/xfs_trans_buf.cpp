// Book-keeping of the buffers of one transaction. linux 6.12 fs/xfs/xfs_trans_buf.c.
#include "kernel/fs/xfs/xfs_trans_buf.hpp"

#include <algorithm>
#include <utility>

#include "base/bug.hpp"

namespace faultline::xfs {

const char* name_of(BufKind kind) {
  switch (kind) {
    case BufKind::agf:
      return "agf";
    case BufKind::agi:
      return "agi";
    case BufKind::agfl:
      return "agfl";
    case BufKind::bnobt:
      return "bnobt";
    case BufKind::cntbt:
      return "cntbt";
    case BufKind::refcountbt:
      return "refcountbt";
    case BufKind::rmapbt:
      return "rmapbt";
    case BufKind::inode:
      return "inode";
    case BufKind::inobt:
      return "inobt";
    case BufKind::bmbt:
      return "bmbt";
    case BufKind::sb:
      return "sb";
  }
  FL_BUG("a buffer of no known kind");
}

std::size_t TransBufs::find(Daddr daddr) const {
  std::size_t i = std::min<std::size_t>(before_[hash(daddr)], items_.size());
  while (i > 0) {
    if (items_[--i].daddr == daddr) return i;
  }
  return items_.size();
}

void TransBufs::join(BufKind kind, Daddr daddr) {
  items_.push_back({kind, false, 1, daddr});
  before_[hash(daddr)] = static_cast<std::uint32_t>(items_.size());
}

void TransBufs::read(BufKind kind, Daddr daddr) {
  if (const auto i = find(daddr); i < items_.size()) {
    ++items_[i].readers;
    items_[i].kind = kind;  // a block freed by one tree may come back as another's
    return;
  }
  join(kind, daddr);
  steps_.push_back({BufAction::lock, kind, daddr});
}

void TransBufs::adopt(BufKind kind, Daddr daddr) {
  FL_ASSERT(!holds(daddr));
  join(kind, daddr);
}

void TransBufs::log(Daddr daddr) {
  const auto i = find(daddr);
  FL_ASSERT(i < items_.size());
  if (items_[i].dirty) return;
  items_[i].dirty = true;
  steps_.push_back({BufAction::dirty, items_[i].kind, daddr});
}

void TransBufs::brelse(Daddr daddr) {
  const auto i = find(daddr);
  FL_ASSERT(i < items_.size());
  Item& item = items_[i];
  if (item.readers > 1) {
    --item.readers;
    return;
  }
  if (item.dirty) return;  // a dirty buffer stays locked until commit
  steps_.push_back({BufAction::unlock, item.kind, daddr});
  items_.erase(items_.begin() + std::ptrdiff_t(i));
}

void TransBufs::binval(Daddr daddr) { log(daddr); }

bool TransBufs::dirty(Daddr daddr) const {
  const auto i = find(daddr);
  return i < items_.size() && items_[i].dirty;
}

bool TransBufs::any_dirty() const {
  for (const Item& item : items_) {
    if (item.dirty) return true;
  }
  return false;
}

const std::vector<BufStep>& TransBufs::take_steps() {
  taken_.clear();
  std::swap(taken_, steps_);
  return taken_;
}

const std::vector<BufStep>& TransBufs::commit() {
  FL_ASSERT(steps_.empty());
  taken_.clear();
  for (const Item& item : items_) taken_.push_back({BufAction::unlock, item.kind, item.daddr});
  items_.clear();
  before_ = {};
  return taken_;
}

}  // namespace faultline::xfs
