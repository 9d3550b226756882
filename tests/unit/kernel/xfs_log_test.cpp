// Log reservations against the numbers real kernels printed; durability against naive snapshots.
// The account of log space is tested in xfs_log_space_test.cpp.
#include <algorithm>
#include <map>
#include <set>

#include "base/rng.hpp"
#include "catch.hpp"
#include "kernel/fs/xfs/xfs_log_model.hpp"

using namespace faultline;
using namespace faultline::xfs;

namespace {

Geometry geometry(std::uint64_t mib, AgNumber agcount, unsigned sectsize, bool reflink) {
  GeometryChoice choice;
  choice.device_bytes = mib << 20;
  choice.agcount = agcount;
  choice.sectsize = sectsize;
  choice.reflink = reflink;
  return make_geometry(choice);
}

std::uint32_t unit(const Geometry& geo, const TransRes& res) {
  return xlog_calc_unit_res(log_geometry(geo), res.logres);
}

}  // namespace

TEST_CASE("reservations are the bytes a 6.12 kernel reserves", "[xfs]") {
  // The traces' DAX file systems: 4 KiB sectors, small AGs, without and with reflink.
  const Geometry dax = geometry(96, 4, 4096, false);
  CHECK(dax.alloc_maxlevels == 2);
  CHECK(dax.bmap_maxlevels == 5);
  CHECK(unit(dax, tr_write(dax)) == 96324);
  CHECK(tr_write(dax).logcount == 2);
  CHECK(unit(dax, tr_itruncate(dax)) == 151524);
  CHECK(tr_itruncate(dax).logcount == 2);
  CHECK(unit(dax, tr_fsyncts(dax)) == 10028);
  const Geometry dax_reflink = geometry(96, 4, 4096, true);
  CHECK(unit(dax_reflink, tr_write(dax_reflink)) == 96324);
  CHECK(tr_write(dax_reflink).logcount == 4);
  // The page-cache file system: 512-byte sectors, larger AGs (three-level trees at worst), reflink.
  const Geometry block = geometry(2048, 4, 512, true);
  CHECK(block.alloc_maxlevels == 3);
  CHECK(unit(block, tr_itruncate(block)) == 180208);
  CHECK(tr_itruncate(block).logcount == 4);
  CHECK(unit(block, tr_fsyncts(block)) == 2860);
}

TEST_CASE("headers and first blocks lie where the traces show them", "[xfs]") {
  const Geometry dax = geometry(96, 4, 4096, true);
  CHECK(dax.agf_daddr(0) == Daddr(0x8));
  CHECK(dax.agi_daddr(0) == Daddr(0x10));
  CHECK(dax.agfl_daddr(0) == Daddr(0x18));
  CHECK(dax.daddr(0, dax.bno_root()) == Daddr(0x20));
  CHECK(dax.daddr(0, dax.cnt_root()) == Daddr(0x28));
  CHECK(dax.daddr(0, dax.refc_root()) == Daddr(0x40));
  CHECK(dax.inode_cluster_daddr(Ino(0x1007)) == Daddr(0x1000));
  const Geometry block = geometry(2048, 4, 512, true);
  CHECK(block.agf_daddr(0) == Daddr(1));
  CHECK(block.agfl_daddr(0) == Daddr(3));
  CHECK(block.daddr(0, block.bno_root()) == Daddr(8));
  CHECK(block.daddr(0, block.cnt_root()) == Daddr(16));
}

TEST_CASE("AG sizes are those of mkfs", "[xfs]") {
  CHECK(geometry(16, 0, 4096, false).agcount == 1);
  CHECK(geometry(48, 0, 4096, false).agcount == 2);
  CHECK(geometry(64, 0, 4096, false).agcount == 4);
  CHECK(geometry(1 << 20, 0, 4096, false).agcount == 4);  // 1 TiB
  CHECK(geometry(1 << 20, 0, 4096, false).agblocks == 1u << 26);
  // 4 TiB: AGs are one block short of 1 TiB, and the four blocks left over are given up.
  CHECK(geometry(4 << 20, 0, 4096, false).agcount == 4);
  CHECK(geometry(4 << 20, 0, 4096, false).dblocks == 4 * ((1ULL << 28) - 1));
  const Geometry odd = geometry(100, 3, 4096, false);
  CHECK(odd.agcount == 3);
  CHECK(odd.ag_length(0) + odd.ag_length(1) + odd.ag_length(2) == odd.dblocks);
}

