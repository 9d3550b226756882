// The allocator against a naive model of free space, and against what a 6.12 kernel locked.
#include "base/rng.hpp"
#include "xfs_space_check.hpp"

using namespace faultline;
using namespace faultline::xfs;
using namespace faultline::xfs::test;

namespace {

/// The file system of the traces: one AG's worth of 4 KiB-sector headers, inodes at block 0x200.
Geometry traced_geometry(bool reflink = false) {
  GeometryChoice choice;
  choice.device_bytes = 96ULL << 20;
  choice.agcount = 4;
  choice.reflink = reflink;
  return make_geometry(choice);
}

FsSpace traced_fs(std::vector<AllocRec> ag0, bool reflink = false) {
  const Geometry geo = traced_geometry(reflink);
  FreeLists free(geo.agcount);
  free[0] = std::move(ag0);
  for (AgNumber a = 1; a < geo.agcount; ++a) {
    free[a] = {{geo.prealloc_blocks(), geo.ag_length(a) - geo.prealloc_blocks()}};
  }
  MadeSpace made = make_fs_space(geo, std::move(free), BulkFill::default_);
  REQUIRE(made.fits);
  return std::move(made.fs);
}

BmapAlloc dax_write(std::uint64_t offset) {
  BmapAlloc ap;
  ap.inode_block = FsBlock(0x200);  // inode 0x1007
  ap.offset = offset;
  ap.minleft = 1;
  ap.datatype = XFS_ALLOC_USERDATA | XFS_ALLOC_NOBUSY;
  return ap;
}

const Lines one_level_alloc = {"try agf 0x8", "lock agfl 0x18", "unlock agfl 0x18",
                               "lock cntbt 0x28", "lock bnobt 0x20"};
const Lines one_level_commit = {"unlock agf 0x8", "unlock cntbt 0x28", "unlock bnobt 0x20"};

}  // namespace

TEST_CASE("two write faults into a hole lock what the kernel locked", "[xfs]") {
  // dax-write-hole: the file has no blocks, its inode lies at 0x200, space from 0x238 on is free.
  FsSpace fs = traced_fs({{8, 8}, {24, 0x1e8}, {0x238, 6144 - 0x238}});
  AllocTrans tp;
  BtallocWalk first(fs, tp, dax_write(3));
  CHECK(lock_lines(play(first, tp, fs)) == one_level_alloc);
  CHECK(first.result() == FsBlock(0x238));
  CHECK(first.args().minlen == 1);
  CHECK(first.args().maxlen == 1);
  CHECK(first.args().len == 1);
  CHECK(first.args().datatype == 5);
  CHECK(tp.highest_agno == 0);
  CHECK(lock_lines(tp.bufs.commit()) == one_level_commit);

  tp = {};
  BmapAlloc again = dax_write(4);
  again.prev = NeighbourExtent{3, FsBlock(0x238), 1};
  BtallocWalk second(fs, tp, again);
  CHECK(lock_lines(play(second, tp, fs)) == one_level_alloc);
  CHECK(second.result() == FsBlock(0x239));
  CHECK(lock_lines(tp.bufs.commit()) == one_level_commit);
  check_ag(fs.geo, fs.ags[0]);
}

TEST_CASE("a truncate frees as the kernel did and its blocks stay busy", "[xfs]") {
  // dax-truncate-mapped: blocks 0x2a0..0x2af, truncated to three; a new write at page 3 gets 0x2b0.
  FsSpace fs = traced_fs({{8, 8}, {0x2b0, 6144 - 0x2b0}});
  AllocTrans tp;
  tp.busy_seq = 7;
  const Lines want = {"lock agf 0x8", "lock agfl 0x18", "unlock agfl 0x18", "lock bnobt 0x20",
                      "lock cntbt 0x28"};
  CHECK(lock_lines(play_free(fs, tp, FsBlock(0x2a3), 13)) == want);
  const Lines released = {"unlock agf 0x8", "unlock bnobt 0x20", "unlock cntbt 0x28"};
  CHECK(lock_lines(tp.bufs.commit()) == released);

  BmapAlloc ap = dax_write(3);
  ap.prev = NeighbourExtent{0, FsBlock(0x2a0), 3};
  AllocTrans busy_tp;
  BtallocWalk while_busy(fs, busy_tp, ap);
  CHECK(lock_lines(play(while_busy, busy_tp, fs)) == one_level_alloc);
  CHECK(while_busy.result() == FsBlock(0x2b0));

  // Once the log is on disk the freed blocks are as good as any.
  CHECK_FALSE(fs.ags[0].busy.clear_through(6));
  CHECK(fs.ags[0].busy.clear_through(7));
  AllocTrans later;
  busy_tp.bufs.commit();
  BtallocWalk after(fs, later, ap);
  play(after, later, fs);
  CHECK(after.result() == FsBlock(0x2a3));
}

