// Equal strings become equal small numbers. Used where a document has millions of strings of which
// few are different, and where names are compared often. Numbers are given in order of first
// sight, so they depend on the input alone.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace faultline {

class Interner {
 public:
  static constexpr std::uint32_t none = 0xffff'ffff;

  Interner();

  /// The number of `text`, a new one if it is new. Number 0 is the empty string.
  std::uint32_t intern(std::string_view text);

  /// The number of `text`, or `none` if it was never interned.
  std::uint32_t find(std::string_view text) const;

  std::string_view view(std::uint32_t id) const {
    return {bytes_.data() + begin_[id], begin_[id + 1] - begin_[id]};
  }
  std::uint32_t size() const { return static_cast<std::uint32_t>(begin_.size() - 1); }

 private:
  std::size_t slot_of(std::string_view text) const;
  void grow();

  std::vector<char> bytes_;
  std::vector<std::uint32_t> begin_;  // string n is bytes_[begin_[n], begin_[n + 1])
  std::vector<std::uint32_t> table_;  // open addressing: number + 1, 0 is free; size a power of 2
};

}  // namespace faultline