TEST_CASE("an empty push closes nothing", "[xfs]") {
  Log log(LogGeometry{}, {});
  CHECK(log.current_seq() == 1);
  CHECK(log.push() == 0);
  CHECK(log.commit({}) == 1);
  CHECK(log.push() == 1);
  CHECK(log.push() == 1);
  CHECK(log.current_seq() == 2);
  CHECK_FALSE(log.is_durable(1));
  log.set_durable(1);
  CHECK(log.is_durable(1));
}

TEST_CASE("an intent that no transaction finished is finished by recovery", "[xfs]") {
  MetaState start;
  start.free[FsBlock(100)] = 50;
  start.fdblocks = 50;
  Log log(LogGeometry{}, start);
  RedoRecord del{RedoKind::free_intent};
  del.start = FsBlock(90);
  del.len = 10;
  log.commit({del});
  log.set_durable(log.push());
  RedoRecord add = del;
  add.kind = RedoKind::free_add;
  RedoRecord count{RedoKind::counters};
  count.a = 10;
  log.commit({add, count});

  // The second transaction is lost in the crash, its effect is not.
  MetaState after = log.crash_state();
  CHECK(after.free == std::map<FsBlock, std::uint64_t>{{FsBlock(90), 60}});
  CHECK(after == log.current_state());
  CHECK(log.current_state().intents.empty());
}

TEST_CASE("records that contradict the state are told", "[xfs]") {
  MetaState state;
  state.free[FsBlock(10)] = 10;
  const auto say = [&](RedoKind kind, std::uint64_t off, std::uint64_t start, ExtLen len) {
    MetaState copy = state;
    RedoRecord r{kind};
    r.ino = Ino(5);
    r.off = off;
    r.start = FsBlock(start);
    r.len = len;
    return apply(copy, r);
  };
  CHECK(say(RedoKind::free_del, 0, 10, 10).empty());
  CHECK_FALSE(say(RedoKind::free_del, 0, 15, 6).empty());
  CHECK(say(RedoKind::free_add, 0, 20, 3).empty());
  CHECK_FALSE(say(RedoKind::free_add, 0, 19, 1).empty());
  CHECK_FALSE(say(RedoKind::free_add, 0, 5, 6).empty());
  CHECK(say(RedoKind::extent_add, 0, 40, 4).empty());
  CHECK_FALSE(say(RedoKind::extent_del, 0, 0, 4).empty());
  CHECK_FALSE(say(RedoKind::extent_convert, 0, 0, 4).empty());
}

TEST_CASE("recovery takes records of free space as far as they go", "[xfs]") {
  constexpr std::uint64_t blocks = 50;
  Rng rng(11);
  MetaState state;
  std::set<std::uint64_t> free, intents;
  for (int step = 0; step < 2000; ++step) {
    RedoRecord r;
    r.start = FsBlock(rng.below(blocks));
    r.len = ExtLen(1 + rng.below(blocks - r.start.v));
    const std::uint64_t what = rng.below(7);
    r.kind = what < 3 ? RedoKind::free_del : what < 6 ? RedoKind::free_add : RedoKind::free_intent;
    REQUIRE(recover(state, r).empty());
    for (std::uint64_t b = r.start.v; b < r.start.v + r.len; ++b) {
      if (r.kind == RedoKind::free_del) free.erase(b);
      if (r.kind == RedoKind::free_add) free.insert(b), intents.erase(b);
      if (r.kind == RedoKind::free_intent) intents.insert(b);
    }
    if (step % 40 == 39) {
      finish_intents(state);
      free.insert(intents.begin(), intents.end());
      intents.clear();
    }
    std::set<std::uint64_t> got;
    for (const auto& [start, len] : state.free) {
      for (std::uint64_t i = 0; i < len; ++i) REQUIRE(got.insert(start.v + i).second);
    }
    REQUIRE(got == free);
  }
}