TEST_CASE("a write into a punched hole avoids the punched blocks", "[xfs]") {
  // dax-punch-hole-mapped: file at 0x2b1..0x2c0, pages 2..5 punched, page 3 written: 0x2c1.
  FsSpace fs = traced_fs({{8, 8}, {0x2c1, 6144 - 0x2c1}});
  AllocTrans tp;
  tp.busy_seq = 1;
  play_free(fs, tp, FsBlock(0x2b3), 4);
  tp.bufs.commit();
  BmapAlloc ap = dax_write(3);
  ap.eof = false;
  ap.prev = NeighbourExtent{0, FsBlock(0x2b1), 2};
  ap.got = NeighbourExtent{6, FsBlock(0x2b7), 10};
  AllocTrans tp2;
  BtallocWalk walk(fs, tp2, ap);
  CHECK(lock_lines(play(walk, tp2, fs)) == one_level_alloc);
  CHECK(walk.result() == FsBlock(0x2c1));
}

TEST_CASE("a write between two extents goes to the nearer one", "[xfs]") {
  // File blocks 0..1 at 0x100, block 20 on at 0x900; all around both is free.
  const auto place = [](std::uint64_t off) {
    FsSpace fs = traced_fs({{8, 0xf8}, {0x102, 0x900 - 0x102}, {0x90a, 6144 - 0x90a}});
    BmapAlloc ap = dax_write(off);
    ap.eof = false;
    ap.prev = NeighbourExtent{0, FsBlock(0x100), 2};
    ap.got = NeighbourExtent{20, FsBlock(0x900), 10};
    AllocTrans tp;
    BtallocWalk walk(fs, tp, ap);
    play(walk, tp, fs);
    return walk.result().v;
  };
  CHECK(place(3) == 0x103);   // gap of 1 is kept
  CHECK(place(7) == 0x102);   // gap of 5 is more than four times the request: not kept
  CHECK(place(18) == 0x8fe);  // two before the next extent
  CHECK(place(14) == 0x8ff);  // too far from it for the gap to count: just before it
}

TEST_CASE("copy on write allocates a whole hint-sized extent", "[xfs]") {
  // dax-reflink-then-write-fault: minlen 32 maxlen 32 prod 32, shared file of 16 blocks at 0x208,
  // page 3 copied: 32 blocks at 0x218, of which page 3 is 0x21b.
  FsSpace fs = traced_fs({{9, 7}, {24, 0x1e8}, {0x218, 6144 - 0x218}}, true);
  BmapAlloc ap = dax_write(3);
  ap.extsize = 32;
  AllocTrans tp;
  BtallocWalk walk(fs, tp, ap);
  CHECK(lock_lines(play(walk, tp, fs)) == one_level_alloc);
  CHECK(walk.result() == FsBlock(0x218));
  CHECK(walk.args().minlen == 32);
  CHECK(walk.args().maxlen == 32);
  CHECK(walk.args().prod == 32);
  CHECK(walk.offset() == 0);
  CHECK(walk.length() == 32);
}

TEST_CASE("a held buffer is not locked again", "[xfs]") {
  FsSpace fs = traced_fs({{8, 8}, {0x238, 6144 - 0x238}});
  AllocTrans tp;
  BtallocWalk first(fs, tp, dax_write(3));
  play(first, tp, fs);
  BtallocWalk second(fs, tp, dax_write(9));
  const Lines want = {"lock agfl 0x18", "unlock agfl 0x18"};
  CHECK(lock_lines(play(second, tp, fs)) == want);
  CHECK(lock_lines(tp.bufs.commit()) == one_level_commit);
}

