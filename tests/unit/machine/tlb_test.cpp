// The TLB against a naive model: each set a std::list in order of use.
#include "machine/tlb.hpp"

#include <chrono>
#include <list>
#include <map>
#include <tuple>
#include <vector>

#include "base/rng.hpp"
#include "catch.hpp"

using namespace faultline;

namespace {

constexpr std::uint64_t leaf = PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D | PTE_NX;

// By page size, 12, 21 or 30 bits: where entries may be, and in how many ways.
class NaiveTlb {
 public:
  struct Entry {
    std::uint32_t mm;
    std::uint64_t page;  // in units of its own size
    unsigned shift;
    std::uint64_t entry;
    bool same(const Entry& o) const { return mm == o.mm && page == o.page && shift == o.shift; }
  };
  using Set = std::list<Entry>;

  explicit NaiveTlb(const TlbGeometry& g) : g_(g) {}

  std::pair<TlbResult, std::uint64_t> lookup(std::uint32_t mm, std::uint64_t va) {
    for (const unsigned level : {1U, 2U}) {
      for (const unsigned shift : {12U, 21U, 30U}) {
        const Entry key{mm, va >> shift, shift, 0};
        const Entry* const e = use(level, key);
        if (!e) continue;
        if (level == 1) return {TlbResult::l1, e->entry};
        const Entry found = *e;
        put(1, found);
        return {TlbResult::stlb, found.entry};
      }
    }
    return {TlbResult::miss, 0};
  }
  void insert(std::uint32_t mm, std::uint64_t va, unsigned shift, std::uint64_t entry) {
    const Entry e{mm, va >> shift, shift, entry};
    put(1, e);
    put(2, e);
  }
  template <class Pred>
  void erase(Pred&& pred) {
    for (auto& [key, set] : sets_) set.remove_if(pred);
  }

 private:
  TlbArrayGeometry array(unsigned level, unsigned shift) const {
    if (level == 1) return shift == 12 ? g_.l1_small : shift == 21 ? g_.l1_huge : g_.l1_giant;
    return shift == 30 ? g_.stlb_giant : g_.stlb;
  }
  Set& set(unsigned level, const Entry& e) {
    // The second level is one array for both smaller sizes.
    const unsigned which = level == 2 && e.shift == 21 ? 12 : e.shift;
    return sets_[{level, which, e.page % array(level, e.shift).sets()}];
  }
  const Entry* use(unsigned level, const Entry& key) {
    if (array(level, key.shift).entries == 0) return nullptr;
    Set& in = set(level, key);
    for (auto it = in.begin(); it != in.end(); ++it) {
      if (!it->same(key)) continue;
      in.splice(in.begin(), in, it);
      return &in.front();
    }
    return nullptr;
  }
  void put(unsigned level, const Entry& e) {
    if (array(level, e.shift).entries == 0) return;
    Set& in = set(level, e);
    in.remove_if([&](const Entry& o) { return o.same(e); });
    in.push_front(e);
    if (in.size() > array(level, e.shift).ways) in.pop_back();
  }
  const TlbGeometry& g_;
  std::map<std::tuple<unsigned, unsigned, std::uint64_t>, Set> sets_;
};

constexpr TlbGeometry odd_geometry{.l1_small = {24, 6},
                                   .l1_huge = {0, 0},
                                   .l1_giant = {3, 3},
                                   .stlb = {80, 5},
                                   .stlb_giant = {0, 0},
                                   .pde = 3,
                                   .pdpte = 2,
                                   .pml4e = 1,
                                   .pml5e = 1};

// One fill in `large_every` is of a large page.
void play(const TlbGeometry& geometry, unsigned levels, std::uint64_t seed,
          std::uint64_t large_every = 8) {
  Tlb tlb(geometry, levels);
  NaiveTlb naive(geometry);
  Rng rng(seed);
  unsigned hits[3] = {};
  const std::uint64_t top = levels == 5 ? 0xffffff00000000 : 0x7ffff0000000;
  const std::uint64_t sets = geometry.stlb.sets();
  for (int step = 0; step < 200000; ++step) {
    const auto mm = std::uint32_t(1 + rng.below(3));
    // Enough pages per set to overflow both levels; the top of the address space as well.
    const std::uint64_t base = rng.below(2) != 0 ? top : 0x200000;
    const std::uint64_t va = base + rng.below(40) * sets * PAGE_SIZE + rng.below(3) * PAGE_SIZE +
                             rng.below(2) * 16 * PAGE_SIZE + rng.below(6) * PUD_SIZE;
    const auto kind = rng.below(2000);
    if (kind == 0) {
      tlb.flush_mm(mm);
      naive.erase([&](const auto& e) { return e.mm == mm; });
    } else if (kind == 1 && step % 16 == 0) {
      tlb.flush_all();
      naive.erase([](const auto&) { return true; });
    } else if (kind < 40) {
      tlb.invalidate_page(mm, Vaddr(va));
      naive.erase([&](const auto& e) { return e.mm == mm && e.page == va >> e.shift; });
    } else {
      const TlbLookup got = tlb.lookup(mm, Vaddr(va), Access::read, true);
      const auto [result, entry] = naive.lookup(mm, va);
      REQUIRE(got.result == result);
      REQUIRE(got.entry == entry);
      ++hits[unsigned(result)];
      if (result == TlbResult::miss) {
        const bool large = rng.below(large_every) == 0;
        const auto size = large ? PageSize(2 + (rng.below(4) == 0)) : PageSize::small;
        const std::uint64_t e =
            leaf | (rng.below(1 << 10) << 30) | (size == PageSize::small ? 0 : PTE_PS);
        tlb.insert(mm, Vaddr(va), size, e);
        naive.insert(mm, va, page_shift(size), e);
      }
    }
  }
  CHECK(hits[0] > 500);
  CHECK(hits[1] > 500);
  CHECK(hits[2] > 500);
}

}  // namespace