namespace {

/// The naive file system: one entry per block.
struct Naive {
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::pair<std::uint64_t, ExtState>> mapped;
  std::set<std::uint64_t> free;
  std::map<std::uint64_t, std::uint64_t> size;
};

Naive spread(const MetaState& state) {
  Naive n;
  for (const auto& [ino, inode] : state.inodes) {
    if (inode.size != 0) n.size[ino.v] = inode.size;
    std::uint64_t last_end = 0;
    const Extent* last = nullptr;
    for (const auto& [off, e] : inode.extents) {
      REQUIRE(e.off == off);
      REQUIRE(off >= last_end);
      if (last != nullptr) REQUIRE_FALSE(contiguous(*last, e));
      for (ExtLen i = 0; i < e.len; ++i) n.mapped[{ino.v, off + i}] = {e.start.v + i, e.state};
      last_end = e.end();
      last = &e;
    }
  }
  for (const auto& [start, len] : state.free) {
    for (std::uint64_t i = 0; i < len; ++i) n.free.insert(start.v + i);
  }
  return n;
}

/// One random transaction on the naive state; returns its records.
std::vector<RedoRecord> random_transaction(Rng& rng, Naive& n) {
  RedoRecord r;
  r.ino = Ino(1 + rng.below(3));
  r.off = rng.below(60);
  r.len = 1 + ExtLen(rng.below(5));
  const auto at = [&](ExtLen i) { return std::pair(r.ino.v, r.off + i); };
  const auto all = [&](auto test) {
    for (ExtLen i = 0; i < r.len; ++i) {
      if (!test(i)) return false;
    }
    return true;
  };
  switch (rng.below(4)) {
    case 0: {
      r.start = FsBlock(rng.below(200));
      r.state = ExtState(rng.below(2));
      if (!all([&](ExtLen i) { return n.free.contains(r.start.v + i); })) return {};
      if (!all([&](ExtLen i) { return !n.mapped.contains(at(i)); })) return {};
      for (ExtLen i = 0; i < r.len; ++i) {
        n.free.erase(r.start.v + i);
        n.mapped[at(i)] = {r.start.v + i, r.state};
      }
      RedoRecord take = r;
      take.kind = RedoKind::free_del;
      r.kind = RedoKind::extent_add;
      return {take, r};
    }
    case 1: {
      if (!all([&](ExtLen i) { return n.mapped.contains(at(i)); })) return {};
      r.kind = RedoKind::extent_convert;
      r.state = ExtState(rng.below(2));
      for (ExtLen i = 0; i < r.len; ++i) n.mapped[at(i)].second = r.state;
      return {r};
    }
    case 2: {
      if (!all([&](ExtLen i) { return n.mapped.contains(at(i)); })) return {};
      r.kind = RedoKind::extent_del;
      std::vector<RedoRecord> out{r};
      for (ExtLen i = 0; i < r.len; ++i) {
        RedoRecord give{RedoKind::free_add};
        give.start = FsBlock(n.mapped[at(i)].first);
        give.len = 1;
        n.free.insert(give.start.v);
        n.mapped.erase(at(i));
        out.push_back(give);
      }
      return out;
    }
    default: {
      RedoRecord s{RedoKind::size};
      s.ino = r.ino;
      s.a = 1 + rng.below(1000);
      n.size[r.ino.v] = s.a;
      return {s};
    }
  }
}

bool same(const Naive& a, const Naive& b) {
  return a.mapped == b.mapped && a.free == b.free && a.size == b.size;
}

}  // namespace

