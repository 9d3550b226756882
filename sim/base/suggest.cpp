// Edit distance with transpositions of neighbours (optimal string alignment), three rows at a time,
// cut off for long words: a suggestion that far away helps nobody.
#include "base/suggest.hpp"

#include <algorithm>
#include <vector>

namespace faultline {
namespace {

constexpr std::size_t longest = 64;
constexpr std::size_t most_candidates = 4096;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool same = lower(a[i - 1]) == lower(b[j - 1]);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1)});
      if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
          lower(a[i - 2]) == lower(b[j - 1])) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

template <class Word>
std::string nearest(std::string_view word, std::span<const Word> known) {
  if (word.empty() || word.size() > longest) return {};
  std::size_t best = std::max<std::size_t>(1, word.size() / 3) + 1;
  std::string_view found;
  for (const Word& each : known.first(std::min(known.size(), most_candidates))) {
    const std::string_view candidate = each;
    const std::size_t gap = candidate.size() > word.size() ? candidate.size() - word.size()
                                                           : word.size() - candidate.size();
    if (gap >= best || candidate.empty()) continue;
    const std::size_t d = distance(word, candidate);
    if (d < best && d < candidate.size()) {
      best = d;
      found = candidate;
    }
  }
  return std::string(found);
}

std::string as_question(std::string found) {
  return found.empty() ? std::string() : "; did you mean " + std::move(found) + "?";
}

}  // namespace

std::string nearest_word(std::string_view word, std::span<const std::string> known) {
  return nearest(word, known);
}

std::string nearest_word(std::string_view word, std::span<const std::string_view> known) {
  return nearest(word, known);
}

std::string did_you_mean(std::string_view word, std::span<const std::string> known) {
  return as_question(nearest(word, known));
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> known) {
  return as_question(nearest(word, known));
}

}  // namespace faultline
