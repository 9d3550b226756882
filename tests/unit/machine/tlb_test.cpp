// The TLB against a naive model: each set a std::list in order of use.
#include "machine/tlb.hpp"

#include <chrono>
#include <list>
#include <map>
#include <tuple>

#include "base/rng.hpp"
#include "catch.hpp"

using namespace faultline;

namespace {

constexpr std::uint64_t leaf = PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D | PTE_NX;

class NaiveTlb {
 public:
  struct Entry {
    std::uint32_t mm;
    std::uint64_t page;  // in units of its own size
    bool huge;
    std::uint64_t entry;
    bool same(const Entry& o) const { return mm == o.mm && page == o.page && huge == o.huge; }
  };
  using Set = std::list<Entry>;

  std::pair<TlbResult, std::uint64_t> lookup(std::uint32_t mm, std::uint64_t va) {
    const Entry small{mm, va >> 12, false, 0}, huge{mm, va >> 21, true, 0};
    for (const Entry& key : {small, huge}) {
      if (const Entry* e = use(l1(key), key)) return {TlbResult::l1, e->entry};
    }
    for (const Entry& key : {small, huge}) {
      if (const Entry* e = use(stlb(key), key)) {
        const Entry found = *e;
        put(l1(key), found, 4);
        return {TlbResult::stlb, found.entry};
      }
    }
    return {TlbResult::miss, 0};
  }
  void insert(std::uint32_t mm, std::uint64_t va, bool huge, std::uint64_t entry) {
    const Entry e{mm, va >> (huge ? 21 : 12), huge, entry};
    put(l1(e), e, 4);
    put(stlb(e), e, 12);
  }
  template <class Pred>
  void erase(Pred&& pred) {
    for (auto* sets : {&l1_, &stlb_}) {
      for (auto& [key, set] : *sets) set.remove_if(pred);
    }
  }

 private:
  using Sets = std::map<std::pair<bool, std::uint64_t>, Set>;
  Set& l1(const Entry& e) { return l1_[{e.huge, e.page % (e.huge ? 8 : 16)}]; }
  Set& stlb(const Entry& e) { return stlb_[{false, e.page % 128}]; }
  static const Entry* use(Set& set, const Entry& key) {
    for (auto it = set.begin(); it != set.end(); ++it) {
      if (!it->same(key)) continue;
      set.splice(set.begin(), set, it);
      return &set.front();
    }
    return nullptr;
  }
  static void put(Set& set, const Entry& e, std::size_t ways) {
    set.remove_if([&](const Entry& o) { return o.same(e); });
    set.push_front(e);
    if (set.size() > ways) set.pop_back();
  }
  Sets l1_, stlb_;
};

}  // namespace

TEST_CASE("the TLB agrees with a naive LRU model over random use") {
  Tlb tlb;
  NaiveTlb naive;
  Rng rng(3);
  unsigned hits[3] = {};
  for (int step = 0; step < 300000; ++step) {
    const auto mm = std::uint32_t(1 + rng.below(3));
    // Enough pages per set to overflow both levels; the top of the address space as well.
    const std::uint64_t base = rng.below(2) != 0 ? 0x7ffff0000000 : 0x200000;
    const std::uint64_t va = base + rng.below(40) * 128 * PAGE_SIZE + rng.below(3) * PAGE_SIZE +
                             rng.below(2) * 16 * PAGE_SIZE;
    const auto kind = rng.below(2000);
    if (kind == 0) {
      tlb.flush_mm(mm);
      naive.erase([&](const auto& e) { return e.mm == mm; });
    } else if (kind == 1 && step % 16 == 0) {
      tlb.flush_all();
      naive.erase([](const auto&) { return true; });
    } else if (kind < 40) {
      tlb.invalidate_page(mm, Vaddr(va));
      naive.erase(
          [&](const auto& e) { return e.mm == mm && e.page == (e.huge ? va >> 21 : va >> 12); });
    } else {
      const TlbLookup got = tlb.lookup(mm, Vaddr(va), Access::read, true);
      const auto [result, entry] = naive.lookup(mm, va);
      REQUIRE(got.result == result);
      REQUIRE(got.entry == entry);
      ++hits[unsigned(result)];
      if (result == TlbResult::miss) {
        const bool huge = rng.below(8) == 0;
        const std::uint64_t e = leaf | (rng.below(1 << 20) << 21) | (huge ? PTE_PS : 0);
        tlb.insert(mm, Vaddr(va), huge ? PageSize::huge : PageSize::small, e);
        naive.insert(mm, va, huge, e);
      }
    }
  }
  CHECK(hits[0] > 10000);
  CHECK(hits[1] > 10000);
  CHECK(hits[2] > 10000);
}

