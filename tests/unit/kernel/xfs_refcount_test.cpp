// Reference counts as intervals against a count per block.
#include "kernel/fs/xfs/xfs_refcount.hpp"

#include <array>

#include "base/rng.hpp"
#include "catch.hpp"

using namespace faultline;
using namespace faultline::xfs;

TEST_CASE("reference counts are those of single blocks") {
  constexpr AgBlock blocks = 64;
  Rng rng(7);
  Refcounts counts;
  std::array<unsigned, blocks> users;
  users.fill(1);
  for (int i = 0; i < 4000; ++i) {
    const auto bno = static_cast<AgBlock>(rng.below(blocks));
    const auto len = static_cast<ExtLen>(1 + rng.below(blocks - bno));
    if (rng.below(2) != 0) {
      counts.increase(bno, len);
      // A block without a user is not in the tree: the file system would not share it.
      for (AgBlock b = bno; b < bno + len; ++b) users[b] = users[b] < 1 ? 2 : users[b] + 1;
    } else {
      std::array<bool, blocks> unused{};
      for (const BlockRun& run : counts.decrease(bno, len)) {
        for (AgBlock b = run.bno; b < run.bno + run.len; ++b) unused[b] = true;
      }
      for (AgBlock b = 0; b < blocks; ++b) {
        const bool inside = b >= bno && b < bno + len;
        if (unused[b] != (inside && users[b] == 1)) FAIL("block " << b << " is freed wrongly");
        if (inside && users[b] > 1) --users[b];
      }
    }
    const BlockRun found = counts.find_shared(0, blocks);
    AgBlock first = 0;
    while (first < blocks && users[first] < 2) ++first;
    AgBlock end = first;
    while (end < blocks && users[end] >= 2) ++end;
    const BlockRun expected = first == blocks ? BlockRun{} : BlockRun{first, end - first};
    if (!(found == expected)) FAIL("after " << i << " operations");
  }
}
