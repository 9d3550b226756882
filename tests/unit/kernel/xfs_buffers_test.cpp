// Book-keeping that is fast because it remembers where things were: the buffers of a transaction,
// the cache of buffers, and busy extents, each against a model that searches everything.
#include <map>
#include <vector>

#include "base/rng.hpp"
#include "catch.hpp"
#include "kernel/fs/xfs/xfs_buf_cache.hpp"
#include "kernel/fs/xfs/xfs_extent_busy.hpp"

using namespace faultline;
using namespace faultline::xfs;

namespace {

struct NaiveBuf {
  Daddr daddr{};
  unsigned readers = 0;
  bool dirty = false;
};

std::size_t place_of(const std::vector<NaiveBuf>& held, Daddr daddr) {
  std::size_t i = 0;
  while (i < held.size() && held[i].daddr != daddr) ++i;
  return i;
}

}  // namespace

TEST_CASE("a transaction's buffers are found wherever they stand", "[xfs]") {
  Rng rng(7);
  for (const std::uint64_t blocks : {12u, 300u}) {
    TransBufs bufs;
    std::vector<NaiveBuf> held;
    for (int step = 0; step < 20000; ++step) {
      const Daddr daddr(8 * rng.below(blocks));
      const std::size_t at = place_of(held, daddr);
      const bool holds = at < held.size();
      REQUIRE(bufs.holds(daddr) == holds);
      REQUIRE(bufs.dirty(daddr) == (holds && held[at].dirty));
      const std::uint64_t what = rng.below(100);
      std::vector<BufAction> expected;
      if (what < 50) {
        bufs.read(BufKind::bnobt, daddr);
        if (!holds) {
          held.push_back({daddr, 0, false});
          expected = {BufAction::lock};
        }
        ++held[place_of(held, daddr)].readers;
      } else if (what < 90 && holds) {
        bufs.brelse(daddr);
        if (held[at].readers > 1) {
          --held[at].readers;
        } else if (!held[at].dirty) {
          held.erase(held.begin() + std::ptrdiff_t(at));
          expected = {BufAction::unlock};
        }
      } else if (what < 98 && holds) {
        bufs.log(daddr);
        if (!held[at].dirty) expected = {BufAction::dirty};
        held[at].dirty = true;
      } else if (what == 99 && rng.below(8) == 0) {
        std::vector<Daddr> released;
        for (const BufStep& s : bufs.commit()) released.push_back(s.daddr);
        REQUIRE(released.size() == held.size());
        for (std::size_t i = 0; i < held.size(); ++i) REQUIRE(released[i] == held[i].daddr);
        held.clear();
      }
      const std::vector<BufStep>& steps = bufs.take_steps();
      REQUIRE(steps.size() == expected.size());
      for (std::size_t i = 0; i < steps.size(); ++i) {
        REQUIRE(steps[i] == BufStep{expected[i], BufKind::bnobt, daddr});
      }
    }
  }
}

TEST_CASE("the cache of buffers keeps each where it was made", "[xfs]") {
  Rng rng(11);
  BufCache cache;
  std::map<std::uint64_t, xfs_buf*> naive;
  CHECK(cache.find(Daddr(8)) == nullptr);
  for (int i = 0; i < 5000; ++i) {
    const Daddr daddr(8 * rng.below(2000) + (rng.below(3) << 36));
    const auto known = naive.find(daddr.v);
    REQUIRE(cache.find(daddr) == (known == naive.end() ? nullptr : known->second));
    xfs_buf& made = cache.get(daddr);
    REQUIRE(made.daddr == daddr);
    REQUIRE((known == naive.end() || known->second == &made));
    naive[daddr.v] = &made;
  }
  REQUIRE(cache.all().size() == naive.size());
}

TEST_CASE("busy extents say of each block what its last free or use said", "[xfs]") {
  constexpr unsigned blocks = 400;
  Rng rng(13);
  BusyExtents busy;
  std::vector<std::uint64_t> naive(blocks + 40);  // the checkpoint a block waits for; 0: none
  std::uint64_t seq = 1;
  AgBlock at = blocks / 2;
  for (int step = 0; step < 20000; ++step) {
    // Mostly near the last place, as when a file is cut off.
    if (rng.below(4) == 0) at = AgBlock(rng.below(blocks));
    const auto len = ExtLen(1 + rng.below(6));
    at = at >= len + 1 && rng.below(2) == 0 ? at - AgBlock(rng.below(len + 1)) : at;
    const std::uint64_t what = rng.below(100);
    if (what < 70) {
      busy.insert(at, len, seq);
      for (AgBlock b = at; b < at + len; ++b) naive[b] = seq;
    } else if (what < 95) {
      busy.reuse(at, len);
      for (AgBlock b = at; b < at + len; ++b) naive[b] = 0;
    } else if (what < 98) {
      ++seq;
    } else if (seq > 2) {
      busy.clear_through(seq - 2);
      for (std::uint64_t& s : naive) s = s <= seq - 2 ? 0 : s;
    }
    const auto probe = AgBlock(rng.below(blocks));
    REQUIRE(busy.overlaps(probe, 1) == (naive[probe] != 0));
    REQUIRE(busy.overlaps(at, 1) == (naive[at] != 0));
    if (step % 1000 != 0) continue;
    std::uint64_t newest = 0;
    for (const std::uint64_t s : naive) newest = std::max(newest, s);
    REQUIRE(busy.newest_seq() == newest);
    const BusyExtents moved = std::move(busy);  // as when its allocation group moves
    busy = BusyExtents();
    for (AgBlock b = 0; b < blocks; ++b) {
      if (naive[b] != 0) busy.insert(b, 1, naive[b]);
      REQUIRE(moved.overlaps(b, 1) == (naive[b] != 0));
    }
  }
}
