// An open-addressing hash table over one block of bytes. Its order is never visible: only the
// numbers are, which follow the order of insertion.
#include "base/interner.hpp"

#include "base/bug.hpp"

namespace faultline {
namespace {

std::uint64_t hash(std::string_view text) {
  std::uint64_t h = 0xcbf29ce484222325ULL;  // FNV-1a
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return h ^ h >> 29;
}

}  // namespace

Interner::Interner() : begin_{0, 0}, table_(64) { table_[slot_of({})] = 1; }

std::size_t Interner::slot_of(std::string_view text) const {
  const std::size_t mask = table_.size() - 1;
  std::size_t slot = hash(text) & mask;
  while (table_[slot] != 0 && view(table_[slot] - 1) != text) slot = (slot + 1) & mask;
  return slot;
}

std::uint32_t Interner::find(std::string_view text) const {
  const std::uint32_t entry = table_[slot_of(text)];
  return entry == 0 ? none : entry - 1;
}

std::uint32_t Interner::intern(std::string_view text) {
  const std::size_t slot = slot_of(text);
  if (table_[slot] != 0) return table_[slot] - 1;
  const std::uint32_t id = size();
  FL_ASSERT(bytes_.size() + text.size() < none && id + 1 < none);
  bytes_.insert(bytes_.end(), text.begin(), text.end());
  begin_.push_back(static_cast<std::uint32_t>(bytes_.size()));
  table_[slot] = id + 1;
  if (begin_.size() * 2 > table_.size()) grow();
  return id;
}

void Interner::grow() {
  table_.assign(table_.size() * 2, 0);
  for (std::uint32_t id = 0; id < size(); ++id) table_[slot_of(view(id))] = id + 1;
}

}  // namespace faultline
