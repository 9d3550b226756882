// One entry of an x86-64 page table: bits, predicates and constructors under Linux' names
// (arch/x86/include/asm/pgtable.h and pgtable_types.h, 6.12). Entries are plain 64-bit words; the
// wrappers only keep a pmd from being used as a pte. Left out: swap and migration entries,
// protection keys, the saved-dirty bit of shadow stacks (a write-protected entry keeps D), and the
// inverted frame number of PROT_NONE entries.
#pragma once

#include <cstdint>
#include <faultline/types.hpp>

namespace faultline {

inline constexpr std::uint64_t PTE_P = 1ULL << 0;         ///< present
inline constexpr std::uint64_t PTE_RW = 1ULL << 1;        ///< stores allowed
inline constexpr std::uint64_t PTE_US = 1ULL << 2;        ///< user mode allowed
inline constexpr std::uint64_t PTE_PWT = 1ULL << 3;       ///< cache mode, low bit (see cache_mode)
inline constexpr std::uint64_t PTE_PCD = 1ULL << 4;       ///< cache mode, high bit
inline constexpr std::uint64_t PTE_A = 1ULL << 5;         ///< accessed
inline constexpr std::uint64_t PTE_D = 1ULL << 6;         ///< dirty
inline constexpr std::uint64_t PTE_PS = 1ULL << 7;        ///< leaf above the PTE level
inline constexpr std::uint64_t PTE_PROTNONE = 1ULL << 8;  ///< P clear: PROT_NONE page that exists
inline constexpr std::uint64_t PTE_SPECIAL = 1ULL << 9;   ///< software: no struct page behind it
inline constexpr std::uint64_t PTE_SOFT_DIRTY = 1ULL << 11;
/// Software: an anonymous page that a fork has shared and nobody has claimed since. Stands for the
/// cleared page flag AnonExclusive, which Linux keeps in the page.
inline constexpr std::uint64_t PTE_SHARED_ANON = 1ULL << 57;
inline constexpr std::uint64_t PTE_DEVMAP = 1ULL << 58;  ///< software: page of a DAX device
inline constexpr std::uint64_t PTE_NX = 1ULL << 63;      ///< no instruction fetch
inline constexpr std::uint64_t PTE_PFN_MASK = 0x000ffffffffff000ULL;
inline constexpr std::uint64_t PTE_TABLE = PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D;
/// What pte_modify keeps of the old entry.
inline constexpr std::uint64_t PTE_CHG_MASK = PTE_PFN_MASK | PTE_PWT | PTE_PCD | PTE_SPECIAL |
                                              PTE_A | PTE_D | PTE_SOFT_DIRTY | PTE_SHARED_ANON |
                                              PTE_DEVMAP;

/// Protection bits of an entry without a frame number.
struct pgprot_t {
  std::uint64_t v{};
  friend constexpr bool operator==(pgprot_t, pgprot_t) = default;
};

inline constexpr pgprot_t PAGE_NONE{PTE_A | PTE_PROTNONE};
inline constexpr pgprot_t PAGE_READONLY{PTE_P | PTE_US | PTE_A | PTE_NX};
inline constexpr pgprot_t PAGE_READONLY_EXEC{PTE_P | PTE_US | PTE_A};
inline constexpr pgprot_t PAGE_SHARED{PTE_P | PTE_RW | PTE_US | PTE_A | PTE_NX};
inline constexpr pgprot_t PAGE_SHARED_EXEC{PTE_P | PTE_RW | PTE_US | PTE_A};
inline constexpr pgprot_t PAGE_COPY = PAGE_READONLY;
inline constexpr pgprot_t PAGE_COPY_EXEC = PAGE_READONLY_EXEC;

/// Cache mode as Linux programs the PAT: index PCD*2 + PWT.
enum class CacheMode : std::uint8_t { wb = 0, wc = 1, uc_minus = 2, uc = 3 };
constexpr CacheMode cache_mode(std::uint64_t entry) { return CacheMode((entry >> 3) & 3); }
constexpr pgprot_t pgprot_noncached(pgprot_t p) { return {(p.v & ~PTE_PWT) | PTE_PCD}; }
constexpr pgprot_t pgprot_writecombine(pgprot_t p) { return {(p.v & ~PTE_PCD) | PTE_PWT}; }

struct pte_t {
  std::uint64_t v{};
  friend constexpr bool operator==(pte_t, pte_t) = default;
};
struct pmd_t {
  std::uint64_t v{};
  friend constexpr bool operator==(pmd_t, pmd_t) = default;
};
struct pud_t {
  std::uint64_t v{};
  friend constexpr bool operator==(pud_t, pud_t) = default;
};
struct p4d_t {
  std::uint64_t v{};
  friend constexpr bool operator==(p4d_t, p4d_t) = default;
};
struct pgd_t {
  std::uint64_t v{};
  friend constexpr bool operator==(pgd_t, pgd_t) = default;
};

/// A nullable pointer to an entry inside a table, typed by level. Reading and writing are plain
/// loads and stores of the word: the locks are the caller's business, as in Linux.
template <class Entry>
class EntryPtr {
 public:
  constexpr EntryPtr() = default;
  constexpr explicit EntryPtr(std::uint64_t* word) : word_(word) {}
  constexpr explicit operator bool() const { return word_ != nullptr; }
  constexpr Entry operator*() const { return Entry{*word_}; }
  constexpr void set(Entry e) const { *word_ = e.v; }
  constexpr std::uint64_t* word() const { return word_; }
  friend constexpr bool operator==(EntryPtr, EntryPtr) = default;

