// The extent map and the data fork against a map of single blocks; the fork on real free space.
#include "base/rng.hpp"
#include "kernel/fs/xfs/xfs_bmap_fork.hpp"
#include "xfs_space_check.hpp"

using namespace faultline;
using namespace faultline::xfs;
using namespace faultline::xfs::test;

namespace {

struct Mapped {
  FsBlock at{};
  ExtState state = ExtState::written;
};
using FileModel = std::map<std::uint64_t, Mapped>;  // file block -> where

std::vector<Extent> all_extents(const ExtentMap& map) {
  std::vector<Extent> out;
  for (auto c = map.first(); const auto e = map.get(c); map.next(c)) out.push_back(*e);
  return out;
}

/// The map holds exactly the model's blocks; the tree holds exactly the map's extents.
void check_fork(const Geometry& geo, const DataFork& fork, const FileModel& model) {
  const auto extents = all_extents(fork.map);
  REQUIRE(extents.size() == fork.map.size());
  REQUIRE(extents.size() == fork.nextents);
  auto it = model.begin();
  std::uint64_t end = 0;
  for (const Extent& e : extents) {
    if (e.off < end) FAIL("extents overlap or are out of order");
    end = e.end();
    for (ExtLen i = 0; i < e.len; ++i, ++it) {
      if (it == model.end() || it->first != e.off + i || it->second.at != e.start + i ||
          it->second.state != e.state) {
        FAIL("block " << e.off + i << " differs from the model");
      }
    }
  }
  REQUIRE(it == model.end());
  REQUIRE(fork.btree == (extents.size() > geo.inline_extents()));
  REQUIRE(fork.nblocks == model.size() + (fork.btree ? fork.bmbt.blocks.size() : 0));
  if (!fork.btree) return;
  const auto recs = check_tree(fork.bmbt);
  REQUIRE(recs.size() == extents.size());
  for (std::size_t i = 0; i < recs.size(); ++i) {
    if (!(recs[i].unpack() == extents[i])) FAIL("the tree's record " << i << " differs");
  }
}

FsSpace one_ag(std::uint64_t mib) {
  GeometryChoice choice;
  choice.device_bytes = mib << 20;
  choice.agcount = 1;
  const Geometry geo = make_geometry(choice);
  FreeLists free(1);
  free[0] = {{geo.prealloc_blocks(), geo.agblocks - geo.prealloc_blocks()}};
  MadeSpace made = make_fs_space(geo, std::move(free), BulkFill::default_);
  return std::move(made.fs);
}

/// A file on a real file system, changed by whole transactions.
struct TestFile {
  FsSpace fs = one_ag(256);
  DataFork fork;
  FileModel model;
  std::vector<BufStep> steps;  // of the last transaction
  std::uint64_t seq = 0;

  explicit TestFile(Ino ino) { fork.ino = ino; }

  void write(std::uint64_t off, ExtLen len, ExtState state, FsBlock near) {
    AllocTrans tp;
    tp.busy_seq = ++seq;
    AllocArgs args;
    args.minlen = args.maxlen = len;
    args.minleft = xfs_bmapi_minleft(fork, tp);
    VextentWalk walk(fs, tp, VextentType::near_bno, near, args);
    steps = play(walk, tp, fs);
    if (walk.result() == null_fsblock) return;
    ForkEdit(fs, tp, fork).add_extent_hole_real({off, walk.result(), len, state});
    for (ExtLen i = 0; i < len; ++i) model[off + i] = {walk.result() + i, state};
    commit(tp);
  }

  void prepare(AllocTrans& tp, std::uint64_t off, unsigned added) {
    const unsigned need = bmbt_blocks_for_insert(fs.geo, fork, off, added);
    steps.clear();
    if (need == 0) return;
    AllocArgs args;
    args.minleft = need;
    VextentWalk walk(fs, tp, VextentType::prepare_ag, FsBlock(100), args);
    steps = play(walk, tp, fs);
    REQUIRE(walk.has_agf());
    REQUIRE(walk.result() == FsBlock(0));
  }

