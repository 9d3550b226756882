// The set of VMAs of a process under random mmap, munmap and mprotect, against a naive model that
// keeps each page on its own: what is mapped, what is allowed, what was stored.
#include <sys/mman.h>

#include <array>

#include "base/rng.hpp"
#include "kernel/mm/mprotect.hpp"
#include "mm_rig.hpp"

using namespace faultline;

namespace {

constexpr std::uint64_t pages = 48;
constexpr std::uint64_t base = 0x10000000000;

struct Page {
  bool mapped = false;
  std::uint64_t prot = 0;
  std::uint64_t value = 0;
};

struct Naive {
  std::array<Page, pages> page;
  std::uint64_t mapped() const {
    std::uint64_t n = 0;
    for (const Page& p : page) n += p.mapped;
    return n;
  }
};

struct Range {
  std::uint64_t first, count;
  std::uint64_t at() const { return base + first * PAGE_SIZE; }
  std::uint64_t bytes() const { return count * PAGE_SIZE; }
};

Range any_range(Rng& rng) {
  const std::uint64_t first = rng.below(pages);
  return {first, 1 + rng.below(pages - first)};
}

Path<void> map_some(MmRig& rig, Naive& naive, Rng& rng) {
  const Range r = any_range(rng);
  const std::uint64_t prot = rng.below(2) ? PROT_READ | PROT_WRITE : PROT_READ;
  const std::uint64_t flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
  const auto got = co_await ksys_mmap_pgoff(rig.k, r.at(), r.bytes(), prot, flags, -1, 0);
  CHECK(got == static_cast<std::int64_t>(r.at()));
  for (std::uint64_t i = r.first; i < r.first + r.count; ++i) naive.page[i] = {true, prot, 0};
}

Path<void> unmap_some(MmRig& rig, Naive& naive, Rng& rng) {
  const Range r = any_range(rng);
  const auto got = co_await vm_munmap(rig.k, r.at(), r.bytes());
  CHECK(got == 0);
  for (std::uint64_t i = r.first; i < r.first + r.count; ++i) naive.page[i] = {};
}

// mprotect changes what lies before the first hole, then fails.
Path<void> protect_some(MmRig& rig, Naive& naive, Rng& rng) {
  constexpr std::array prots{PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE};
  const Range r = any_range(rng);
  const auto prot = static_cast<std::uint64_t>(prots[rng.below(3)]);
  std::int64_t expected = 0;
  for (std::uint64_t i = r.first; i < r.first + r.count && expected == 0; ++i) {
    if (!naive.page[i].mapped) {
      expected = -ENOMEM;
    } else {
      naive.page[i].prot = prot;
    }
  }
  const auto got = co_await do_mprotect_pkey(rig.k, r.at(), r.bytes(), prot);
  CHECK(got == expected);
}

Path<void> access_one(MmRig& rig, Naive& naive, Rng& rng, bool write) {
  const std::uint64_t i = rng.below(pages);
  AccessSeries access;
  access.at = Vaddr(base + i * PAGE_SIZE);
  access.write = write;
  access.has_value = true;
  access.value = rng.below(1000) + 1;
  const AccessOutcome got = co_await user_access(rig.k, access);
  Page& page = naive.page[i];
  const bool allowed = page.mapped && (page.prot & (write ? PROT_WRITE : PROT_READ)) != 0;
  CHECK(got.done == (allowed ? 1 : 0));
  auto& signal = rig.k.current().pending_signal;
  CHECK(signal.has_value() == !allowed);
  if (signal) CHECK(signal->code == (page.mapped ? SEGV_ACCERR : SEGV_MAPERR));
  signal.reset();
  if (!allowed) co_return;
  if (write) {
    page.value = access.value;
  } else {
    CHECK(got.value == page.value);
  }
}

void compare(MmRig& rig, const Naive& naive) {
  const mm_struct& mm = rig.mm();
  std::uint64_t vmas = 0;
  const vm_area_struct* before = nullptr;
  for (std::uint64_t i = 0; i < pages; ++i) {
    const Vaddr at(base + i * PAGE_SIZE);
    const vm_area_struct* const vma = vma_lookup(mm, at);
    REQUIRE((vma != nullptr) == naive.page[i].mapped);
    if (!vma) continue;
    const vm_flags_t wanted = (naive.page[i].prot & PROT_READ ? VM_READ : 0) |
                              (naive.page[i].prot & PROT_WRITE ? VM_WRITE : 0);
    REQUIRE((vma->vm_flags & VM_ACCESS_FLAGS) == wanted);
    REQUIRE(linear_page_index(*vma, at).v == at.v >> PAGE_SHIFT);
    vmas += vma != before;
    before = vma;
  }
  REQUIRE(mm.map_count == vmas);
  REQUIRE(mm.total_vm == naive.mapped());
}

Path<void> play(MmRig& rig, Naive& naive, std::uint64_t seed) {
  Rng rng(seed);
  for (int n = 0; n < 400; ++n) {
    switch (rng.below(6)) {
      case 0:
        co_await map_some(rig, naive, rng);
        break;
      case 1:
        co_await unmap_some(rig, naive, rng);
        break;
      case 2:
        co_await protect_some(rig, naive, rng);
        break;
      default:
        co_await access_one(rig, naive, rng, rng.below(2) == 0);
        break;
    }
    compare(rig, naive);
  }
  const auto unmapped = co_await vm_munmap(rig.k, base, pages * PAGE_SIZE);
  CHECK(unmapped == 0);
}

Path<void> same_again(MmRig& rig) {
  const std::uint64_t flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
  const auto mapped =
      co_await ksys_mmap_pgoff(rig.k, base, 9 * PAGE_SIZE, PROT_READ | PROT_WRITE, flags, -1, 0);
  CHECK(mapped > 0);
  AccessSeries touch;
  touch.at = Vaddr(base);
  touch.write = true;
  touch.count = 9;
  touch.stride = PAGE_SIZE;
  const AccessOutcome touched = co_await user_access(rig.k, touch);
  CHECK(touched.done == 9);
  const auto middle = co_await do_mprotect_pkey(rig.k, base + 3 * PAGE_SIZE, 3 * PAGE_SIZE, 1);
  CHECK(middle == 0);
  CHECK(rig.mm().map_count == 3);
  const auto back = co_await do_mprotect_pkey(rig.k, base + 3 * PAGE_SIZE, 3 * PAGE_SIZE, 3);
  CHECK(back == 0);
  CHECK(rig.mm().map_count == 1);
}

}  // namespace

TEST_CASE("VMAs agree with a model that keeps each page on its own") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    MmRig rig;
    Naive naive;
    rig.run(play(rig, naive, seed));
    CHECK(rig.mm().map_count == 0);
    CHECK(rig.mm().total_vm == 0);
    CHECK(rig.mm().rss.anon == 0);
    CHECK(rig.k.vm_committed_as == 0);
    CHECK(rig.k.frames.used() == 1);  // the zero page
    CHECK(rig.k.anon_vmas.size() == rig.k.free_anon_vmas.size());
  }
}

TEST_CASE("a split by mprotect is undone when the protection is the same again") {
  MmRig rig;
  rig.run(same_again(rig));
}
