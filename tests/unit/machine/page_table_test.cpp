// Page tables and the walker, against a map of leaves and against what the SDM says of A and D.
#include "machine/page_table.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "base/rng.hpp"
#include "catch.hpp"
#include "machine/page_walk.hpp"

using namespace faultline;

namespace {

constexpr pgprot_t rw{PAGE_SHARED.v & ~PTE_A};
constexpr pgprot_t ro{PAGE_READONLY.v & ~PTE_A};

struct Machine {
  FrameAllocator frames{1ULL << 32};
  TablePool pool{frames};
  PageTables mm{pool, 1};
};

// As the kernel does it, without the locks.
pmd_ptr make_pmd(PageTables& mm, Vaddr va) {
  const pgd_ptr pgd = mm.pgd_offset(va);
  if (mm.pgd_none(*pgd)) mm.pgd_populate(pgd, mm.alloc_table(PtLevel::p4d));
  const p4d_ptr p4d = mm.p4d_offset(pgd, va);
  if (p4d_none(*p4d)) mm.p4d_populate(p4d, mm.alloc_table(PtLevel::pud));
  const pud_ptr pud = mm.pud_offset(p4d, va);
  if (pud_none(*pud)) mm.pud_populate(pud, mm.alloc_table(PtLevel::pmd));
  return mm.pmd_offset(pud, va);
}

pte_ptr make_pte(PageTables& mm, Vaddr va) {
  const pmd_ptr pmd = make_pmd(mm, va);
  if (pmd_none(*pmd)) mm.pmd_populate(pmd, mm.alloc_table(PtLevel::pte));
  return mm.pte_offset(pmd, va);
}

}  // namespace

TEST_CASE("entry bits are those of the architecture") {
  const pte_t e = pte_mkdirty(pte_mkwrite(mk_pte(Pfn(0x12345), ro)));
  CHECK((e.v & ~PTE_SOFT_DIRTY) == 0x8000000012345047ULL);  // NX, pfn, D, US, RW, P
  CHECK(pte_pfn(e) == Pfn(0x12345));
  CHECK(pte_present(e));
  CHECK(pte_write(e));
  CHECK(pte_dirty(e));
  CHECK_FALSE(pte_young(e));
  CHECK_FALSE(pte_special(e));
  CHECK(pte_special(pte_mkspecial(e)));
  CHECK((pte_mkspecial(e).v ^ e.v) == 0x200);
  CHECK_FALSE(pte_write(pte_wrprotect(e)));
  CHECK(pte_dirty(pte_wrprotect(e)));
  CHECK_FALSE(pte_dirty(pte_mkclean(e)));
  CHECK(pte_none(pte_t{}));
  const pte_t none = mk_pte(Pfn(7), PAGE_NONE);
  CHECK(pte_present(none));
  CHECK(pte_protnone(none));
  CHECK((none.v & PTE_P) == 0);
  const pte_t modified = pte_modify(e, PAGE_READONLY);
  CHECK_FALSE(pte_write(modified));
  CHECK(pte_dirty(modified));
  CHECK(pte_pfn(modified) == Pfn(0x12345));
  const pmd_t huge = pmd_mkhuge(pfn_pmd(Pfn(0x400), rw));
  CHECK(pmd_leaf(huge));
  CHECK(pmd_trans_huge(huge));
  CHECK_FALSE(pmd_trans_huge(pmd_mkdevmap(huge)));
  CHECK(pmd_leaf(pmd_modify(huge, ro)));
  CHECK(pmd_pfn(huge) == Pfn(0x400));
  CHECK(cache_mode(pgprot_writecombine(rw).v) == CacheMode::wc);
  CHECK(cache_mode(pgprot_noncached(rw).v) == CacheMode::uc_minus);
}

