// The XArray against an array with one word for each index: what a look-up and a scan find does not
// depend on which leaf was used last, nor on how entries of several indices lie in the nodes.
#include "kernel/lib/xarray.hpp"

#include <vector>

#include "base/rng.hpp"
#include "catch.hpp"

using namespace faultline;

namespace {

constexpr std::uint64_t indices = 1 << 14;

// The first word in [index, last] that is not 0; `indices` if there is none.
std::uint64_t first_in(const std::vector<XaEntry>& words, std::uint64_t index, std::uint64_t last) {
  for (; index <= last && index < indices; ++index) {
    if (words[index] != 0) return index;
  }
  return indices;
}

}  // namespace

TEST_CASE("an XArray finds what an array of words has") {
  Rng rng(17);
  XArray array;
  std::vector<XaEntry> words(indices);
  std::uint64_t at = 0;
  for (int step = 0; step < 60000; ++step) {
    // Mostly walks along, sometimes jumps.
    at = rng.below(8) == 0 ? rng.below(indices) : (at + rng.below(80)) % indices;
    const std::uint64_t what = rng.below(100);
    const unsigned order = rng.below(10) != 0 ? 0 : unsigned(rng.below(12));
    const std::uint64_t first = at & ~((1ULL << order) - 1);
    if (what < 40) {
      const XaEntry entry = rng.below(3) == 0 ? 0 : xa_mk_value(rng.next() >> 8);
      array.store(first, order, entry);
      std::fill_n(words.begin() + std::ptrdiff_t(first), 1ULL << order, entry);
    } else if (what < 70) {
      REQUIRE(array.load(at) == words[at]);
    } else {
      const std::uint64_t last =
          rng.below(4) == 0 ? ~0ULL : at + (rng.below(3) == 0 ? rng.below(4) : rng.below(indices));
      const std::uint64_t expected = first_in(words, at, last);
      std::uint64_t where = 0;
      const XaEntry found = array.find(at, last, &where);
      REQUIRE(found == (expected == indices ? 0 : words[expected]));
      if (found != 0) REQUIRE(where == expected);
    }
  }
}

TEST_CASE("a leaf that a larger entry has covered is not used any more") {
  XArray array;
  array.store(70, 0, xa_mk_value(1));
  CHECK(array.load(70) == xa_mk_value(1));
  array.store(0, 9, xa_mk_value(2));
  CHECK(array.load(70) == xa_mk_value(2));
  std::uint64_t where = 0;
  CHECK(array.find(65, 80, &where) == xa_mk_value(2));
  CHECK(where == 65);
  CHECK(array.find(~0ULL, ~0ULL, &where) == 0);
}
