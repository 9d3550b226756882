// The types of the memory manager: mm_struct, vm_area_struct, vm_fault and the flags that go with
// them. Names and values are those of Linux 6.12 include/linux/mm_types.h and mm.h; only the fields
// that the modelled paths read are here.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include <faultline/types.hpp>

#include "engine/path.hpp"
#include "locking/rwsem.hpp"
#include "locking/spinlock.hpp"
#include "machine/page_table.hpp"

namespace faultline {

struct Kernel;
struct file;
struct inode;
struct mm_struct;
struct vm_area_struct;
struct vm_fault;

using vm_flags_t = std::uint64_t;
inline constexpr vm_flags_t VM_NONE = 0, VM_READ = 0x1, VM_WRITE = 0x2, VM_EXEC = 0x4,
                            VM_SHARED = 0x8, VM_MAYREAD = 0x10, VM_MAYWRITE = 0x20,
                            VM_MAYEXEC = 0x40, VM_MAYSHARE = 0x80, VM_GROWSDOWN = 0x100,
                            VM_PFNMAP = 0x400, VM_LOCKED = 0x2000, VM_IO = 0x4000,
                            VM_DONTCOPY = 0x20000, VM_WIPEONFORK = 0x2000000,
                            VM_DONTDUMP = 0x4000000, VM_DROPPABLE = 1ULL << 40,
                            VM_DONTEXPAND = 0x40000, VM_LOCKONFAULT = 0x80000,
                            VM_ACCOUNT = 0x100000, VM_NORESERVE = 0x200000, VM_HUGETLB = 0x400000,
                            VM_SYNC = 0x800000, VM_SOFTDIRTY = 0x8000000, VM_MIXEDMAP = 0x10000000,
                            VM_HUGEPAGE = 0x20000000, VM_NOHUGEPAGE = 0x40000000;
inline constexpr vm_flags_t VM_ACCESS_FLAGS = VM_READ | VM_WRITE | VM_EXEC;
inline constexpr vm_flags_t VM_LOCKED_MASK = VM_LOCKED | VM_LOCKONFAULT;
inline constexpr vm_flags_t VM_SPECIAL = VM_IO | VM_DONTEXPAND | VM_PFNMAP | VM_MIXEDMAP;

/// Result bits of a fault handler.
struct vm_fault_t {
  std::uint32_t v = 0;
  friend constexpr vm_fault_t operator|(vm_fault_t a, vm_fault_t b) { return {a.v | b.v}; }
  friend constexpr vm_fault_t operator&(vm_fault_t a, vm_fault_t b) { return {a.v & b.v}; }
  constexpr vm_fault_t& operator|=(vm_fault_t b) {
    v |= b.v;
    return *this;
  }
  friend constexpr bool operator==(vm_fault_t, vm_fault_t) = default;
  explicit constexpr operator bool() const { return v != 0; }
};
inline constexpr vm_fault_t VM_FAULT_OOM{0x1}, VM_FAULT_SIGBUS{0x2}, VM_FAULT_MAJOR{0x4},
    VM_FAULT_HWPOISON{0x10}, VM_FAULT_HWPOISON_LARGE{0x20}, VM_FAULT_SIGSEGV{0x40},
    VM_FAULT_NOPAGE{0x100}, VM_FAULT_LOCKED{0x200}, VM_FAULT_RETRY{0x400}, VM_FAULT_FALLBACK{0x800},
    VM_FAULT_DONE_COW{0x1000}, VM_FAULT_NEEDDSYNC{0x2000}, VM_FAULT_COMPLETED{0x4000};
inline constexpr vm_fault_t VM_FAULT_ERROR = VM_FAULT_OOM | VM_FAULT_SIGBUS | VM_FAULT_SIGSEGV |
                                             VM_FAULT_HWPOISON | VM_FAULT_HWPOISON_LARGE |
                                             VM_FAULT_FALLBACK;
inline TracedResult traced_result(const vm_fault_t& r) { return {RetKind::vm_fault, r.v}; }

inline constexpr std::uint32_t FAULT_FLAG_WRITE = 1u << 0, FAULT_FLAG_MKWRITE = 1u << 1,
                               FAULT_FLAG_ALLOW_RETRY = 1u << 2, FAULT_FLAG_RETRY_NOWAIT = 1u << 3,
                               FAULT_FLAG_KILLABLE = 1u << 4, FAULT_FLAG_TRIED = 1u << 5,
                               FAULT_FLAG_USER = 1u << 6, FAULT_FLAG_REMOTE = 1u << 7,
                               FAULT_FLAG_INSTRUCTION = 1u << 8, FAULT_FLAG_INTERRUPTIBLE = 1u << 9,
                               FAULT_FLAG_UNSHARE = 1u << 10, FAULT_FLAG_ORIG_PTE_VALID = 1u << 11,
                               FAULT_FLAG_VMA_LOCK = 1u << 12;
inline constexpr std::uint32_t FAULT_FLAG_DEFAULT =
    FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_KILLABLE | FAULT_FLAG_INTERRUPTIBLE;

/// What a file system or driver does for its mappings. Null: the operation does not exist.
struct vm_operations_struct {
  Path<vm_fault_t> (*fault)(Kernel&, vm_fault&) = nullptr;
  Path<vm_fault_t> (*huge_fault)(Kernel&, vm_fault&, unsigned order) = nullptr;
  Path<vm_fault_t> (*map_pages)(Kernel&, vm_fault&, Pgoff start, Pgoff end) = nullptr;
  Path<vm_fault_t> (*page_mkwrite)(Kernel&, vm_fault&) = nullptr;
  Path<vm_fault_t> (*pfn_mkwrite)(Kernel&, vm_fault&) = nullptr;
  bool has_close = false;  ///< a VMA with `close` may not be merged away
};

/// A mapping that is being prepared: what an mmap_prepare hook may look at and change before there
/// is a VMA. Linux 7.1 include/linux/mm_types.h.
struct vm_area_desc {
  Vaddr start{}, end{};
  Pgoff pgoff{};
  file* vm_file = nullptr;
  vm_flags_t vm_flags = 0;
  const vm_operations_struct* vm_ops = nullptr;  ///< null: the hook has set none
};

struct anon_vma {
  anon_vma* root = nullptr;    ///< of its tree of forks: the one whose rwsem is taken
  anon_vma* parent = nullptr;  ///< itself at the root
  rw_semaphore rwsem;
  std::uint32_t id = 0;
  std::uint32_t links = 0;            ///< VMAs in whose chain it is
  std::uint32_t descendants = 0;      ///< of a root: what needs its rwsem
  std::uint32_t num_children = 0;     ///< a root counts itself
  std::uint32_t num_active_vmas = 0;  ///< VMAs whose own anon_vma it is
};

struct vm_area_struct {
  Vaddr vm_start{}, vm_end{};
  Pgoff vm_pgoff{};
  vm_flags_t vm_flags = 0;
  pgprot_t vm_page_prot{};
  mm_struct* vm_mm = nullptr;
  file* vm_file = nullptr;
  const vm_operations_struct* vm_ops = nullptr;
  struct anon_vma* anon_vma = nullptr;
  std::vector<struct anon_vma*> anon_vma_chain;  ///< all that pages of this VMA may belong to
  rw_semaphore vm_lock;
  std::int64_t vm_lock_seq = -1;  ///< equal to the mm's sequence: write-locked
  bool detached = false;
  bool unlinked = true;  ///< made, but not in the process's tree yet
  std::uint32_t id = 0;  ///< counter of the mm
};

inline bool vma_is_anonymous(const vm_area_struct& vma) { return vma.vm_ops == nullptr; }
/// Whether any access at all is allowed.
inline bool vma_is_accessible(const vm_area_struct& vma) { return vma.vm_flags & VM_ACCESS_FLAGS; }
inline std::uint64_t vma_pages(const vm_area_struct& vma) {
  return (vma.vm_end - vma.vm_start) >> PAGE_SHIFT;
}
inline Pgoff linear_page_index(const vm_area_struct& vma, Vaddr address) {
  return vma.vm_pgoff + ((address - vma.vm_start) >> PAGE_SHIFT);
}

/// Resident pages of an mm, by kind.
struct RssStat {
  std::int64_t file = 0, anon = 0, shmem = 0;
};

struct mm_struct {
  std::uint32_t id = 0;  ///< 1 or more; the id of its page tables and of its locks
  std::unique_ptr<PageTables> pgtables;
  rw_semaphore mmap_lock;
  spinlock_t page_table_lock;
  std::int64_t mm_lock_seq = 0;
  std::map<std::uint64_t, vm_area_struct*>
      mm_mt;  ///< VMAs by vm_end: the next one above an address
  std::deque<vm_area_struct> vma_storage;
  std::vector<vm_area_struct*> free_vmas;
  std::vector<bool> cpumask;  ///< CPUs whose TLB may hold entries of this mm
  std::uint32_t next_vma_id = 0;
  std::uint32_t next_anon_vma_id = 0;
  std::uint64_t map_count = 0;
  std::uint64_t total_vm = 0;  ///< pages; so are the parts of it below
  std::uint64_t locked_vm = 0, data_vm = 0, exec_vm = 0, stack_vm = 0;
  RssStat rss;
  std::uint32_t mm_users = 0;
  bool huge_zero_folio = false;  ///< MMF_HUGE_ZERO_FOLIO
};

/// The state of one fault on its way down.
struct vm_fault {
  vm_area_struct* vma = nullptr;
  Pgoff pgoff{};
  Vaddr address{};       ///< start of the page
  Vaddr real_address{};  ///< as accessed
  std::uint32_t flags = 0;
  pud_ptr pud;
  pmd_ptr pmd;
  pte_ptr pte;  ///< only while valid, as in the kernel
  pte_t orig_pte{};
  pmd_t orig_pmd{};
  spinlock_t* ptl = nullptr;
  struct folio* folio = nullptr;  ///< locked, as ->fault returned it
  bool has_cow_page = false;
  Pfn cow_page{};  ///< private copy to be filled (do_cow_fault)
  PageTable* prealloc_pte = nullptr;
  Pfn sync_pfn{};  ///< with NEEDDSYNC: what to map once the metadata are durable (`pfnp`)
  unsigned leaf_order = ~0u;  ///< order of the leaf that was installed; for reports
};

}  // namespace faultline
