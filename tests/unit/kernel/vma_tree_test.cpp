// The tree of VMAs against std::map: order, look-up, and the highest gap, through random inserts,
// erasures and moved starts.
#include "kernel/mm/vma_tree.hpp"

#include <algorithm>
#include <map>
#include <memory>

#include "base/rng.hpp"
#include "catch.hpp"
#include "kernel/mm/mm_types.hpp"

using namespace faultline;

namespace {

constexpr std::uint64_t guard = 3 * PAGE_SIZE;
using Naive = std::map<std::uint64_t, vm_area_struct*>;  // by end

std::uint64_t guarded_start(const vm_area_struct& vma) {
  const std::uint64_t g = vma.vm_flags & VM_GROWSDOWN ? guard : 0;
  return vma.vm_start.v > g ? vma.vm_start.v - g : 0;
}

std::uint64_t naive_gap(const Naive& naive, std::uint64_t low, std::uint64_t high,
                        std::uint64_t len) {
  std::uint64_t top = high;
  for (auto at = naive.rbegin(); at != naive.rend(); ++at) {
    const std::uint64_t bottom = std::max(low, at->first);
    if (top > bottom && top - bottom >= len) return top - len;
    top = std::min(high, guarded_start(*at->second));
  }
  return top > low && top - low >= len ? top - len : 0;
}

void compare(const VmaTree& tree, const Naive& naive, Rng& rng, std::uint64_t pages) {
  REQUIRE(tree.size() == naive.size());
  for (int n = 0; n < 4; ++n) {
    const std::uint64_t address = rng.below(pages + 4) * PAGE_SIZE + rng.below(2);
    const auto above = naive.upper_bound(address);
    REQUIRE(tree.above(Vaddr(address)) == (above == naive.end() ? nullptr : above->second));
    auto* const below = above == naive.begin() ? nullptr : std::prev(above)->second;
    REQUIRE(tree.below(Vaddr(address)) == below);
    const std::uint64_t low = (1 + rng.below(pages / 2)) * PAGE_SIZE;
    const std::uint64_t high = low + rng.below(pages) * PAGE_SIZE;
    const std::uint64_t len = (1 + rng.below(6)) * PAGE_SIZE;
    REQUIRE(tree.highest_gap(low, high, len) == naive_gap(naive, low, high, len));
  }
}

void play(std::uint64_t seed, std::uint64_t pages, int steps) {
  Rng rng(seed);
  VmaTree tree;
  tree.set_guard(guard);
  Naive naive;
  std::vector<std::unique_ptr<vm_area_struct>> storage;
  for (int n = 0; n < steps; ++n) {
    const Vaddr at((1 + rng.below(pages)) * PAGE_SIZE);
    const auto next = naive.upper_bound(at.v);
    vm_area_struct* const vma = next == naive.end() ? nullptr : next->second;
    const bool inside = vma && vma->vm_start <= at;
    if (!inside) {
      auto& fresh = *storage.emplace_back(std::make_unique<vm_area_struct>());
      const std::uint64_t limit = vma ? vma->vm_start.v : at.v + 3 * PAGE_SIZE;
      fresh.vm_start = at;
      fresh.vm_end = Vaddr(std::min(limit, at.v + (1 + rng.below(3)) * PAGE_SIZE));
      fresh.vm_flags = rng.below(8) == 0 ? VM_GROWSDOWN : 0;
      tree.insert(fresh);
      naive.emplace(fresh.vm_end.v, &fresh);
    } else if (rng.below(4) == 0 && vma->vm_start < at) {
      vma->vm_start = at;
      tree.refresh(*vma);
    } else if (rng.below(3) != 0) {
      tree.erase(*vma);
      naive.erase(next);
    }
    compare(tree, naive, rng, pages);
  }
  while (!naive.empty()) {
    auto at = naive.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(rng.below(naive.size())));
    tree.erase(*at->second);
    naive.erase(at);
    compare(tree, naive, rng, pages);
  }
}

}  // namespace

TEST_CASE("the tree of VMAs agrees with a map") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) play(seed, 60, 300);
  play(100, 5000, 6000);
}

TEST_CASE("a tree of many VMAs is emptied at once") {
  VmaTree tree;
  std::vector<vm_area_struct> vmas(5000);
  for (std::uint64_t i = 0; i < vmas.size(); ++i) {
    vmas[i].vm_start = Vaddr((2 * i + 1) * PAGE_SIZE);
    vmas[i].vm_end = vmas[i].vm_start + PAGE_SIZE;
    tree.insert(vmas[i]);
  }
  CHECK(tree.highest_gap(PAGE_SIZE, vmas.back().vm_end.v, 2 * PAGE_SIZE) == 0);
  CHECK(tree.highest_gap(PAGE_SIZE, vmas.back().vm_end.v, PAGE_SIZE) ==
        vmas.back().vm_start.v - PAGE_SIZE);
  tree.clear();
  CHECK(tree.size() == 0);
  CHECK(tree.above(Vaddr(0)) == nullptr);
  tree.insert(vmas[7]);
  CHECK(tree.below(Vaddr(~0ULL)) == &vmas[7]);
}
