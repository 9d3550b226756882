// E. Myers, "An O(ND) Difference Algorithm and Its Variations" (1986), the greedy form, with the
// number of differences bounded; beyond the bound the range is split at elements that occur once
// on both sides and stand in the same order there (B. Cohen's patience diff), and a range without
// such an element counts as replaced.
#include "analysis/trace_diff_match.hpp"

#include <algorithm>
#include <optional>

namespace faultline {
namespace {

using Keys = std::span<const std::uint64_t>;

/// A part of both sequences that is still to be compared.
struct Range {
  std::size_t a, a_end, b, b_end;
};

/// What all searches together may cost before they get a small bound: some seconds.
constexpr std::size_t work_limit = 400'000'000;
constexpr std::size_t small_bound = 32;

class Matcher {
 public:
  Matcher(Keys a, Keys b, std::size_t bound) : a_(a), b_(b), bound_(bound) {}

  std::vector<MatchBlock> run() {
    std::vector<Range> todo{{0, a_.size(), 0, b_.size()}};
    while (!todo.empty()) {
      const auto range = todo.back();
      todo.pop_back();
      compare(range, todo);
    }
    return merged();
  }

 private:
  void add(std::size_t a, std::size_t b, std::size_t length) {
    if (length > 0) blocks_.push_back({a, b, length});
  }

  void compare(Range range, std::vector<Range>& todo) {
    std::size_t equal = 0;
    while (range.a < range.a_end && range.b < range.b_end && a_[range.a] == b_[range.b]) {
      ++range.a, ++range.b, ++equal;
    }
    add(range.a - equal, range.b - equal, equal);
    equal = 0;
    while (range.a < range.a_end && range.b < range.b_end &&
           a_[range.a_end - 1] == b_[range.b_end - 1]) {
      --range.a_end, --range.b_end, ++equal;
    }
    add(range.a_end, range.b_end, equal);
    if (range.a == range.a_end || range.b == range.b_end) return;
    const std::size_t bound = work_ < work_limit ? bound_ : std::min(bound_, small_bound);
    if (!shortest(range, bound)) split(range, todo);
  }

  /// Myers: adds the blocks of the shortest edit script, unless it is longer than the bound.
  bool shortest(const Range& range, std::size_t bound) {
    const auto n = static_cast<std::int64_t>(range.a_end - range.a);
    const auto m = static_cast<std::int64_t>(range.b_end - range.b);
    const auto limit = std::min<std::int64_t>(n + m, static_cast<std::int64_t>(bound));
    std::vector<std::vector<std::int64_t>> rows;  // rows[d][k + d]: furthest x on diagonal k
    const auto at = [&](std::int64_t d, std::int64_t k) { return rows[d][k + d]; };
    for (std::int64_t d = 0; d <= limit; ++d) {
      rows.emplace_back(2 * d + 1);
      for (std::int64_t k = -d; k <= d; k += 2) {
        std::int64_t x = 0;
        if (d > 0) {
          const bool down = k == -d || (k != d && at(d - 1, k - 1) < at(d - 1, k + 1));
          x = down ? at(d - 1, k + 1) : at(d - 1, k - 1) + 1;
        }
        const std::int64_t start = x;
        while (x < n && x - k < m && x - k >= 0 && a_[range.a + x] == b_[range.b + x - k]) ++x;
        rows[d][k + d] = x;
        work_ += static_cast<std::size_t>(x - start) + 1;
        if (x >= n && x - k >= m) {
          trace_back(range, rows, d, k);
          return true;
        }
      }
    }
    return false;
  }

  void trace_back(const Range& range, const std::vector<std::vector<std::int64_t>>& rows,
                  std::int64_t d, std::int64_t k) {
    for (std::int64_t x = rows[d][k + d];; --d) {
      std::int64_t from = 0;  // x after the edit that led to this diagonal
      std::int64_t next_k = k;
      std::int64_t next_x = 0;
      if (d > 0) {
        const auto& above = rows[d - 1];
        const auto at = [&](std::int64_t diagonal) { return above[diagonal + d - 1]; };
        const bool down = k == -d || (k != d && at(k - 1) < at(k + 1));
        next_k = down ? k + 1 : k - 1;
        next_x = at(next_k);
        from = down ? next_x : next_x + 1;
      }
      add(range.a + from, range.b + from - k, static_cast<std::size_t>(x - from));
      if (d == 0) return;
      x = next_x;
      k = next_k;
    }
  }