TEST_CASE("tables are counted, found by entry, and numbered per mm") {
  Machine m;
  PageTables other(m.pool, 2);
  CHECK(m.mm.pgtables_bytes() == 0);
  const Vaddr va(0x7f0000201000);
  const pte_ptr pte = make_pte(m.mm, va);
  CHECK(m.mm.pgtables_bytes() == 3 * PAGE_SIZE);
  const PageTable* t = PageTables::table_of(pte);
  CHECK(t->level == PtLevel::pte);
  CHECK(t->mm_id == 1);
  CHECK(t->id == 4);  // pgd, pud, pmd, pte
  const pmd_ptr pmd = make_pmd(m.mm, va);
  CHECK(m.mm.pte_table(*pmd) == t);
  CHECK(PageTables::table_of(pmd)->id == 3);
  CHECK(PageTables::table_of(other.pgd_offset(va))->id == 1);
  CHECK(pmd_pfn(*pmd) == m.pool.pfn(t));
  CHECK((*pmd).v % PAGE_SIZE == PTE_TABLE);
  CHECK(m.pool.live() == 5);
  PageTable* spare = m.mm.alloc_table(PtLevel::pte);  // lost the race
  CHECK(m.mm.pgtables_bytes() == 3 * PAGE_SIZE);
  m.mm.free_table(spare);
  CHECK(m.pool.live() == 5);
}

TEST_CASE("look-up agrees with a map of leaves over random changes") {
  Machine m;
  Rng rng(7);
  std::map<std::uint64_t, std::uint64_t> small, huge;  // page start -> entry
  for (int step = 0; step < 60000; ++step) {
    // Few regions of each level, so that tables are shared, and the ends of the address space.
    const std::uint64_t top[] = {0, 1ULL << 39, (1ULL << 47) - P4D_SIZE};
    const Vaddr va(top[rng.below(3)] + rng.below(2) * PUD_SIZE + rng.below(3) * PMD_SIZE +
                   rng.below(512) * PAGE_SIZE);
    const std::uint64_t page = va.v, block = va.v & PMD_MASK;
    switch (rng.below(4)) {
      case 0:
      case 1: {
        if (huge.count(block) != 0) break;
        const pte_t e = mk_pte(Pfn(rng.below(1ULL << 36)), rw);
        set_pte(make_pte(m.mm, va), e);
        small[page] = e.v;
        break;
      }
      case 2: {
        if (huge.count(block) != 0) {
          pmd_clear(make_pmd(m.mm, va));
          huge.erase(block);
        } else if (small.erase(page) != 0) {
          pte_clear(make_pte(m.mm, va));
        }
        break;
      }
      case 3: {
        if (!pmd_none(*make_pmd(m.mm, va))) break;
        const pmd_t e = pmd_mkhuge(pfn_pmd(Pfn(rng.below(1ULL << 27) << 9), rw));
        set_pmd(make_pmd(m.mm, va), e);
        huge[block] = e.v;
        break;
      }
    }
    const EntryAt at = m.mm.lookup(va);
    const auto s = small.find(page), h = huge.find(block);
    const std::uint64_t want = h != huge.end() ? h->second : s != small.end() ? s->second : 0;
    REQUIRE(*at.entry == want);
    if (h != huge.end()) REQUIRE(at.level == PtLevel::pmd);
    if (s != small.end()) REQUIRE(at.level == PtLevel::pte);
  }
}

