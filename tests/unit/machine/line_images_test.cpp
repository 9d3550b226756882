// What a power cut may leave of the lines, against a naive list of states per line.
#include <faultline/types.hpp>
#include <vector>

#include "base/rng.hpp"
#include "catch.hpp"
#include "machine/line_content.hpp"

using namespace faultline;

namespace {

constexpr std::uint64_t lines = 40, words = lines * 8;

/// Every content that was flushed since the last fence may have arrived, and none of them need.
struct Naive {
  struct Line {
    std::vector<std::uint64_t> durable, newest;
    bool dirty = false;
    std::vector<std::vector<std::uint64_t>> flights = {};  // oldest first
  };
  std::vector<Line> all;

  Naive() {
    const std::vector<std::uint64_t> zero(8, 0);
    all.assign(lines, {zero, zero});
  }
  std::uint32_t newer(std::uint64_t l) const {
    return static_cast<std::uint32_t>(all[l].flights.size()) + all[l].dirty;
  }
  std::uint64_t word(std::uint64_t w, const CrashImage& image) const {
    const Line& l = all[w / 8];
    if (image.kind == CrashImage::Kind::newest) return l.newest[w % 8];
    if (image.kind == CrashImage::Kind::durable || image.line != w / 8) return l.durable[w % 8];
    return (image.newer <= l.flights.size() ? l.flights[image.newer - 1] : l.newest)[w % 8];
  }
};

void play(LineContent& c, Naive& n, Rng& rng) {
  const std::uint64_t first = rng.below(lines);
  const std::uint64_t count = 1 + rng.below(std::min<std::uint64_t>(lines - first, 3));
  switch (rng.below(5)) {
    case 0:
    case 1: {
      const std::uint64_t w = rng.below(words), value = 1 + rng.below(1000);
      c.store_pattern(w * 8, 8, value);
      n.all[w / 8].newest[w % 8] = value;
      n.all[w / 8].dirty = true;
      break;
    }
    case 2:
      c.flush(0, first * 64, count * 64);
      for (std::uint64_t l = first; l < first + count; ++l) {
        if (!n.all[l].dirty) continue;
        n.all[l].flights.push_back(n.all[l].newest);
        n.all[l].dirty = false;
      }
      break;
    case 3:
      if (rng.below(4) != 0) return;
      c.fence(0);
      for (auto& l : n.all) {
        if (!l.flights.empty()) l.durable = l.flights.back();
        l.flights.clear();
      }
      break;
    default:
      if (rng.below(4) != 0) return;
      c.write_back(first * 64, count * 64);
      for (std::uint64_t l = first; l < first + count; ++l) {
        n.all[l].durable = n.all[l].newest;
        n.all[l].flights.clear();
        n.all[l].dirty = false;
      }
      break;
  }
}

bool same(const LineContent& c, const Naive& n, const CrashImage& image) {
  std::vector<std::uint64_t> got(words);
  c.read_image(0, std::as_writable_bytes(std::span(got)), image);
  for (std::uint64_t w = 0; w < words; ++w) {
    if (got[w] != n.word(w, image)) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("the images of a power cut agree with a naive model") {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    Rng rng(seed);
    LineContent c(PAGE_SIZE, Domain::adr);
    Naive n;
    for (int step = 0; step < 1500; ++step) {
      play(c, n, rng);
      std::vector<std::pair<std::uint64_t, std::uint32_t>> wanted, got;
      for (std::uint64_t l = 0; l < lines; ++l) {
        // A line that was flushed and stored to again has several newer states.
        if (n.newer(l) != 0) wanted.emplace_back(l, n.newer(l));
      }
      for (const PendingLine& p : c.pending()) got.emplace_back(p.line, p.newer);
      REQUIRE(got == wanted);
      REQUIRE(same(c, n, {CrashImage::Kind::durable}));
      REQUIRE(same(c, n, {CrashImage::Kind::newest}));
      if (wanted.empty()) continue;
      const auto& [line, newer] = wanted[rng.below(wanted.size())];
      for (std::uint32_t i = 1; i <= newer; ++i) {
        REQUIRE(same(c, n, {CrashImage::Kind::one_line, line, i}));
      }
    }
  }
}

TEST_CASE("with the caches in the persistence domain nothing is pending") {
  LineContent c(PAGE_SIZE, Domain::eadr);
  c.store_pattern(8, 8, 7);
  CHECK(c.pending().empty());
}
