// The records of LineContent: per page a list, newest first, that becomes a table of 64 lists when
// it grows; pages hang in a sparse tree of 1 GiB and 2 MiB nodes. What is empty is given back at
// once, so that dropping a range costs what storing it did.
#include <algorithm>

#include "base/bug.hpp"
#include "machine/line_content.hpp"

namespace faultline {

namespace {
constexpr std::uint64_t LINES_PER_PAGE = 64;
constexpr unsigned line_in_page(std::uint64_t line) { return unsigned(line % LINES_PER_PAGE); }
constexpr std::uint64_t page_of(std::uint64_t line) { return line / LINES_PER_PAGE; }
}  // namespace

std::uint32_t LineContent::slot_value(std::uint64_t page) const {
  const auto& area = areas_[page >> 18];
  if (!area) return 0;
  const auto& region = area->region[(page >> 9) & 511];
  return region ? region->page[page & 511] : 0;
}

std::uint32_t LineContent::first_of(std::uint64_t line) const {
  const std::uint32_t slot = slot_value(page_of(line));
  if (slot & DENSE) return dense_[slot & ~DENSE].line[line_in_page(line)];
  std::uint32_t i = slot;
  while (i != 0 && rec(i).line != line_in_page(line)) i = rec(i).next;
  return i;
}

std::uint32_t LineContent::next_of(std::uint32_t record) const {
  const unsigned line = rec(record).line;
  std::uint32_t i = rec(record).next;
  while (i != 0 && rec(i).line != line) i = rec(i).next;
  return i;
}

void LineContent::add(std::uint64_t line, Record record) {
  const std::uint64_t page = page_of(line);
  auto& area = areas_[page >> 18];
  if (!area) area = std::make_unique<Area>();
  auto& region = area->region[(page >> 9) & 511];
  if (!region) {
    region = std::make_unique<Region>();
    ++area->used;
  }
  std::uint32_t& slot = region->page[page & 511];
  if (slot == 0) ++region->used;
  if (!(slot & DENSE)) {
    unsigned length = 0;
    for (std::uint32_t i = slot; i != 0; i = rec(i).next) ++length;
    if (length >= DENSE_FROM) slot = make_dense(slot);
  }
  std::uint32_t index = free_record_;
  if (index != 0) {
    free_record_ = rec(index).next;
  } else {
    index = next_record_++;
    FL_ASSERT(index < DENSE);
    if ((index >> BLOCK_SHIFT) >= records_.size()) {
      records_.emplace_back(new Record[BLOCK]);  // not cleared: untouched pages cost nothing
    }
  }
  std::uint32_t& head = slot & DENSE ? dense_[slot & ~DENSE].line[line_in_page(line)] : slot;
  if (slot & DENSE) ++dense_[slot & ~DENSE].records;
  record.line = line_in_page(line);
  record.next = head;
  rec(index) = record;
  head = index;
  ++live_;
}

// Moves a page's list into a table of lists; gives the new slot.
std::uint32_t LineContent::make_dense(std::uint32_t head) {
  std::uint32_t index;
  if (free_dense_.empty()) {
    index = std::uint32_t(dense_.size());
    dense_.emplace_back();
  } else {
    index = free_dense_.back();
    free_dense_.pop_back();
    dense_[index] = Dense{};
  }
  Dense& dense = dense_[index];
  std::vector<std::uint32_t> order;
  for (std::uint32_t i = head; i != 0; i = rec(i).next) order.push_back(i);
  for (auto it = order.rbegin(); it != order.rend(); ++it) {  // oldest first keeps the order
    std::uint32_t& line = dense.line[rec(*it).line];
    rec(*it).next = line;
    line = *it;
    ++dense.records;
  }
  return DENSE | index;
}

void LineContent::release(std::uint32_t record) {
  Record& r = rec(record);
  if (Kind(r.kind) == Kind::full) free_full_.push_back(std::uint32_t(r.value));
  r.next = free_record_;
  free_record_ = record;
  --live_;
}

void LineContent::slot_emptied(std::uint64_t page) {
  auto& area = areas_[page >> 18];
  auto& region = area->region[(page >> 9) & 511];
  region->page[page & 511] = 0;
  if (--region->used != 0) return;
  region.reset();
  if (--area->used == 0) area.reset();
}

void LineContent::remove(std::uint64_t line, std::uint32_t record) {
  const std::uint64_t page = page_of(line);
  std::uint32_t& slot = areas_[page >> 18]->region[(page >> 9) & 511]->page[page & 511];
  const bool dense = slot & DENSE;
  std::uint32_t* link = dense ? &dense_[slot & ~DENSE].line[line_in_page(line)] : &slot;
  while (*link != record) link = &rec(*link).next;
  *link = rec(record).next;
  release(record);
  if (dense) {
    if (--dense_[slot & ~DENSE].records != 0) return;
    free_dense_.push_back(slot & ~DENSE);
    slot_emptied(page);
  } else if (slot == 0) {
    slot_emptied(page);
  }
}

void LineContent::drop_line(std::uint64_t line) {
  for (std::uint32_t i = first_of(line); i != 0; i = first_of(line)) remove(line, i);
}

void LineContent::drop_slot(std::uint32_t slot) {
  const auto drop_list = [this](std::uint32_t i) {
    while (i != 0) {
      const std::uint32_t next = rec(i).next;
      release(i);
      i = next;
    }
  };
  if (!(slot & DENSE)) return drop_list(slot);
  for (const std::uint32_t head : dense_[slot & ~DENSE].line) drop_list(head);
  free_dense_.push_back(slot & ~DENSE);
}

void LineContent::drop_pages(std::uint64_t first, std::uint64_t end) {
  for (std::uint64_t page = first; page < end;) {
    const auto& area = areas_[page >> 18];
    if (!area) {
      page = ((page >> 18) + 1) << 18;
      continue;
    }
    const auto& region = area->region[(page >> 9) & 511];
    if (!region) {
      page = ((page >> 9) + 1) << 9;
      continue;
    }
    if (const std::uint32_t slot = region->page[page & 511]; slot != 0) {
      drop_slot(slot);
      slot_emptied(page);
    }
    ++page;
  }
}

}  // namespace faultline