TEST_CASE("rights and the dirty bit are those of the entry when it was inserted") {
  Tlb tlb;
  const Vaddr va(0x5000);
  CHECK(tlb.lookup(1, va, Access::read, true).result == TlbResult::miss);
  tlb.insert(1, va, PageSize::small, (leaf & ~PTE_D) | 0x777000);
  CHECK(tlb.lookup(1, va, Access::read, true).result == TlbResult::l1);
  CHECK(tlb.lookup(1, va + 0x123, Access::read, true).phys(va + 0x123) == Paddr(0x777123));
  CHECK(tlb.lookup(1, va, Access::write, true).result == TlbResult::dirty_clear);
  CHECK(tlb.lookup(1, va, Access::exec, true).result == TlbResult::denied);
  tlb.insert(1, va, PageSize::small, leaf | 0x777000);
  CHECK(tlb.lookup(1, va, Access::write, true).result == TlbResult::l1);
  tlb.insert(1, va, PageSize::small, (leaf & ~PTE_RW) | 0x777000);
  CHECK(tlb.lookup(1, va, Access::write, true).result == TlbResult::denied);
  tlb.insert(1, va, PageSize::small, (leaf & ~PTE_US) | 0x777000);
  CHECK(tlb.lookup(1, va, Access::read, true).result == TlbResult::denied);
  CHECK(tlb.lookup(1, va, Access::read, false).result == TlbResult::l1);
  CHECK(tlb.lookup(2, va, Access::read, false).result == TlbResult::miss);
}

TEST_CASE("a huge entry serves its 512 pages and goes with any of them") {
  Tlb tlb;
  const Vaddr va(0x40000000);
  tlb.insert(1, va, PageSize::huge, leaf | PTE_PS | 0x40000000);
  const TlbLookup r = tlb.lookup(1, va + 0x1ff123, Access::write, true);
  CHECK(r.result == TlbResult::l1);
  CHECK(r.size == PageSize::huge);
  CHECK(r.phys(va + 0x1ff123) == Paddr(0x401ff123));
  CHECK(tlb.lookup(1, va + PMD_SIZE, Access::read, true).result == TlbResult::miss);
  tlb.invalidate_page(1, va + 0x3000);
  CHECK(tlb.lookup(1, va, Access::read, true).result == TlbResult::miss);
}

TEST_CASE("more than 33 pages flush the whole mm") {
  Tlb tlb;
  const Vaddr va(0x100000), other(0x9000000);
  const auto fill = [&] {
    for (std::uint64_t i = 0; i < 40; ++i) tlb.insert(1, va + i * PAGE_SIZE, PageSize::small, leaf);
    tlb.insert(1, other, PageSize::small, leaf);
    tlb.insert(2, other, PageSize::small, leaf);
  };
  fill();
  CHECK(tlb.invalidate_range(1, va, va + 33 * PAGE_SIZE) == 33);
  CHECK_FALSE(tlb.peek(1, va + 32 * PAGE_SIZE).hit());
  CHECK(tlb.peek(1, va + 33 * PAGE_SIZE).hit());
  CHECK(tlb.peek(1, other).hit());
  fill();
  CHECK(tlb.invalidate_range(1, va, va + 34 * PAGE_SIZE) == Tlb::FLUSH_ALL);
  CHECK_FALSE(tlb.peek(1, other).hit());
  CHECK(tlb.peek(2, other).hit());
  CHECK(tlb.invalidate_range(2, va, va) == 0);
  CHECK(tlb.invalidate_range(2, Vaddr(0), Vaddr(33 * PMD_SIZE), PMD_SHIFT) == 33);
  CHECK(tlb.invalidate_range(2, Vaddr(0), Vaddr(~0ULL)) == Tlb::FLUSH_ALL);
  unsigned n = 0;
  tlb.for_each([&](auto...) { ++n; });
  CHECK(n == 0);
}

TEST_CASE("for_each names every entry of the second level") {
  Tlb tlb;
  tlb.insert(5, Vaddr(0x7ffffffff000), PageSize::small, leaf);
  tlb.insert(6, Vaddr(0x40000000), PageSize::huge, leaf | PTE_PS);
  std::map<std::uint64_t, std::tuple<std::uint32_t, PageSize>> seen;
  tlb.for_each(
      [&](std::uint32_t mm, Vaddr va, PageSize size, std::uint64_t) { seen[va.v] = {mm, size}; });
  REQUIRE(seen.size() == 2);
  CHECK(seen.at(0x7ffffffff000) == std::make_tuple(5U, PageSize::small));
  CHECK(seen.at(0x40000000) == std::make_tuple(6U, PageSize::huge));
}

TEST_CASE("TLB hits take nanoseconds of wall time", "[.][timing]") {
  Tlb tlb;
  for (std::uint64_t i = 0; i < 64; ++i) {
    tlb.insert(1, Vaddr(i * PAGE_SIZE), PageSize::small, leaf);
  }
  const auto run = [&](std::uint64_t pages) {
    const auto start = std::chrono::steady_clock::now();
    std::uint64_t hits = 0;
    constexpr std::uint64_t n = 20000000;
    for (std::uint64_t i = 0; i < n; ++i) {
      const Vaddr va((i % pages) * PAGE_SIZE);
      const TlbLookup r = tlb.lookup(1, va, Access::write, true);
      if (r.hit())
        ++hits;
      else
        tlb.insert(1, va, PageSize::small, leaf);
    }
    const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(
                        std::chrono::steady_clock::now() - start)
                        .count();
    WARN(pages << " pages: " << double(ns) / n << " ns a look-up, " << hits << " hits");
  };
  run(1);
  run(64);
  run(1024);
  run(4096);
}