TEST_CASE("a walk sets A, sets D only for a permitted store, and gives the error code") {
  Machine m;
  WalkCache cache;
  const Vaddr va(0x10000123);
  WalkResult r = walk(m.mm, cache, va, Access::write, true);
  CHECK(r.outcome == WalkOutcome::fault);
  CHECK(r.error_code == (X86_PF_WRITE | X86_PF_USER));
  CHECK(r.level == PtLevel::p4d);
  CHECK(r.levels == 1);
  set_pte(make_pte(m.mm, va), mk_pte(Pfn(0x500), ro));
  r = walk(m.mm, cache, va, Access::write, true);
  CHECK(r.outcome == WalkOutcome::fault);
  CHECK(r.error_code == (X86_PF_PROT | X86_PF_WRITE | X86_PF_USER));
  CHECK_FALSE(pte_young(*make_pte(m.mm, va)));
  r = walk(m.mm, cache, va, Access::write, false);
  CHECK(r.error_code == (X86_PF_PROT | X86_PF_WRITE));  // CR0.WP
  r = walk(m.mm, cache, va, Access::read, true);
  REQUIRE(r.outcome == WalkOutcome::ok);
  CHECK(r.size == PageSize::small);
  CHECK(r.phys(va) == Paddr(0x500123));
  CHECK(pte_young(*make_pte(m.mm, va)));
  CHECK_FALSE(pte_dirty(*make_pte(m.mm, va)));
  set_pte(make_pte(m.mm, va), mk_pte(Pfn(0x500), rw));
  r = walk(m.mm, cache, va, Access::write, true);
  REQUIRE(r.outcome == WalkOutcome::ok);
  CHECK(pte_dirty(*make_pte(m.mm, va)));
  CHECK(r.value == (*make_pte(m.mm, va)).v);
  r = walk(m.mm, cache, va, Access::exec, true);
  CHECK(r.error_code == (X86_PF_PROT | X86_PF_USER | X86_PF_INSTR));
  set_pte(make_pte(m.mm, va), mk_pte(Pfn(0x500), PAGE_NONE));
  r = walk(m.mm, cache, va, Access::read, true);
  CHECK(r.error_code == X86_PF_USER);  // to the hardware PROT_NONE is not present

  const Vaddr far(0x40000000);
  set_pmd(make_pmd(m.mm, far), pmd_mkhuge(pfn_pmd(Pfn(0x40000), rw)));
  r = walk(m.mm, cache, far + 0x123456, Access::write, true);
  REQUIRE(r.outcome == WalkOutcome::ok);
  CHECK(r.size == PageSize::huge);
  CHECK(r.level == PtLevel::pmd);
  CHECK(r.phys(far + 0x123456) == Paddr(0x40123456));
  CHECK(pmd_dirty(*make_pmd(m.mm, far)));
}

TEST_CASE("any 64-bit address can be walked") {
  Machine m;
  WalkCache cache;
  set_pte(make_pte(m.mm, Vaddr(0)), mk_pte(Pfn(1), rw));
  CHECK(walk(m.mm, cache, Vaddr(0), Access::read, true).outcome == WalkOutcome::ok);
  for (const std::uint64_t v :
       {1ULL << 48, 1ULL << 47, 0x8000000000000000ULL, 0xffff7fffffffffffULL}) {
    CHECK(walk(m.mm, cache, Vaddr(v), Access::read, true).outcome ==
          WalkOutcome::general_protection);
  }
  for (const std::uint64_t v : {~0ULL, 0xffff800000000000ULL, (1ULL << 47) - 1}) {
    const WalkResult r = walk(m.mm, cache, Vaddr(v), Access::read, true);
    CHECK(r.outcome == WalkOutcome::fault);
    CHECK(r.error_code == X86_PF_USER);
  }
}

TEST_CASE("the paging-structure cache and cached lines make walks cheaper") {
  Machine m;
  WalkCache cache;
  const Vaddr base(0x7f0000000000);
  for (std::uint64_t i = 0; i < 1024; ++i) {
    set_pte(make_pte(m.mm, base + i * PAGE_SIZE), mk_pte(Pfn(0x1000 + i), rw));
  }
  unsigned uncached = 0, levels = 0;
  for (std::uint64_t i = 0; i < 1024; ++i) {
    const WalkResult r = walk(m.mm, cache, base + i * PAGE_SIZE, Access::read, true);
    uncached += r.uncached;
    levels += r.levels;
  }
  // First walk 4 entries; the second table 2 (its pmd entry shares a line); then 1 each. Lines: the
  // three upper ones once, and one in eight PTEs.
  CHECK(levels == 4 + 2 + 1022);
  CHECK(uncached == 3 + 1024 / 8);
  cache.flush(1);
  const WalkResult r = walk(m.mm, cache, base + 1023 * PAGE_SIZE, Access::read, true);
  CHECK(r.levels == 4);
  CHECK(r.uncached == 0);
  // Another mm with the same addresses must not use the cached tables of the first.
  PageTables other(m.pool, 2);
  CHECK(walk(other, cache, base, Access::read, true).outcome == WalkOutcome::fault);
}