  struct Once {
    std::size_t a, b;
  };

  /// Elements that occur once in each side of the range, by their place in `a`.
  std::vector<Once> unique_in_both(const Range& range) const {
    const auto order = [](Keys keys, std::size_t begin, std::size_t end) {
      std::vector<std::size_t> index(end - begin);
      for (std::size_t i = 0; i < index.size(); ++i) index[i] = begin + i;
      std::sort(index.begin(), index.end(), [&](std::size_t x, std::size_t y) {
        return keys[x] != keys[y] ? keys[x] < keys[y] : x < y;
      });
      return index;
    };
    const auto in_a = order(a_, range.a, range.a_end);
    const auto in_b = order(b_, range.b, range.b_end);
    std::vector<Once> found;
    std::size_t j = 0;
    for (std::size_t i = 0; i < in_a.size();) {
      const auto key = a_[in_a[i]];
      std::size_t next = i + 1;
      while (next < in_a.size() && a_[in_a[next]] == key) ++next;
      while (j < in_b.size() && b_[in_b[j]] < key) ++j;
      const bool here = j < in_b.size() && b_[in_b[j]] == key;
      const bool twice = j + 1 < in_b.size() && b_[in_b[j + 1]] == key;
      if (next == i + 1 && here && !twice) found.push_back({in_a[i], in_b[j]});
      i = next;
    }
    std::sort(found.begin(), found.end(), [](auto& x, auto& y) { return x.a < y.a; });
    return found;
  }

  /// The longest chain of anchors that ascends on both sides.
  static std::vector<Once> ascending(const std::vector<Once>& found) {
    std::vector<std::size_t> tails;  // index of the last anchor of the best chain of each length
    std::vector<std::size_t> previous(found.size(), found.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      const auto place =
          std::lower_bound(tails.begin(), tails.end(), found[i].b,
                           [&](std::size_t tail, std::size_t b) { return found[tail].b < b; });
      if (place != tails.begin()) previous[i] = *(place - 1);
      if (place == tails.end()) {
        tails.push_back(i);
      } else {
        *place = i;
      }
    }
    std::vector<Once> chain;
    for (auto i = tails.empty() ? found.size() : tails.back(); i < found.size(); i = previous[i]) {
      chain.push_back(found[i]);
    }
    std::reverse(chain.begin(), chain.end());
    return chain;
  }

  void split(const Range& range, std::vector<Range>& todo) {
    Range rest = range;
    for (const auto& anchor : ascending(unique_in_both(range))) {
      todo.push_back({rest.a, anchor.a, rest.b, anchor.b});
      add(anchor.a, anchor.b, 1);
      rest.a = anchor.a + 1;
      rest.b = anchor.b + 1;
    }
    if (rest.a != range.a) todo.push_back(rest);
  }

  std::vector<MatchBlock> merged() {
    std::sort(blocks_.begin(), blocks_.end(), [](auto& x, auto& y) { return x.a < y.a; });
    std::vector<MatchBlock> out;
    for (const auto& block : blocks_) {
      if (!out.empty() && out.back().a + out.back().length == block.a &&
          out.back().b + out.back().length == block.b) {
        out.back().length += block.length;
      } else {
        out.push_back(block);
      }
    }
    return out;
  }

  Keys a_;
  Keys b_;
  std::size_t bound_;
  std::size_t work_ = 0;
  std::vector<MatchBlock> blocks_;
};

}  // namespace

std::vector<MatchBlock> match_sequences(std::span<const std::uint64_t> a,
                                        std::span<const std::uint64_t> b, std::size_t bound) {
  return Matcher(a, b, bound).run();
}

}  // namespace faultline