TEST_CASE("fragmentation changes which buffers an allocation locks", "[xfs]") {
  const Geometry geo = traced_geometry();
  const auto locks_with = [&](unsigned extents) {
    // Single free blocks, every other one, then the rest of the AG behind 0x1500.
    std::vector<AllocRec> ag0;
    for (unsigned i = 0; i < extents; ++i) ag0.push_back({24 + 2 * i, 1});
    ag0.push_back({0x1500, geo.agblocks - 0x1500});
    FsSpace fs = traced_fs(ag0);
    check_ag(geo, fs.ags[0]);
    AllocTrans tp;
    BmapAlloc ap = dax_write(0);
    ap.inode_block = FsBlock(0x500);
    BtallocWalk walk(fs, tp, ap);
    const Lines lines = lock_lines(play(walk, tp, fs));
    check_ag(geo, fs.ags[0]);
    return lines;
  };
  const Lines few = locks_with(100);
  CHECK(few == one_level_alloc);

  // 1200 records are four leaves under a root: both trees are two levels high now, and the search
  // by place reads the leaf that holds block 0x500.
  const Lines many = locks_with(1200);
  CHECK(many != few);
  const auto count = [&](const Lines& lines, const std::string& what) {
    return std::count_if(lines.begin(), lines.end(),
                         [&](const std::string& l) { return l.starts_with(what); });
  };
  CHECK(count(many, "lock cntbt") >= 2);
  CHECK(count(many, "lock bnobt") >= 2);
  CHECK(many[0] == "try agf 0x8");
  CHECK(many[1] == "lock agfl 0x18");
  CHECK(many[2] == "unlock agfl 0x18");
  CHECK(many[3] == "lock cntbt 0x28");
}

TEST_CASE("without space there is no result and the AGFs are let go", "[xfs]") {
  const Geometry geo = traced_geometry();
  MadeSpace made = make_fs_space(geo, FreeLists(geo.agcount), BulkFill::default_);
  CHECK_FALSE(made.fits);
  AllocTrans tp;
  BtallocWalk walk(made.fs, tp, dax_write(0));
  CHECK(play(walk, tp, made.fs).empty());
  CHECK(walk.result() == null_fsblock);
  CHECK(tp.bufs.held() == 0);
}

TEST_CASE("an AGF that another transaction holds is passed by, then waited for", "[xfs]") {
  FsSpace fs = traced_fs({{8, 8}, {0x238, 6144 - 0x238}});
  AllocTrans tp;
  BtallocWalk walk(fs, tp, dax_write(3));
  AllocWait wait = walk.next();
  CHECK(wait.kind == AllocWait::Kind::lock_agf);
  CHECK(wait.agno == 0);
  CHECK(wait.trylock);
  for (AgNumber a = 1; a < 4; ++a) {
    walk.answer(false);
    wait = walk.next();
    CHECK(wait.agno == a);
    CHECK(wait.trylock);
  }
  walk.answer(false);
  wait = walk.next();
  CHECK(wait.agno == 0);
  CHECK_FALSE(wait.trylock);
  walk.answer(true);
  CHECK(walk.next().kind == AllocWait::Kind::done);
  CHECK(walk.result() == FsBlock(0x238));
}

TEST_CASE("when all that would do is busy, the log is forced once", "[xfs]") {
  FsSpace fs = traced_fs({{8, 8}, {0x300, 16}});
  for (AgNumber a = 1; a < 4; ++a) fs.ags[a] = Perag{};
  const Geometry one = make_geometry({16ULL << 20, 1});
  FreeLists free(1);
  free[0] = {{one.prealloc_blocks(), 4}, {0x300, 40}};
  MadeSpace made = make_fs_space(one, std::move(free), BulkFill::default_);
  made.fs.ags[0].busy.insert(0x300, 40, 5);
  AllocTrans tp;
  BtallocWalk walk(made.fs, tp, dax_write(0));
  AllocWait wait = walk.next();
  REQUIRE(wait.kind == AllocWait::Kind::lock_agf);
  walk.answer(true);
  wait = walk.next();
  REQUIRE(wait.kind == AllocWait::Kind::flush_busy);
  CHECK(wait.seq == 5);
  made.fs.ags[0].busy.clear_through(wait.seq);
  walk.answer(true);
  CHECK(walk.next().kind == AllocWait::Kind::done);
  CHECK(walk.result() == FsBlock(0x300));
}

