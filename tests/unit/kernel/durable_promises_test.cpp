// Ranges of promises against an array of one promise a block.
#include "kernel/fs/durable_promises.hpp"

#include <optional>
#include <vector>

#include "base/rng.hpp"
#include "catch.hpp"

using namespace faultline;

TEST_CASE("a newer promise of a block replaces the older one") {
  constexpr std::uint64_t blocks = 60;
  Rng rng(3);
  inode node;
  DurablePromises promises;
  std::vector<std::optional<DurablePromise>> naive(blocks);
  for (int step = 0; step < 3000; ++step) {
    const std::uint64_t off = rng.below(blocks), len = 1 + rng.below(blocks - off);
    const DurablePromise added{len, FsBlock(1000 * rng.below(50)), rng.below(5),
                               PromiseKind(rng.below(3))};
    promises.add(node, off, added);
    for (std::uint64_t i = 0; i < len; ++i) {
      naive[off + i] = DurablePromise{1, added.start + i, added.size, added.kind};
    }
    std::vector<std::optional<DurablePromise>> got(blocks);
    for (const auto& [first, p] : promises.by_inode[node.index]) {
      for (std::uint64_t i = 0; i < p.len; ++i) {
        REQUIRE_FALSE(got[first + i]);
        got[first + i] = DurablePromise{1, p.start + i, p.size, p.kind};
      }
    }
    for (std::uint64_t b = 0; b < blocks; ++b) {
      REQUIRE(got[b].has_value() == naive[b].has_value());
      if (!got[b]) continue;
      REQUIRE(got[b]->start == naive[b]->start);
      REQUIRE(got[b]->size == naive[b]->size);
      REQUIRE(got[b]->kind == naive[b]->kind);
    }
  }
}