TEST_CASE("a crash leaves exactly the durable transactions", "[xfs]") {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    Rng rng(seed);
    MetaState start;
    start.free[FsBlock(0)] = 200;
    Log log(LogGeometry{}, start);
    Naive now = spread(start);
    std::map<std::uint64_t, Naive> at_push{{0, now}};
    for (unsigned op = 0; op < 1500; ++op) {
      if (auto records = random_transaction(rng, now); !records.empty()) {
        log.commit(std::move(records));
      }
      if (rng.below(20) == 0) {
        const std::uint64_t open = log.current_seq();
        if (const auto seq = log.push(); seq == open) at_push[seq] = now;
      }
      if (rng.below(30) == 0) {
        const std::uint64_t closed = log.current_seq() - 1;
        log.set_durable(log.durable_seq() + rng.below(closed - log.durable_seq() + 1));
      }
      if (rng.below(60) == 0) {
        const LogSpace& space = log.space;
        log.move_tail(space.tail() + rng.below(space.tail_space() + 1));
      }
      if (op % 25 == 0) {
        REQUIRE(same(spread(log.current_state()), now));
        REQUIRE(same(spread(log.crash_state()), at_push.at(log.durable_seq())));
      }
    }
    REQUIRE(at_push.size() > 20);
  }
}

TEST_CASE("recovery frees inodes without a name, but not what others share with them", "[xfs]") {
  constexpr std::uint64_t blocks = 120;
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    Rng rng(seed);
    MetaState state;
    std::map<std::uint64_t, std::set<std::uint64_t>> owners;  // of each block
    std::set<std::uint64_t> gone;
    for (std::uint64_t ino = 1; ino <= 6; ++ino) {
      std::uint64_t off = 0;
      for (int i = 0; i < 4; ++i) {
        const std::uint64_t start = rng.below(blocks - 8), len = 1 + rng.below(8);
        off += 20;
        state.inodes[Ino(ino)].extents[off] = {off, FsBlock(start), ExtLen(len), ExtState::written};
        for (std::uint64_t b = start; b < start + len; ++b) owners[b].insert(ino);
      }
      if (rng.below(2) == 0) {
        RedoRecord r{RedoKind::unlinked};
        r.ino = Ino(ino);
        REQUIRE(apply(state, r).empty());
        gone.insert(ino);
      }
    }
    process_iunlinks(state);
    std::set<std::uint64_t> expected, got;
    for (const auto& [block, who] : owners) {
      const auto is_gone = [&](std::uint64_t ino) { return gone.contains(ino); };
      if (std::all_of(who.begin(), who.end(), is_gone)) expected.insert(block);
    }
    for (const auto& [start, len] : state.free) {
      for (std::uint64_t i = 0; i < len; ++i) REQUIRE(got.insert(start.v + i).second);
    }
    CHECK(got == expected);
    CHECK(state.fdblocks == expected.size());
    CHECK(state.inodes.size() == 6 - gone.size());
  }
}

TEST_CASE("an inode that was freed in time is nothing to recovery", "[xfs]") {
  MetaState start;
  start.inodes[Ino(5)].extents[0] = {0, FsBlock(10), 4, ExtState::written};
  Log log(LogGeometry{}, start);
  RedoRecord unlinked{RedoKind::unlinked}, unmap{RedoKind::extent_del}, give{RedoKind::free_add};
  RedoRecord gone{RedoKind::ifree};
  unlinked.ino = unmap.ino = gone.ino = Ino(5);
  unmap.len = give.len = 4;
  give.start = FsBlock(10);
  log.commit({unlinked});
  CHECK(log.crash_state().inodes.contains(Ino(5)));  // it still has its name on disk
  log.set_durable(log.push());
  CHECK_FALSE(log.crash_state().inodes.contains(Ino(5)));
  CHECK(log.crash_state().free == std::map<FsBlock, std::uint64_t>{{FsBlock(10), 4}});
  log.commit({unmap, give});
  log.commit({gone});
  log.set_durable(log.push());
  CHECK(log.crash_state().free == std::map<FsBlock, std::uint64_t>{{FsBlock(10), 4}});
  CHECK(log.crash_state().unlinked.empty());
}
