// Reservations in the extent map: what a real trace shows of one, and random cuts against a model
// of single blocks.
#include "kernel/fs/xfs/xfs_delalloc.hpp"

#include <algorithm>
#include <array>

#include "base/rng.hpp"
#include "catch.hpp"

using namespace faultline;
using namespace faultline::xfs;

namespace {

Geometry some_geometry() {
  GeometryChoice choice;
  choice.device_bytes = 512ULL << 20;
  choice.reflink = true;
  return make_geometry(choice);
}

}  // namespace

TEST_CASE("a reservation of 13 blocks keeps 5 for its tree, as a real kernel's does") {
  // xfs_iomap_alloc of pagecache-truncate-mapped: startblock 0xffffffffe0005, fsbcount 0xd.
  const unsigned indlen = xfs_bmap_worst_indlen(some_geometry(), 13);
  CHECK(indlen == 5);
  CHECK(nullstartblock(indlen).v == 0xffffffffe0005ULL);
  CHECK(startblockval(nullstartblock(indlen)) == 5);
}

TEST_CASE("the longer a reservation, the more its tree may need, one block a level at least") {
  const Geometry geo = some_geometry();
  unsigned before = 0;
  for (std::uint64_t len = 1; len < 2'000'000; len = len * 3 + 1) {
    const unsigned indlen = xfs_bmap_worst_indlen(geo, len);
    CHECK(indlen >= geo.bmap_maxlevels);
    CHECK(indlen >= before);
    before = indlen;
  }
}

TEST_CASE(
    "cutting reservations leaves the other blocks, and every block set aside is accounted for") {
  constexpr std::uint64_t blocks = 64;
  const Geometry geo = some_geometry();
  Rng rng(11);
  for (int round = 0; round < 200; ++round) {
    ExtentMap map;
    const unsigned indlen = xfs_bmap_worst_indlen(geo, blocks);
    ExtentMap::Cursor at = map.lookup(0);
    map.insert(at, {0, nullstartblock(indlen), ExtLen(blocks), ExtState::written});
    std::array<bool, blocks> there;
    there.fill(true);
    std::uint64_t given_back = 0;
    for (int cut = 0; cut < 12; ++cut) {
      const std::uint64_t off = rng.below(blocks);
      const std::uint64_t end = off + 1 + rng.below(blocks - off);
      for (std::uint64_t b = off; b < end;) {
        const auto e = map.get(map.lookup(b));
        if (!e || e->off >= end) break;
        const std::uint64_t from = std::max(b, e->off);
        const std::uint64_t to = std::min(end, e->end());
        given_back += xfs_bmap_cut_delay(geo, map, map.lookup(from), from, to);
        b = to;
      }
      for (std::uint64_t b = off; b < end; ++b) there[b] = false;
    }
    std::uint64_t kept = 0;
    std::array<bool, blocks> found{};
    for (auto c = map.first(); const auto e = map.get(c); map.next(c)) {
      REQUIRE(e->delalloc());
      kept += startblockval(e->start);
      for (std::uint64_t b = e->off; b < e->end(); ++b) found[b] = true;
    }
    REQUIRE(found == there);
    REQUIRE(kept + given_back == indlen);
  }
}
