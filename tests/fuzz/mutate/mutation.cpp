// The mutations: bytes, ranges, words, numbers, and pieces of other seeds.
#include "mutate/mutation.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace faultline::fuzz {
namespace {

constexpr auto words =
    std::to_array<std::string_view>({"{",
                                     "}",
                                     "[",
                                     "]",
                                     ",",
                                     ":",
                                     "\"",
                                     "\\",
                                     "\\u0000",
                                     "\\ud800",
                                     "null",
                                     "true",
                                     "-1",
                                     "0",
                                     "1e999",
                                     "1.5",
                                     "9223372036854775807",
                                     "9223372036854775808",
                                     "18446744073709551615",
                                     "18446744073709551616",
                                     "\"0xffffffffffffffff\"",
                                     "\"16EiB\"",
                                     "\"4KiB\"",
                                     "\"-4KiB\"",
                                     "\"map+4KiB\"",
                                     "\"repeat\": {\"times\": 99999999999, \"steps\": []}",
                                     "\"after\": []",
                                     "\n",
                                     "\r\n",
                                     "\t",
                                     "\xff",
                                     "\xc3\x28",
                                     "# faultline: ",
                                     "# faultline: end outcome=completed records=1",
                                     "[000]",
                                     "d..1.",
                                     ".....",
                                     "CPU:0 [LOST 5 EVENTS]",
                                     "<...>-1 ",
                                     "0.000000000: ",
                                     "lock_acquire: ",
                                     "sim_step: a.b load",
                                     "0x",
                                     "+0x1/0x2 [xfs]",
                                     "%p",
                                     "(null)",
                                     "|"});

struct Range {
  std::size_t at;
  std::size_t size;
};

Range any_range(const std::string& text, Rng& rng, std::size_t most) {
  if (text.empty()) return {0, 0};
  const auto at = rng.below(text.size());
  return {at, std::min(text.size() - at, 1 + rng.below(most))};
}

// The first run of digits at or after a random place gets another value.
void change_number(std::string& text, Rng& rng) {
  const auto at = text.find_first_of("0123456789", any_range(text, rng, 1).at);
  if (at == std::string::npos) return;
  const auto end = std::min(text.find_first_not_of("0123456789", at), text.size());
  const auto value = rng.next() >> rng.below(64);
  text.replace(at, end - at, std::to_string(value));
}

}  // namespace

std::string Mutator::input(std::uint64_t round) const {
  if (round < seeds_.size()) return seeds_[round];
  Rng rng(round);
  std::string text = seeds_[rng.below(seeds_.size())];
  for (auto n = 1 + rng.below(6); n > 0; --n) mutate(text, rng);
  return text;
}

void Mutator::mutate(std::string& text, Rng& rng) const {
  const auto range = any_range(text, rng, 64);
  switch (rng.below(9)) {
    case 0:
      if (!text.empty()) text[range.at] = static_cast<char>(rng.below(256));
      break;
    case 1:
      text.erase(range.at, range.size);
      break;
    case 2:
      text.insert(range.at, text.substr(range.at, range.size));
      break;
    case 3:
      text.insert(range.at, words[rng.below(words.size())]);
      break;
    case 4:
      text.replace(range.at, range.size, words[rng.below(words.size())]);
      break;
    case 5:
      change_number(text, rng);
      break;
    case 6:
      text.resize(range.at);
      break;
    case 7: {
      const auto& other = seeds_[rng.below(seeds_.size())];
      const auto piece = any_range(other, rng, 512);
      text.insert(range.at, other.substr(piece.at, piece.size));
      break;
    }
    default: {
      const auto from = any_range(text, rng, 512);
      text.insert(range.at, text.substr(from.at, from.size));
      break;
    }
  }
}

}  // namespace faultline::fuzz