TEST_CASE("the TLB agrees with a naive LRU model over random use") {
  play(tlb_geometry(Preset::x86_dram), 4, 3);
  play(tlb_geometry(Preset::x86_cxl), 5, 4);
  // Large pages are rare enough to be gone for long times.
  play(tlb_geometry(Preset::x86_dram), 4, 6, 6000);
  play(odd_geometry, 5, 5);
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

TEST_CASE("a 1 GiB entry serves its GiB, in arrays of its own") {
  Tlb tlb;  // 4 entries in the first level, 16 in 4 sets of the second
  const Vaddr va(0x40000000);
  const auto fill = [&](std::uint64_t n) {
    for (std::uint64_t i = 0; i < n; ++i) {
      tlb.insert(1, va + i * PUD_SIZE, PageSize::giant, leaf | PTE_PS | (i << 30));
    }
  };
  fill(1);
  const TlbLookup r = tlb.lookup(1, va + 0x3ffff123, Access::write, true);
  CHECK(r.result == TlbResult::l1);
  CHECK(r.size == PageSize::giant);
  CHECK(r.phys(va + 0x3ffff123) == Paddr(0x3ffff123));
  fill(5);
  CHECK(tlb.lookup(1, va, Access::read, true).result == TlbResult::stlb);
  fill(17);
  CHECK(tlb.lookup(1, va, Access::read, true).result == TlbResult::miss);
  CHECK(tlb.lookup(1, va + PUD_SIZE, Access::read, true).result == TlbResult::stlb);
  tlb.invalidate_page(1, va + PUD_SIZE + 0x12345000);
  CHECK(tlb.lookup(1, va + PUD_SIZE, Access::read, true).result == TlbResult::miss);
  CHECK(tlb.invalidate_range(1, va, va + 16 * PUD_SIZE, PUD_SHIFT) == 16);
  CHECK(tlb.lookup(1, va + 5 * PUD_SIZE, Access::read, true).result == TlbResult::miss);
  CHECK(tlb.lookup(1, va + 16 * PUD_SIZE, Access::read, true).hit());
}

TEST_CASE("with 57-bit addresses pages far apart do not meet") {
  Tlb tlb(tlb_geometry(DEFAULT_PRESET), 5);
  const Vaddr low(0x5000), high(0x5000 + (1ULL << 48));
  tlb.insert(1, low, PageSize::small, leaf | 0x1000);
  CHECK(tlb.lookup(1, high, Access::read, true).result == TlbResult::miss);
  tlb.insert(1, high, PageSize::small, leaf | 0x2000);
  CHECK(tlb.lookup(1, low, Access::read, true).entry == (leaf | 0x1000));
  std::vector<std::uint64_t> seen;
  tlb.for_each([&](std::uint32_t, Vaddr va, PageSize, std::uint64_t) { seen.push_back(va.v); });
  CHECK(seen == std::vector<std::uint64_t>{low.v, high.v, high.v, low.v});
}

namespace {

// Which table of which address is known: by level, in order of use, the last first.
class NaiveWalkCache {
 public:
  explicit NaiveWalkCache(const TlbGeometry& g) : sizes_{g.pde, g.pdpte, g.pml4e, g.pml5e} {}
  struct Entry {
    std::uint32_t mm;
    std::uint64_t part;
    std::uint64_t* table;
  };
  std::uint64_t* find(std::uint32_t mm, std::uint64_t va, unsigned level) {
    auto& all = levels_[level];
    for (auto it = all.begin(); it != all.end(); ++it) {
      if (it->mm != mm || it->part != va >> (21 + 9 * level)) continue;
      all.splice(all.begin(), all, it);
      return all.front().table;
    }
    return nullptr;
  }
  void put(std::uint32_t mm, std::uint64_t va, unsigned level, std::uint64_t* table) {
    levels_[level].push_front({mm, va >> (21 + 9 * level), table});
    if (levels_[level].size() > sizes_[level]) levels_[level].pop_back();
  }
  void forget(std::uint32_t mm, std::uint64_t va) {
    for (unsigned l = 0; l < 4; ++l) {
      levels_[l].remove_if(
          [&](const Entry& e) { return e.mm == mm && e.part == va >> (21 + 9 * l); });
    }
  }
  void flush(std::uint32_t mm) {
    for (auto& all : levels_) all.remove_if([&](const Entry& e) { return e.mm == mm; });
  }

 private:
  std::uint32_t sizes_[4];
  std::list<Entry> levels_[4];
};

}  // namespace

TEST_CASE("the paging-structure caches agree with a naive LRU model over random use") {
  for (const TlbGeometry& g : {tlb_geometry(DEFAULT_PRESET), odd_geometry}) {
    WalkCache cache(g);
    NaiveWalkCache naive(g);
    Rng rng(7);
    std::vector<std::uint64_t> tables(64);
    unsigned found = 0;
    for (int step = 0; step < 100000; ++step) {
      const auto mm = std::uint32_t(1 + rng.below(2));
      const auto level = unsigned(rng.below(4));
      const std::uint64_t va = rng.below(48) << (21 + 9 * rng.below(4));
      const auto kind = rng.below(200);
      if (kind == 0) {
        cache.flush(mm);
        naive.flush(mm);
      } else if (kind < 10) {
        cache.forget(mm, Vaddr(va));
        naive.forget(mm, va);
      } else {
        std::uint64_t* const known = cache.find(mm, Vaddr(va), PtLevel(level));
        REQUIRE(known == naive.find(mm, va, level));
        found += known != nullptr;
        if (known) continue;
        std::uint64_t* const table = &tables[rng.below(64)];
        cache.put(mm, Vaddr(va), PtLevel(level), table);
        naive.put(mm, va, level, table);
      }
    }
    CHECK(found > 10000);
  }
}

TEST_CASE("a page fault drops the tables of its own address, INVLPG those of the address space") {
  Tlb tlb;
  std::uint64_t table[3] = {};
  const Vaddr here(0x200000), there(0x8000000000);
  const auto fill = [&] {
    tlb.flush_all();
    tlb.walk_cache.put(1, here, PtLevel::pte, &table[0]);
    tlb.walk_cache.put(1, there, PtLevel::pte, &table[1]);
    tlb.walk_cache.put(2, here, PtLevel::pte, &table[2]);
  };
  fill();
  tlb.page_fault(1, here + 0x1000);
  CHECK(tlb.walk_cache.find(1, here, PtLevel::pte) == nullptr);
  CHECK(tlb.walk_cache.find(1, there, PtLevel::pte) == &table[1]);
  fill();
  tlb.invalidate_page(1, here);
  CHECK(tlb.walk_cache.find(1, there, PtLevel::pte) == nullptr);
  CHECK(tlb.walk_cache.find(2, here, PtLevel::pte) == &table[2]);
}

TEST_CASE("for_each names every entry") {
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