  void convert(std::uint64_t off, ExtLen len) {
    const Extent got = xfs_bmapi_read(fork.map, off, len);
    if (got.start == HOLESTARTBLOCK) return;
    AllocTrans tp;
    tp.busy_seq = ++seq;
    const auto to = got.state == ExtState::written ? ExtState::unwritten : ExtState::written;
    const Extent range{got.off, got.start, got.len, to};
    const unsigned adds = conversion_adds(fork, range);
    const std::uint64_t before = fork.nextents;
    prepare(tp, off, adds);
    ForkEdit(fs, tp, fork).add_extent_unwritten_real(range);
    REQUIRE(fork.nextents <= before + adds);
    if (adds != 0) REQUIRE(fork.nextents == before + adds);
    for (ExtLen i = 0; i < got.len; ++i) model[got.off + i].state = to;
    commit(tp);
  }

  void unmap(std::uint64_t off, std::uint64_t end) {
    for (bool done = false; !done;) {
      AllocTrans tp;
      tp.busy_seq = ++seq;
      prepare(tp, off, 1);
      ForkEdit edit(fs, tp, fork);
      done = edit.bunmapi(off, end, 2);
      REQUIRE_FALSE(edit.no_space());
      commit(tp);
    }
    model.erase(model.lower_bound(off), model.lower_bound(end));
  }

  void commit(AllocTrans& tp) {
    for (const BufStep& s : tp.bufs.take_steps()) steps.push_back(s);
    finish_deferred(fs, tp);
  }
};

void random_file(std::uint64_t seed, unsigned ops, std::uint64_t span) {
  TestFile file(Ino(0x80));
  Rng rng(seed);
  for (unsigned op = 0; op < ops; ++op) {
    const std::uint64_t off = rng.below(span);
    switch (rng.below(op / 800 % 2 == 0 ? 4 : 7)) {
      case 0:
      case 1:
      case 2: {
        const Extent hole = xfs_bmapi_read(file.fork.map, off, 1 + rng.below(8));
        if (hole.start != HOLESTARTBLOCK) break;
        // Often right behind the block before, so that mappings merge.
        const auto before = file.model.find(off - 1);
        FsBlock near(50 + rng.below(60000));
        if (before != file.model.end() && rng.below(4) != 0) near = before->second.at + 1;
        file.write(off, hole.len, ExtState(rng.below(2)), near);
        break;
      }
      case 3:
        file.convert(off, 1 + ExtLen(rng.below(6)));
        break;
      default:
        file.unmap(off, off + 1 + rng.below(6) * rng.below(6));
        break;
    }
    if (op % 40 == 0) check_fork(file.fs.geo, file.fork, file.model);
    if (op % 16 == 0) file.fs.ags[0].busy.clear_through(file.seq);
  }
  check_fork(file.fs.geo, file.fork, file.model);
  check_ag(file.fs.geo, file.fs.ags[0]);
  file.unmap(0, span + 8);
  REQUIRE(file.fork.map.empty());
  REQUIRE(file.fork.nblocks == 0);
  const FreeModel free = check_ag(file.fs.geo, file.fs.ags[0]);
  std::uint64_t total = file.fs.ags[0].agfl.size() + file.fs.ags[0].btreeblks;
  for (const auto& [b, e] : free) total += e - b;
  REQUIRE(total == file.fs.geo.agblocks - file.fs.geo.prealloc_blocks());
}

}  // namespace

TEST_CASE("packed extents keep all fields", "[xfs]") {
  for (const Extent e :
       {Extent{0, FsBlock(0), 1, ExtState::written},
        Extent{(1ULL << 54) - 1, FsBlock((1ULL << 52) - 2), max_extlen, ExtState::unwritten},
        Extent{5, nullstartblock(3), 9, ExtState::written}}) {
    CHECK(PackedExtent(e).unpack() == e);
  }
  CHECK(isnullstartblock(nullstartblock(7)));
  CHECK_FALSE(isnullstartblock(FsBlock((1ULL << 51) - 1)));
  CHECK(sizeof(PackedExtent) == 16);
}

