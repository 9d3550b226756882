// The hardware page walker of one CPU: from an address and an access to a leaf entry or a
// page-fault error code, setting A on the way and D on a permitted store (SDM volume 3, chapter 4).
// The paging-structure cache is modelled as the last table reached at each level, and the data
// caches as the last 64-byte line of entries read at each level: enough to make sequential faults
// cheap and far jumps dear. Left out: protection keys, shadow stacks, reserved-bit faults, tables
// in pmem.
#pragma once

#include <array>
#include <cstdint>
#include <faultline/types.hpp>

#include "machine/page_table.hpp"

namespace faultline {

enum class Access : std::uint8_t { read, write, exec };
enum class PageSize : std::uint8_t { none, small, huge };  ///< none, 4 KiB, 2 MiB

inline constexpr std::uint32_t X86_PF_PROT = 1U << 0;
inline constexpr std::uint32_t X86_PF_WRITE = 1U << 1;
inline constexpr std::uint32_t X86_PF_USER = 1U << 2;
inline constexpr std::uint32_t X86_PF_RSVD = 1U << 3;
inline constexpr std::uint32_t X86_PF_INSTR = 1U << 4;

/// Physical address that a leaf of a size gives for `va`.
constexpr Paddr leaf_phys(std::uint64_t entry, PageSize size, Vaddr va) {
  const std::uint64_t offset = size == PageSize::huge ? PMD_SIZE - 1 : PAGE_SIZE - 1;
  return Paddr((entry & PTE_PFN_MASK & ~offset) | (va.v & offset));
}

enum class WalkOutcome : std::uint8_t {
  ok,
  fault,              ///< #PF with `error_code`
  general_protection  ///< the address is not canonical: #GP, nothing was read
};

struct WalkResult {
  WalkOutcome outcome{};
  PageSize size{};             ///< of the leaf; none unless outcome is ok
  PtLevel level{};             ///< of the last entry read
  std::uint8_t levels{};       ///< entries read, 1..4
  std::uint8_t uncached{};     ///< of those, not in the caches
  std::uint32_t error_code{};  ///< X86_PF_* bits, for outcome fault
  std::uint64_t* entry{};      ///< last entry read
  std::uint64_t value{};       ///< its word after A and D were set; for Tlb::insert
  Paddr phys(Vaddr va) const { return leaf_phys(value, size, va); }
};

/// Paging-structure cache and cached entry lines of one CPU. Holds host addresses of pool memory,
/// but compares them for equality only, which is the same as comparing table numbers.
struct WalkCache {
  struct Last {
    std::uint64_t tag{};  // mm id and address above the table's span; 0: empty
    std::uint64_t* entries{};
  };
  std::array<Last, 3> last{};                  // the pte, pmd and pud table reached last
  std::array<const std::uint64_t*, 4> line{};  // entry line read last, per level

  static std::uint64_t tag_of(std::uint32_t mm_id, Vaddr va, PtLevel table) {
    const std::uint64_t high = (va.v & ((1ULL << 48) - 1)) >> (level_shift(table) + 9);
    return (std::uint64_t(mm_id) << 27) | high;
  }
  /// Drops the table pointers (of every mm: INVLPG and CR3 loads do not keep a chosen few). The
  /// entry lines stay: they are data-cache state.
  void flush() { last = {}; }
};

/// Walks the tables of one mm for one access. Sets A on every entry used and D on the leaf of a
/// permitted store; a refused access changes nothing in the leaf. `user`: the access is made at
/// CPL 3. A supervisor store honours RW (CR0.WP is set, as Linux sets it).
inline WalkResult walk(const PageTables& tables, WalkCache& cache, Vaddr va, Access access,
                       bool user) {
  WalkResult r;
  if (!canonical(va)) [[unlikely]] {
    r.outcome = WalkOutcome::general_protection;
    return r;
  }
  auto level = unsigned(PtLevel::pgd);
  std::uint64_t* table = tables.pgd_entries();
  for (unsigned l = 0; l < 3; ++l) {
    if (cache.last[l].tag == WalkCache::tag_of(tables.mm_id(), va, PtLevel(l))) {
      table = cache.last[l].entries;
      level = l;
      break;
    }
  }
  const unsigned first = level;
  r.error_code = (access == Access::write ? X86_PF_WRITE : 0) | (user ? X86_PF_USER : 0) |
                 (access == Access::exec ? X86_PF_INSTR : 0);
  const std::uint64_t need = (access == Access::write ? PTE_RW : 0) | (user ? PTE_US : 0);
  const auto is_leaf = [&](std::uint64_t value) {
    return level == unsigned(PtLevel::pte) ||
           (level == unsigned(PtLevel::pmd) && (value & PTE_PS) != 0);
  };
  std::uint64_t* entry = nullptr;
  for (;;) {
    entry = table + level_index(va, PtLevel(level));
    const std::uint64_t* line = table + (level_index(va, PtLevel(level)) & ~7U);
    if (cache.line[level] != line) {
      cache.line[level] = line;
      ++r.uncached;
    }
    const std::uint64_t value = *entry;
    if (!(value & PTE_P) || is_leaf(value)) break;
    *entry = value | PTE_A;
    table = tables.pool().entries(Pfn((value & PTE_PFN_MASK) >> PAGE_SHIFT));
    --level;
    cache.last[level] = {WalkCache::tag_of(tables.mm_id(), va, PtLevel(level)), table};
  }
  r.entry = entry;
  r.value = *entry;
  r.level = PtLevel(level);
  r.levels = std::uint8_t(first - level + 1);
  if (!(r.value & PTE_P)) {
    r.outcome = WalkOutcome::fault;
    return r;
  }
  if ((r.value & need) != need || (access == Access::exec && (r.value & PTE_NX))) {
    r.outcome = WalkOutcome::fault;
    r.error_code |= X86_PF_PROT;
    return r;
  }
  r.value |= access == Access::write ? PTE_A | PTE_D : PTE_A;
  *entry = r.value;
  r.size = r.level == PtLevel::pte ? PageSize::small : PageSize::huge;
  r.error_code = 0;
  return r;
}

}  // namespace faultline
