// Interning: texts live in chunks that never move, found again through an open-addressing table.
#include "trace/symbols.hpp"

#include <xxhash.h>

#include <cstring>
#include <string>

namespace faultline {
namespace {

constexpr std::size_t chunk_size = 64 * 1024;
constexpr std::size_t first_buckets = 1024;

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

}  // namespace

SymbolTable::SymbolTable() : buckets_(first_buckets), statics_(std::size_t{1} << static_bits) {
  intern({});
}

SymbolId SymbolTable::intern(std::string_view text) {
  for (const char c : text) {
    if (!is_control(c)) continue;
    std::string clean(text);
    for (char& d : clean) {
      if (is_control(d)) d = '?';
    }
    return intern(clean);
  }
  const std::size_t mask = buckets_.size() - 1;
  std::size_t at = XXH3_64bits(text.data(), text.size()) & mask;
  for (; buckets_[at] != 0; at = (at + 1) & mask) {
    if (texts_[buckets_[at] - 1] == text) return SymbolId(buckets_[at] - 1);
  }
  const auto id = static_cast<std::uint32_t>(texts_.size());
  texts_.push_back(store(text));
  buckets_[at] = id + 1;
  if (texts_.size() * 2 > buckets_.size()) grow();
  return SymbolId(id);
}

SymbolId SymbolTable::intern_static_slow(const char* text) {
  const auto id = intern(text);
  statics_[slot_of(text)] = {text, id};
  return id;
}

std::string_view SymbolTable::store(std::string_view text) {
  const std::size_t need = text.size() + padding;
  if (left_ < need) {
    const std::size_t size = need > chunk_size ? need : chunk_size;
    chunks_.push_back(std::make_unique<char[]>(size));
    free_ = chunks_.back().get();
    left_ = size;
  }
  char* const at = free_;
  if (!text.empty()) std::memcpy(at, text.data(), text.size());
  // The padding of one text is the next one's room; only the last needs bytes of its own.
  free_ += text.size();
  left_ -= text.size();
  return {at, text.size()};
}

void SymbolTable::grow() {
  std::vector<std::uint32_t> bigger(buckets_.size() * 2);
  const std::size_t mask = bigger.size() - 1;
  for (std::size_t id = 0; id < texts_.size(); ++id) {
    std::size_t at = XXH3_64bits(texts_[id].data(), texts_[id].size()) & mask;
    while (bigger[at] != 0) at = (at + 1) & mask;
    bigger[at] = static_cast<std::uint32_t>(id + 1);
  }
  buckets_ = std::move(bigger);
}

}  // namespace faultline
