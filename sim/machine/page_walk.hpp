// The hardware page walker of one CPU: from an address and an access to a leaf entry or a
// page-fault error code, setting A on the way and D on a permitted store (SDM volume 3, chapter 4).
// A walk begins at the lowest table that the paging-structure caches know. Left out: protection
// keys, shadow stacks, reserved-bit faults, tables in pmem.
#pragma once

#include <cstdint>
#include <faultline/types.hpp>

#include "machine/page_table.hpp"
#include "machine/walk_cache.hpp"

namespace faultline {

enum class Access : std::uint8_t { read, write, exec };
enum class PageSize : std::uint8_t { none, small, huge, giant };  ///< none, 4 KiB, 2 MiB, 1 GiB

/// log2 of the bytes of a page; not of none.
constexpr unsigned page_shift(PageSize size) { return PAGE_SHIFT + 9 * (unsigned(size) - 1); }

inline constexpr std::uint32_t X86_PF_PROT = 1U << 0;
inline constexpr std::uint32_t X86_PF_WRITE = 1U << 1;
inline constexpr std::uint32_t X86_PF_USER = 1U << 2;
inline constexpr std::uint32_t X86_PF_RSVD = 1U << 3;
inline constexpr std::uint32_t X86_PF_INSTR = 1U << 4;

/// Physical address that a leaf of a size gives for `va`.
constexpr Paddr leaf_phys(std::uint64_t entry, PageSize size, Vaddr va) {
  const std::uint64_t offset = size == PageSize::small  ? PAGE_SIZE - 1
                               : size == PageSize::huge ? PMD_SIZE - 1
                                                        : PUD_SIZE - 1;
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
  std::uint8_t levels{};       ///< entries read, 1..5
  std::uint8_t uncached{};     ///< of those, not in the caches
  std::uint32_t error_code{};  ///< X86_PF_* bits, for outcome fault
  std::uint64_t* entry{};      ///< last entry read
  std::uint64_t value{};       ///< its word after A and D were set; for Tlb::insert
  Paddr phys(Vaddr va) const { return leaf_phys(value, size, va); }
};

/// Walks the tables of one mm for one access. Sets A on every entry used and D on the leaf of a
/// permitted store; a refused access changes nothing in the leaf. `user`: the access is made at
/// CPL 3. A supervisor store honours RW (CR0.WP is set, as Linux sets it).
inline WalkResult walk(const PageTables& tables, WalkCache& cache, Vaddr va, Access access,
                       bool user) {
  WalkResult r;
  if (!canonical(va, tables.levels())) [[unlikely]] {
    r.outcome = WalkOutcome::general_protection;
    return r;
  }
  auto level = unsigned(tables.top());
  std::uint64_t* table = tables.pgd_entries();
  for (unsigned l = 0; l < unsigned(tables.top()); ++l) {
    std::uint64_t* const known = cache.find(tables.mm_id(), va, PtLevel(l));
    if (known == nullptr) continue;
    table = known;
    level = l;
    break;
  }
  const unsigned first = level;
  r.error_code = (access == Access::write ? X86_PF_WRITE : 0) | (user ? X86_PF_USER : 0) |
                 (access == Access::exec ? X86_PF_INSTR : 0);
  const std::uint64_t need = (access == Access::write ? PTE_RW : 0) | (user ? PTE_US : 0);
  const auto is_leaf = [&](std::uint64_t value) {
    return level == unsigned(PtLevel::pte) ||
           (level <= unsigned(PtLevel::pud) && (value & PTE_PS) != 0);
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
    cache.put(tables.mm_id(), va, PtLevel(level), table);
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
  r.size = PageSize(unsigned(r.level) + 1);
  r.error_code = 0;
  return r;
}

}  // namespace faultline