TEST_CASE("reading a mapping cuts it and shows holes", "[xfs]") {
  ExtentMap map;
  map.load({{4, FsBlock(100), 4, ExtState::written},
            {8, FsBlock(200), 2, ExtState::unwritten},
            {20, nullstartblock(2), 3, ExtState::written}});
  const auto read = [&](std::uint64_t off, std::uint64_t len) {
    return xfs_bmapi_read(map, off, len);
  };
  CHECK(read(0, 16) == Extent{0, HOLESTARTBLOCK, 4, ExtState::written});
  CHECK(read(5, 16) == Extent{5, FsBlock(101), 3, ExtState::written});
  CHECK(read(5, 1) == Extent{5, FsBlock(101), 1, ExtState::written});
  CHECK(read(9, 4) == Extent{9, FsBlock(201), 1, ExtState::unwritten});
  CHECK(read(10, 4) == Extent{10, HOLESTARTBLOCK, 4, ExtState::written});
  CHECK(read(21, 9) == Extent{21, DELAYSTARTBLOCK, 2, ExtState::written});
  CHECK(read(23, 7) == Extent{23, HOLESTARTBLOCK, 7, ExtState::written});
  CHECK(read(23, 1ULL << 40).len == ~ExtLen{0});
}

TEST_CASE("mappings merge only when file, device and state agree and the record can hold it",
          "[xfs]") {
  const Extent e{10, FsBlock(50), 5, ExtState::written};
  CHECK(contiguous(e, {15, FsBlock(55), 1, ExtState::written}));
  CHECK_FALSE(contiguous(e, {16, FsBlock(55), 1, ExtState::written}));
  CHECK_FALSE(contiguous(e, {15, FsBlock(56), 1, ExtState::written}));
  CHECK_FALSE(contiguous(e, {15, FsBlock(55), 1, ExtState::unwritten}));
  CHECK(contiguous(e, {15, FsBlock(55), max_extlen - 5, ExtState::written}));
  CHECK_FALSE(contiguous(e, {15, FsBlock(55), max_extlen - 4, ExtState::written}));
}

TEST_CASE("two neighbours too long for one record are not both merged", "[xfs]") {
  const ExtLen half = max_extlen / 2;  // half + 1 + half is just max_extlen
  for (const ExtLen left : {half, half + 1}) {
    TestFile file(Ino(0x80));
    load_fork(file.fs.geo, file.fork,
              {{0, FsBlock(1ULL << 30), left, ExtState::written},
               {left + 1, FsBlock((1ULL << 30) + left + 1), half, ExtState::written}},
              {});
    AllocTrans tp;
    ForkEdit(file.fs, tp, file.fork)
        .add_extent_hole_real({left, FsBlock((1ULL << 30) + left), 1, ExtState::written});
    const auto extents = all_extents(file.fork.map);
    REQUIRE(extents.size() == (left == half ? 1 : 2));
    CHECK(extents[0].len == (left == half ? max_extlen : left + 1));
  }
}

TEST_CASE("every shape of conversion gives the extents a kernel gives", "[xfs]") {
  // One unwritten extent of 10 blocks at 10, written neighbours that do or do not continue it.
  const auto convert = [](bool left, bool right, std::uint64_t off, ExtLen len) {
    TestFile file(Ino(0x80));
    std::vector<Extent> extents;
    if (left) extents.push_back({5, FsBlock(1005), 5, ExtState::written});
    extents.push_back({10, FsBlock(1010), 10, ExtState::unwritten});
    if (right) extents.push_back({20, FsBlock(1020), 5, ExtState::written});
    load_fork(file.fs.geo, file.fork, extents, {});
    AllocTrans tp;
    ForkEdit(file.fs, tp, file.fork)
        .add_extent_unwritten_real({off, FsBlock(1000 + off), len, ExtState::written});
    std::string out;
    for (const Extent& e : all_extents(file.fork.map)) {
      out += (e.state == ExtState::written ? "w" : "u") + std::to_string(e.off) + "+" +
             std::to_string(e.len) + (e.start == FsBlock(1000 + e.off) ? " " : "! ");
    }
    REQUIRE(file.fork.nextents == file.fork.map.size());
    return out;
  };
  CHECK(convert(true, true, 10, 10) == "w5+20 ");
  CHECK(convert(true, false, 10, 10) == "w5+15 ");
  CHECK(convert(false, true, 10, 10) == "w10+15 ");
  CHECK(convert(false, false, 10, 10) == "w10+10 ");
  CHECK(convert(true, true, 10, 3) == "w5+8 u13+7 w20+5 ");
  CHECK(convert(false, true, 10, 3) == "w10+3 u13+7 w20+5 ");
  CHECK(convert(true, true, 17, 3) == "w5+5 u10+7 w17+8 ");
  CHECK(convert(true, false, 17, 3) == "w5+5 u10+7 w17+3 ");
  CHECK(convert(true, true, 13, 3) == "w5+5 u10+3 w13+3 u16+4 w20+5 ");
}

