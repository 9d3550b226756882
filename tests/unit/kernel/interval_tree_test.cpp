// The reverse map of a file against a plain list: order of equals, forks' copies right after their
// originals, and the mappings of a range of pages, through random insertions and removals.
#include "kernel/mm/interval_tree.hpp"

#include <algorithm>
#include <memory>
#include <vector>

#include "base/rng.hpp"
#include "catch.hpp"
#include "kernel/mm/mm_types.hpp"

using namespace faultline;

namespace {

using List = std::vector<vm_area_struct*>;

Pgoff last_of(const vm_area_struct& vma) { return vma.vm_pgoff + (vma_pages(vma) - 1); }

List naive_overlap(const List& list, Pgoff first, Pgoff last) {
  List out;
  std::copy_if(list.begin(), list.end(), std::back_inserter(out), [&](const vm_area_struct* vma) {
    return vma->vm_pgoff <= last && first <= last_of(*vma);
  });
  return out;
}

List overlap(const VmaIntervalTree& tree, Pgoff first, Pgoff last) {
  List out;
  for (vm_area_struct* vma = tree.iter_first(first, last); vma;
       vma = VmaIntervalTree::iter_next(*vma, first, last)) {
    out.push_back(vma);
  }
  return out;
}

void play(std::uint64_t seed, std::uint64_t offsets, std::uint64_t longest, int steps) {
  Rng rng(seed);
  VmaIntervalTree tree;
  List list;
  std::vector<std::unique_ptr<vm_area_struct>> storage;
  for (int n = 0; n < steps; ++n) {
    const std::uint64_t what = rng.below(8);
    if (what < 3 && !list.empty()) {
      const auto at = list.begin() + static_cast<std::ptrdiff_t>(rng.below(list.size()));
      tree.remove(**at);
      CHECK(!tree.contains(**at));
      list.erase(at);
    } else {
      vm_area_struct& vma = *storage.emplace_back(std::make_unique<vm_area_struct>());
      vma.vm_end = Vaddr((1 + rng.below(longest)) * PAGE_SIZE);
      if (what == 3 && !list.empty()) {
        const auto at = list.begin() + static_cast<std::ptrdiff_t>(rng.below(list.size()));
        vma.vm_pgoff = (*at)->vm_pgoff;
        tree.insert_after(vma, **at);
        list.insert(at + 1, &vma);
      } else {
        vma.vm_pgoff = Pgoff(rng.below(offsets));
        tree.insert(vma);
        const auto at = std::upper_bound(
            list.begin(), list.end(), &vma,
            [](const auto* a, const auto* b) { return a->vm_pgoff < b->vm_pgoff; });
        list.insert(at, &vma);
      }
      CHECK(tree.contains(vma));
    }
    REQUIRE(tree.size() == list.size());
    REQUIRE(tree.empty() == list.empty());
    REQUIRE(overlap(tree, Pgoff(0), Pgoff(~0ULL)) == list);
    const Pgoff first(rng.below(offsets + longest));
    const Pgoff last = first + rng.below(longest);
    REQUIRE(overlap(tree, first, last) == naive_overlap(list, first, last));
  }
}

}  // namespace

TEST_CASE("the reverse map agrees with a list") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) play(seed, 40, 6, 400);
  for (std::uint64_t seed = 1; seed <= 5; ++seed) play(seed, 3, 2, 300);       // many equals
  for (std::uint64_t seed = 1; seed <= 5; ++seed) play(seed, 1000, 500, 600);  // long ones
}

TEST_CASE("a walk over few of many mappings meets few") {
  // A tree that has to look at all of them for one page would take minutes here.
  VmaIntervalTree tree;
  constexpr std::uint64_t n = 200'000;
  std::vector<vm_area_struct> vmas(n);
  for (std::uint64_t i = 0; i < n; ++i) {
    vmas[i].vm_end = Vaddr(PAGE_SIZE);
    vmas[i].vm_pgoff = Pgoff(i);
    tree.insert(vmas[i]);
  }
  for (std::uint64_t i = 0; i < n; ++i) {
    REQUIRE(tree.iter_first(Pgoff(i), Pgoff(i)) == &vmas[i]);
    REQUIRE(!VmaIntervalTree::iter_next(vmas[i], Pgoff(i), Pgoff(i)));
  }
}