namespace {

using Owned = std::map<AgBlock, AgBlock>;  // extents a test has allocated, start -> end

/// One allocation of random kind, size, place and alignment; what it got must be what was asked.
void random_take(FsSpace& fs, AllocTrans& tp, Rng& rng, Owned& owned) {
  AllocArgs args;
  args.minlen = 1 + ExtLen(rng.below(4));
  args.maxlen = args.minlen + ExtLen(rng.below(16));
  args.datatype = rng.below(2) ? XFS_ALLOC_USERDATA : 0;
  if (rng.below(4) == 0) args.alignment = 1u << rng.below(4);
  const auto type = VextentType(rng.below(5));
  if (type == VextentType::exact_bno) args.alignment = 1;
  const FsBlock target(fs.geo.prealloc_blocks() + rng.below(fs.geo.agblocks - 100));
  VextentWalk walk(fs, tp, type, target, args);
  play(walk, tp, fs);
  if (walk.result() == null_fsblock) return;
  const AgBlock bno = fs.geo.agbno(walk.result());
  const ExtLen len = walk.args().len;
  REQUIRE(len >= args.minlen);
  REQUIRE(len <= args.maxlen);
  REQUIRE(bno % args.alignment == 0);
  if (type == VextentType::exact_bno) REQUIRE(walk.result() == target);
  owned[bno] = bno + len;
}

/// Everything is free, owned by a test file, on the list or in a tree: nothing else, each once.
void check_accounts(const FsSpace& fs, const Owned& owned, std::uint64_t total) {
  const FreeModel now = check_ag(fs.geo, fs.ags[0]);
  std::uint64_t accounted = fs.ags[0].agfl.size() + fs.ags[0].btreeblks;
  for (const auto& [b, e] : owned) {
    accounted += e - b;
    const auto f = now.upper_bound(b);
    if (f != now.begin() && std::prev(f)->second > b) FAIL("an owned block is free");
    if (f != now.end() && f->first < e) FAIL("an owned block is free");
  }
  for (const auto& [b, e] : now) accounted += e - b;
  REQUIRE(accounted == total);
  REQUIRE(fs.ags[0].agfl.size() >= 4);
}

/// Random allocations and frees on one AG; the model is the set of extents this test owns.
void random_run(std::uint64_t seed, unsigned ops, unsigned start_extents, bool drain) {
  const Geometry geo = make_geometry({512ULL << 20, 1});
  Rng rng(seed);
  FreeLists free(1);
  AgBlock at = geo.prealloc_blocks();
  for (unsigned i = 0; i < start_extents; ++i) {
    const ExtLen len = 1 + ExtLen(rng.below(6));
    free[0].push_back({at, len});
    at += len + 1 + ExtLen(rng.below(12));
  }
  free[0].push_back({at, 2000});
  MadeSpace made = make_fs_space(geo, std::move(free), BulkFill::default_);
  FsSpace& fs = made.fs;
  check_ag(geo, fs.ags[0]);
  Owned owned;

  for (unsigned op = 0; op < ops; ++op) {
    AllocTrans tp;
    tp.busy_seq = op + 1;
    const bool take = owned.empty() || (drain ? rng.below(10) < 7 : rng.below(10) < 5);
    if (take) {
      random_take(fs, tp, rng, owned);
    } else {
      auto it = owned.lower_bound(AgBlock(rng.below(geo.agblocks)));
      if (it == owned.end()) it = owned.begin();
      play_free(fs, tp, FsBlock(it->first), it->second - it->first);
      owned.erase(it);
    }
    finish_deferred(fs, tp);
    if (rng.below(8) == 0) fs.ags[0].busy.clear_through(op + 1);
    if (op % 64 == 0 || op + 1 == ops) check_accounts(fs, owned, made.fdblocks);
  }
}

}  // namespace

TEST_CASE("random allocations and frees keep both trees right", "[xfs]") {
  random_run(1, 4000, 20, false);
  random_run(2, 4000, 3000, false);
  random_run(3, 3000, 9000, false);
  random_run(4, 6000, 1500, true);
}
