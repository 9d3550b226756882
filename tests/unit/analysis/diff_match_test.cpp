// The matcher against a naive longest common subsequence, on random sequences and on long ones.
#include <algorithm>
#include <chrono>
#include <vector>

#include "analysis/trace_diff_match.hpp"
#include "base/rng.hpp"
#include "catch.hpp"

using namespace faultline;

namespace {

using Keys = std::vector<std::uint64_t>;

std::size_t naive_lcs(const Keys& a, const Keys& b) {
  std::vector<std::vector<std::size_t>> best(a.size() + 1,
                                             std::vector<std::size_t>(b.size() + 1, 0));
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      best[i][j] =
          a[i - 1] == b[j - 1] ? best[i - 1][j - 1] + 1 : std::max(best[i - 1][j], best[i][j - 1]);
    }
  }
  return best[a.size()][b.size()];
}

/// Total length; fails when the blocks are not a common subsequence in order.
std::size_t checked_length(const Keys& a, const Keys& b, const std::vector<MatchBlock>& blocks) {
  std::size_t total = 0;
  std::size_t end_a = 0;
  std::size_t end_b = 0;
  for (const auto& block : blocks) {
    REQUIRE(block.length > 0);
    REQUIRE((block.a >= end_a && block.b >= end_b));
    REQUIRE((total == 0 || block.a > end_a || block.b > end_b));
    end_a = block.a + block.length;
    end_b = block.b + block.length;
    REQUIRE((end_a <= a.size() && end_b <= b.size()));
    REQUIRE(std::equal(a.begin() + block.a, a.begin() + end_a, b.begin() + block.b));
    total += block.length;
  }
  return total;
}

Keys random_keys(Rng& rng, std::size_t length, std::uint64_t alphabet) {
  Keys keys(length);
  for (auto& key : keys) key = rng.below(alphabet);
  return keys;
}

}  // namespace

TEST_CASE("matches are longest common subsequences") {
  Rng rng(1);
  for (int round = 0; round < 3000; ++round) {
    const auto a = random_keys(rng, rng.below(30), 1 + rng.below(6));
    const auto b = random_keys(rng, rng.below(30), 1 + rng.below(6));
    CHECK(checked_length(a, b, match_sequences(a, b)) == naive_lcs(a, b));
  }
}

TEST_CASE("beyond the bound matches are still common subsequences") {
  Rng rng(2);
  for (int round = 0; round < 2000; ++round) {
    const auto a = random_keys(rng, rng.below(60), 1 + rng.below(40));
    const auto b = random_keys(rng, rng.below(60), 1 + rng.below(40));
    checked_length(a, b, match_sequences(a, b, rng.below(4)));
  }
}

TEST_CASE("a moved element is two differences, whatever the bound") {
  Keys a(1000);
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = i * 7;
  auto b = a;
  b.erase(b.begin() + 100);
  b.insert(b.begin() + 800, a[100]);
  for (const std::size_t bound : {1000, 0}) {
    CHECK(checked_length(a, b, match_sequences(a, b, bound)) == a.size() - 1);
  }
}

TEST_CASE("long and unrelated sequences take no time of their square", "[slow]") {
  Rng rng(3);
  const auto a = random_keys(rng, 400'000, 5000);
  auto b = a;
  for (int change = 0; change < 20'000; ++change) b[rng.below(b.size())] = 1'000'000 + change;
  const auto unrelated = random_keys(rng, 400'000, 5000);
  const auto start = std::chrono::steady_clock::now();
  CHECK(checked_length(a, b, match_sequences(a, b)) > 0);
  CHECK(checked_length(a, unrelated, match_sequences(a, unrelated)) <= a.size());
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(30));
}
