// The strings of one run: interned once, named by small numbers in order of first sight, so that a
// record is plain words and equal runs give equal numbers. Not thread safe; one per World.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "trace/record.hpp"

namespace faultline {

/// Interned strings. Id 0 is always the empty string.
class SymbolTable {
 public:
  SymbolTable();
  SymbolTable(const SymbolTable&) = delete;
  SymbolTable& operator=(const SymbolTable&) = delete;

  /// The id of `text`, new or known. Control characters become `?`: a symbol is one line's part.
  SymbolId intern(std::string_view text);

  /// The id of a string that lives and stays unchanged as long as the table, such as a literal or
  /// __builtin_FUNCTION(): known again by its address alone.
  SymbolId intern_static(const char* text) {
    const auto& slot = statics_[slot_of(text)];
    return slot.key == text ? slot.id : intern_static_slow(text);
  }

  /// The string of an id; empty for an id that was never given out.
  std::string_view text(SymbolId id) const {
    return id.v < texts_.size() ? texts_[id.v] : std::string_view{};
  }

  /// How many ids exist, including the empty string.
  std::size_t size() const { return texts_.size(); }

  /// That many readable bytes follow each text's end, so that it may be copied in wide steps.
  static constexpr std::size_t padding = 32;

 private:
  struct StaticSlot {
    const char* key = nullptr;
    SymbolId id;
  };
  static constexpr unsigned static_bits = 11;

  static std::size_t slot_of(const char* text) {
    // An address only picks a slot of the cache; ids come from the text.
    const auto address = reinterpret_cast<std::uintptr_t>(text);  // not in output: a slot
    return (address * 0x9e3779b97f4a7c15ULL) >> (64 - static_bits);
  }
  SymbolId intern_static_slow(const char* text);
  std::string_view store(std::string_view text);
  void grow();

  std::vector<std::string_view> texts_;
  std::vector<std::uint32_t> buckets_;  ///< open addressing; id + 1, 0 is free
  std::vector<StaticSlot> statics_;     ///< direct-mapped cache; never decides an id
  std::vector<std::unique_ptr<char[]>> chunks_;
  char* free_ = nullptr;
  std::size_t left_ = 0;
};

}  // namespace faultline