TEST_CASE("a file turns into a tree at its 22nd extent and back", "[xfs]") {
  TestFile file(Ino(0x80));
  const unsigned fits = file.fs.geo.inline_extents();
  CHECK(fits == 21);
  for (unsigned i = 0; i < fits; ++i) file.write(i * 3, 1, ExtState::written, FsBlock(60 + i * 9));
  CHECK_FALSE(file.fork.btree);
  CHECK(xfs_bmapi_minleft(file.fork, AllocTrans{}) == 1);
  file.write(fits * 3, 1, ExtState::written, FsBlock(900));
  CHECK(file.fork.btree);
  CHECK(file.fork.levels() == 2);
  CHECK(xfs_bmapi_minleft(file.fork, AllocTrans{}) == 2);
  const auto bmbt_locks = [&] {
    return std::count_if(file.steps.begin(), file.steps.end(), [](const BufStep& s) {
      return s.action == BufAction::lock && s.kind == BufKind::bmbt;
    });
  };
  CHECK(bmbt_locks() == 1);
  check_fork(file.fs.geo, file.fork, file.model);
  // From now on every change of the map locks the leaf.
  file.write(500, 1, ExtState::unwritten, FsBlock(1200));
  CHECK(bmbt_locks() == 1);
  CHECK(file.steps.back() == BufStep{BufAction::dirty, BufKind::bmbt, file.steps.back().daddr});
  file.convert(500, 1);
  CHECK(lock_lines(file.steps).size() == 1);
  file.unmap(500, 501);
  file.unmap(0, 1);
  CHECK_FALSE(file.fork.btree);
  check_fork(file.fs.geo, file.fork, file.model);
}

TEST_CASE("cutting one of twenty extents in three makes a tree, and locks an AGF for it", "[xfs]") {
  TestFile file(Ino(0x80));
  for (unsigned i = 0; i < 20; ++i) {
    file.write(i * 20, 5, ExtState::unwritten, FsBlock(60 + i * 9));
  }
  file.convert(200, 2);
  CHECK(file.fork.nextents == 21);
  CHECK_FALSE(file.fork.btree);
  CHECK(file.steps.empty());  // the inode alone changes
  file.convert(203, 1);
  CHECK(file.fork.btree);
  const Lines want = {"try agf 0x8",      "lock agfl 0x18",  "unlock agfl 0x18", "lock agfl 0x18",
                      "unlock agfl 0x18", "lock cntbt 0x28", "lock bnobt 0x20"};
  Lines got = lock_lines(file.steps);
  REQUIRE(got.size() == want.size() + 1);
  CHECK(got.back().starts_with("lock bmbt"));
  got.pop_back();
  CHECK(got == want);
  check_fork(file.fs.geo, file.fork, file.model);
}

TEST_CASE("random changes of a file agree with a map of blocks", "[xfs]") {
  random_file(1, 2500, 60);     // stays inline, or just above
  random_file(2, 4000, 3000);   // hundreds of extents
  random_file(3, 8000, 40000);  // thousands: many leaves
}

TEST_CASE("a declared fork of many extents is a valid tree", "[xfs]") {
  const FsSpace fs = one_ag(256);
  for (const std::uint64_t n : {1ULL, 21ULL, 22ULL, 251ULL, 252ULL, 3760ULL, 3761ULL, 60000ULL}) {
    std::vector<Extent> extents;
    for (std::uint64_t i = 0; i < n; ++i) {
      extents.push_back({i * 2, FsBlock(1000 + i * 2), 1, ExtState::written});
    }
    std::vector<FsBlock> blocks;
    for (std::uint64_t i = 0; i < bmbt_blocks_needed(fs.geo, n); ++i) {
      blocks.emplace_back(500000 + i);
    }
    DataFork fork;
    load_fork(fs.geo, fork, extents, blocks);
    FileModel model;
    for (const Extent& e : extents) model[e.off] = {e.start, e.state};
    check_fork(fs.geo, fork, model);
  }
}