TEST_CASE("a 1 GiB leaf ends a walk at the PUD level, and its table is not a child") {
  Machine m;
  WalkCache cache;
  const Vaddr va(0x80000000);
  make_pmd(m.mm, va + PUD_SIZE);  // makes the PUD table
  const pud_ptr pud = m.mm.pud_offset(m.mm.p4d_offset(m.mm.pgd_offset(va), va), va);
  pud.set(pud_mkhuge(pfn_pud(Pfn(0x240000), ro)));
  CHECK(pud_pfn(*pud) == Pfn(0x240000));
  const Vaddr inside = va + 0x3edcb987;
  WalkResult r = walk(m.mm, cache, inside, Access::read, true);
  REQUIRE(r.outcome == WalkOutcome::ok);
  CHECK(r.size == PageSize::giant);
  CHECK(r.levels == 2);
  CHECK(r.phys(inside) == Paddr(0x240000000 + 0x3edcb987));
  CHECK(walk(m.mm, cache, inside, Access::write, true).error_code ==
        (X86_PF_PROT | X86_PF_WRITE | X86_PF_USER));
  CHECK(m.mm.lookup(inside).level == PtLevel::pud);
  const FreedTables f = m.mm.free_pgtables(va, va + 2 * PUD_SIZE, Vaddr(0), Vaddr(0));
  CHECK(f.pud == 1);
  CHECK(f.pmd == 1);
  CHECK(f.pte == 0);
}

TEST_CASE("five levels: one more table, and addresses of 57 bits") {
  FrameAllocator frames{1ULL << 32};
  TablePool pool{frames};
  PageTables mm(pool, 1, 5);
  WalkCache cache;
  const Vaddr low(0x7f0000001000), high((1ULL << 52) + 0x7f0000001000);
  set_pte(make_pte(mm, low), mk_pte(Pfn(1), rw));
  set_pte(make_pte(mm, high), mk_pte(Pfn(2), rw));
  CHECK(pool.live() == 1 + 2 * 4);
  CHECK(mm.pgtables_bytes() == 2 * 3 * PAGE_SIZE);  // P4D tables are not counted
  WalkResult r = walk(mm, cache, high, Access::read, true);
  REQUIRE(r.outcome == WalkOutcome::ok);
  CHECK(r.levels == 5);
  CHECK(r.phys(high) == Paddr(0x2000));
  CHECK(walk(mm, cache, low, Access::read, true).phys(low) == Paddr(0x1000));
  CHECK(walk(mm, cache, high, Access::read, true).levels == 1);
  CHECK(walk(mm, cache, Vaddr(1ULL << 56), Access::read, true).outcome ==
        WalkOutcome::general_protection);
  CHECK(walk(mm, cache, Vaddr((1ULL << 56) - 1), Access::read, true).outcome == WalkOutcome::fault);
  PageTables four(pool, 2);
  CHECK(walk(four, cache, Vaddr(1ULL << 47), Access::read, true).outcome ==
        WalkOutcome::general_protection);
  // The P4D table goes when nothing else lies below its entry, which is 256 TiB.
  FreedTables f = mm.free_pgtables(high, high + PAGE_SIZE, Vaddr(1ULL << 52), Vaddr(0));
  CHECK(f.pte == 1);
  CHECK(f.pmd == 1);
  CHECK(f.pud == 1);
  CHECK(f.p4d == 1);
  f = mm.free_pgtables(low, low + PAGE_SIZE, Vaddr(0), Vaddr(1ULL << 47));
  CHECK(f.pud == 1);
  CHECK(f.p4d == 0);
}

TEST_CASE("tables are freed between floor and ceiling as free_pgd_range does") {
  Machine m;
  const Vaddr a(0x40000000), b(0x40200000), c(0x40400000);  // three tables under one pmd table
  for (const Vaddr va : {a, b, c}) make_pte(m.mm, va);
  REQUIRE(m.mm.pgtables_bytes() == 5 * PAGE_SIZE);
  // The neighbours' VMAs reach into the tables of a and c.
  FreedTables f = m.mm.free_pgtables(a + 0x10000, c + 0x10000, a + 0x1000, c + 0x20000);
  CHECK(f.pte == 1);
  CHECK(f.total() == 1);
  CHECK(pmd_none(*make_pmd(m.mm, b)));
  CHECK_FALSE(pmd_none(*make_pmd(m.mm, a)));
  CHECK_FALSE(pmd_none(*make_pmd(m.mm, c)));
  // A ceiling below the end of the pud keeps the pmd table.
  f = m.mm.free_pgtables(a, c + 0x1000, Vaddr(0), c + PMD_SIZE);
  CHECK(f.pte == 2);
  CHECK(f.total() == 2);
  make_pte(m.mm, a);
  set_pte(make_pte(m.mm, a), mk_pte(Pfn(5), rw));
  f = m.mm.free_pgtables(a, a + 0x1000, Vaddr(0), Vaddr(0));
  CHECK(f.pte == 1);
  CHECK(f.pmd == 1);
  CHECK(f.pud == 1);
  CHECK(f.stale == 1);
  CHECK(m.mm.pgtables_bytes() == 0);
  CHECK(m.pool.live() == 1);
}