 private:
  std::uint64_t* word_ = nullptr;
};
using pte_ptr = EntryPtr<pte_t>;
using pmd_ptr = EntryPtr<pmd_t>;
using pud_ptr = EntryPtr<pud_t>;
using p4d_ptr = EntryPtr<p4d_t>;
using pgd_ptr = EntryPtr<pgd_t>;

constexpr bool pte_none(pte_t e) { return e.v == 0; }
constexpr bool pte_present(pte_t e) { return (e.v & (PTE_P | PTE_PROTNONE)) != 0; }
constexpr bool pte_protnone(pte_t e) { return (e.v & (PTE_P | PTE_PROTNONE)) == PTE_PROTNONE; }
constexpr bool pte_write(pte_t e) { return (e.v & PTE_RW) != 0; }
constexpr bool pte_dirty(pte_t e) { return (e.v & PTE_D) != 0; }
constexpr bool pte_young(pte_t e) { return (e.v & PTE_A) != 0; }
constexpr bool pte_special(pte_t e) { return (e.v & PTE_SPECIAL) != 0; }
constexpr bool pte_devmap(pte_t e) { return (e.v & PTE_DEVMAP) != 0; }
constexpr bool pte_soft_dirty(pte_t e) { return (e.v & PTE_SOFT_DIRTY) != 0; }
constexpr bool pte_same(pte_t a, pte_t b) { return a.v == b.v; }
constexpr Pfn pte_pfn(pte_t e) { return Pfn((e.v & PTE_PFN_MASK) >> PAGE_SHIFT); }
/// Whether a fork may have left this anonymous page to more than one process.
constexpr bool pte_shared_anon(pte_t e) { return (e.v & PTE_SHARED_ANON) != 0; }
constexpr pgprot_t pte_pgprot(pte_t e) { return {e.v & ~PTE_PFN_MASK}; }

constexpr pte_t pfn_pte(Pfn pfn, pgprot_t prot) {
  return {((pfn.v << PAGE_SHIFT) & PTE_PFN_MASK) | prot.v};
}
constexpr pte_t mk_pte(Pfn pfn, pgprot_t prot) { return pfn_pte(pfn, prot); }
constexpr pte_t pte_mkwrite(pte_t e) { return {e.v | PTE_RW}; }
constexpr pte_t pte_wrprotect(pte_t e) { return {e.v & ~PTE_RW}; }
constexpr pte_t pte_mkdirty(pte_t e) { return {e.v | PTE_D | PTE_SOFT_DIRTY}; }
constexpr pte_t pte_mkclean(pte_t e) { return {e.v & ~PTE_D}; }
constexpr pte_t pte_mkyoung(pte_t e) { return {e.v | PTE_A}; }
constexpr pte_t pte_mkold(pte_t e) { return {e.v & ~PTE_A}; }
constexpr pte_t pte_mkspecial(pte_t e) { return {e.v | PTE_SPECIAL}; }
constexpr pte_t pte_mkdevmap(pte_t e) { return {e.v | PTE_SPECIAL | PTE_DEVMAP}; }
constexpr pte_t pte_mkshared_anon(pte_t e) { return {e.v | PTE_SHARED_ANON}; }
constexpr pte_t pte_mkexclusive(pte_t e) { return {e.v & ~PTE_SHARED_ANON}; }
constexpr pte_t pte_modify(pte_t e, pgprot_t prot) {
  return {(e.v & PTE_CHG_MASK) | (prot.v & ~PTE_CHG_MASK)};
}

constexpr bool pmd_none(pmd_t e) { return e.v == 0; }
constexpr bool pmd_present(pmd_t e) { return (e.v & (PTE_P | PTE_PROTNONE | PTE_PS)) != 0; }
/// Any 2 MiB leaf, anonymous or DAX.
constexpr bool pmd_leaf(pmd_t e) { return (e.v & PTE_PS) != 0; }
constexpr bool pmd_trans_huge(pmd_t e) { return (e.v & (PTE_PS | PTE_DEVMAP)) == PTE_PS; }
constexpr bool pmd_devmap(pmd_t e) { return (e.v & PTE_DEVMAP) != 0; }
constexpr bool pmd_write(pmd_t e) { return (e.v & PTE_RW) != 0; }
constexpr bool pmd_dirty(pmd_t e) { return (e.v & PTE_D) != 0; }
constexpr bool pmd_young(pmd_t e) { return (e.v & PTE_A) != 0; }
constexpr bool pmd_special(pmd_t e) { return (e.v & PTE_SPECIAL) != 0; }
constexpr bool pmd_same(pmd_t a, pmd_t b) { return a.v == b.v; }
/// First 4 KiB frame of a 2 MiB leaf, or the frame of the PTE table.
constexpr Pfn pmd_pfn(pmd_t e) {
  const std::uint64_t mask = pmd_leaf(e) ? PTE_PFN_MASK & PMD_MASK : PTE_PFN_MASK;
  return Pfn((e.v & mask) >> PAGE_SHIFT);
}
constexpr pmd_t pfn_pmd(Pfn pfn, pgprot_t prot) {
  return {((pfn.v << PAGE_SHIFT) & PTE_PFN_MASK) | prot.v};
}
constexpr pmd_t pmd_mkhuge(pmd_t e) { return {e.v | PTE_PS}; }
constexpr pmd_t pmd_mkwrite(pmd_t e) { return {e.v | PTE_RW}; }
constexpr pmd_t pmd_wrprotect(pmd_t e) { return {e.v & ~PTE_RW}; }
constexpr pmd_t pmd_mkdirty(pmd_t e) { return {e.v | PTE_D | PTE_SOFT_DIRTY}; }
constexpr pmd_t pmd_mkclean(pmd_t e) { return {e.v & ~PTE_D}; }
constexpr pmd_t pmd_mkyoung(pmd_t e) { return {e.v | PTE_A}; }
constexpr pmd_t pmd_mkold(pmd_t e) { return {e.v & ~PTE_A}; }
constexpr pmd_t pmd_mkdevmap(pmd_t e) { return {e.v | PTE_DEVMAP}; }
constexpr pmd_t pmd_mkspecial(pmd_t e) { return {e.v | PTE_SPECIAL}; }
constexpr pmd_t pmd_mkshared_anon(pmd_t e) { return {e.v | PTE_SHARED_ANON}; }
constexpr pmd_t pmd_mkexclusive(pmd_t e) { return {e.v & ~PTE_SHARED_ANON}; }
constexpr bool pmd_shared_anon(pmd_t e) { return (e.v & PTE_SHARED_ANON) != 0; }
constexpr pmd_t pmd_modify(pmd_t e, pgprot_t prot) {
  return {(e.v & (PTE_CHG_MASK | PTE_PS)) | (prot.v & ~(PTE_CHG_MASK | PTE_PS))};
}

constexpr bool pud_none(pud_t e) { return e.v == 0; }
constexpr bool pud_present(pud_t e) { return (e.v & PTE_P) != 0; }
/// Any 1 GiB leaf. Only devices have them: there are no anonymous ones.
constexpr bool pud_leaf(pud_t e) { return (e.v & PTE_PS) != 0; }
constexpr bool pud_devmap(pud_t e) { return (e.v & PTE_DEVMAP) != 0; }
constexpr bool pud_write(pud_t e) { return (e.v & PTE_RW) != 0; }
constexpr bool pud_dirty(pud_t e) { return (e.v & PTE_D) != 0; }
constexpr bool pud_special(pud_t e) { return (e.v & PTE_SPECIAL) != 0; }
constexpr bool pud_same(pud_t a, pud_t b) { return a.v == b.v; }
/// First 4 KiB frame of a 1 GiB leaf, or the frame of the PMD table.
constexpr Pfn pud_pfn(pud_t e) {
  const std::uint64_t mask = pud_leaf(e) ? PTE_PFN_MASK & ~(PUD_SIZE - 1) : PTE_PFN_MASK;
  return Pfn((e.v & mask) >> PAGE_SHIFT);
}
constexpr pud_t pfn_pud(Pfn pfn, pgprot_t prot) {
  return {((pfn.v << PAGE_SHIFT) & PTE_PFN_MASK) | prot.v};
}
constexpr pud_t pud_mkhuge(pud_t e) { return {e.v | PTE_PS}; }
constexpr pud_t pud_mkwrite(pud_t e) { return {e.v | PTE_RW}; }
constexpr pud_t pud_wrprotect(pud_t e) { return {e.v & ~PTE_RW}; }
constexpr pud_t pud_mkdirty(pud_t e) { return {e.v | PTE_D | PTE_SOFT_DIRTY}; }
constexpr pud_t pud_mkyoung(pud_t e) { return {e.v | PTE_A}; }
constexpr pud_t pud_mkold(pud_t e) { return {e.v & ~PTE_A}; }
constexpr pud_t pud_mkdevmap(pud_t e) { return {e.v | PTE_DEVMAP}; }
constexpr pud_t pud_mkspecial(pud_t e) { return {e.v | PTE_SPECIAL}; }
constexpr pud_t pud_modify(pud_t e, pgprot_t prot) {
  return {(e.v & (PTE_CHG_MASK | PTE_PS)) | (prot.v & ~(PTE_CHG_MASK | PTE_PS))};
}

constexpr bool p4d_none(p4d_t e) { return e.v == 0; }
constexpr bool p4d_present(p4d_t e) { return (e.v & PTE_P) != 0; }

template <class Entry>
constexpr void set_entry(EntryPtr<Entry> p, Entry e) {
  p.set(e);
}
constexpr void set_pte(pte_ptr p, pte_t e) { p.set(e); }
constexpr void set_pmd(pmd_ptr p, pmd_t e) { p.set(e); }
constexpr void pte_clear(pte_ptr p) { p.set(pte_t{}); }
constexpr void pmd_clear(pmd_ptr p) { p.set(pmd_t{}); }
constexpr void pud_clear(pud_ptr p) { p.set(pud_t{}); }
constexpr void p4d_clear(p4d_ptr p) { p.set(p4d_t{}); }
/// Reads and clears at once, as the xchg of ptep_get_and_clear does.
constexpr pte_t ptep_get_and_clear(pte_ptr p) {
  const pte_t old = *p;
  p.set(pte_t{});
  return old;
}
constexpr pmd_t pmdp_get_and_clear(pmd_ptr p) {
  const pmd_t old = *p;
  p.set(pmd_t{});
  return old;
}
constexpr pud_t pudp_get_and_clear(pud_ptr p) {
  const pud_t old = *p;
  p.set(pud_t{});
  return old;
}

}  // namespace faultline