TEST_CASE("freed tables agree with a rule over random ranges") {
  Rng rng(11);
  for (int round = 0; round < 300; ++round) {
    Machine m;
    std::set<std::uint64_t> tables[3];  // by level: start of what the table translates
    for (int i = 0; i < 12; ++i) {
      const Vaddr va(rng.below(3) * P4D_SIZE + rng.below(3) * PUD_SIZE + rng.below(4) * PMD_SIZE);
      make_pte(m.mm, va);
      for (unsigned l = 0; l < 3; ++l) tables[l].insert(va.v >> (21 + 9 * l) << (21 + 9 * l));
    }
    std::uint64_t p[4];
    for (auto& x : p) {
      x = (rng.below(3) * P4D_SIZE + rng.below(3) * PUD_SIZE + rng.below(4) * PMD_SIZE +
           rng.below(3) * 0x10000);
    }
    std::sort(p, p + 4);
    if (p[1] == p[2]) p[2] += PAGE_SIZE, p[3] += PAGE_SIZE;
    if (rng.below(3) == 0) p[3] = 0;
    const auto freed = [&](unsigned l, std::uint64_t start) {
      const std::uint64_t last = start + (1ULL << (21 + 9 * l)) - 1;
      return start < p[2] && last >= p[1] && start >= p[0] && last <= p[3] - 1;
    };
    unsigned want[3] = {}, stale = 0;
    for (unsigned l = 0; l < 3; ++l) {
      for (const std::uint64_t start : tables[l]) {
        want[l] += freed(l, start);
        // A table that goes while one below it, outside of [start, end), stays.
        const unsigned up = 21 + 9 * (l + 1);
        stale += l < 2 && !freed(l, start) && freed(l + 1, start >> up << up);
      }
    }
    const FreedTables f = m.mm.free_pgtables(Vaddr(p[1]), Vaddr(p[2]), Vaddr(p[0]), Vaddr(p[3]));
    REQUIRE(f.pte == want[0]);
    REQUIRE(f.pmd == want[1]);
    REQUIRE(f.pud == want[2]);
    REQUIRE(f.stale == stale);
    const auto all = tables[0].size() + tables[1].size() + tables[2].size();
    REQUIRE(m.mm.pgtables_bytes() == (all - f.total()) * PAGE_SIZE);
  }
}

TEST_CASE("a mapped page costs about 8.1 bytes of table memory") {
  Machine m;
  constexpr std::uint64_t pages = 1 << 20;
  for (std::uint64_t i = 0; i < pages; ++i) {
    set_pte(make_pte(m.mm, Vaddr(0x7f0000000000 + i * PAGE_SIZE)), mk_pte(Pfn(i), rw));
  }
  CHECK(m.mm.pgtables_bytes() == (2048 + 4 + 1) * PAGE_SIZE);
  CHECK(m.pool.host_bytes() * 10 < pages * 83);  // 8.3 with what a chunk may leave over
}

TEST_CASE("tables run out with the DRAM and come back") {
  FrameAllocator frames(PMD_SIZE);  // 512 frames, 256 of them the firmware's
  TablePool pool(frames);
  unsigned n = 0;
  PageTable* last = nullptr;
  while (PageTable* t = pool.alloc(PtLevel::pte, 1, n + 1)) last = t, ++n;
  CHECK(n == 3 * 63);        // four chunks claimed, the first left empty
  last->entries()[511] = 1;  // a table is clean again for its next user
  pool.free(last);
  CHECK(pool.alloc(PtLevel::pmd, 1, 1) == last);
  CHECK(last->level == PtLevel::pmd);
  CHECK(last->entries()[511] == 0);
  CHECK(pool.alloc(PtLevel::pmd, 1, 1) == nullptr);
}
