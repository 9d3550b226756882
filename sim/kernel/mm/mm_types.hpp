// The types of the memory manager: mm_struct, vm_area_struct, vm_fault and the flags that go with
// them. Names and values are those of Linux 6.12 include/linux/mm_types.h and mm.h; only the fields
// that the modelled paths read are here.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include <faultline/types.hpp>

#include "engine/path.hpp"
#include "kernel/mm/interval_tree.hpp"
#include "kernel/mm/vma_tree.hpp"
#include "locking/rwsem.hpp"
#include "locking/spinlock.hpp"
#include "machine/page_table.hpp"

namespace faultline {

struct Kernel;
struct char_device;
struct file;
struct inode;
struct mm_struct;
struct userfaultfd_ctx;
struct vm_area_struct;
struct vm_fault;
struct vm_operations_struct;

using vm_flags_t = std::uint64_t;
inline constexpr vm_flags_t VM_NONE = 0, VM_READ = 0x1, VM_WRITE = 0x2, VM_EXEC = 0x4,
                            VM_SHARED = 0x8, VM_MAYREAD = 0x10, VM_MAYWRITE = 0x20,
                            VM_MAYEXEC = 0x40, VM_MAYSHARE = 0x80, VM_GROWSDOWN = 0x100,
                            VM_UFFD_MISSING = 0x200, VM_PFNMAP = 0x400, VM_LOCKED = 0x2000,
                            VM_IO = 0x4000, VM_SEQ_READ = 0x8000, VM_RAND_READ = 0x10000,
                            VM_DONTCOPY = 0x20000, VM_WIPEONFORK = 0x2000000,
                            VM_DONTDUMP = 0x4000000, VM_DROPPABLE = 1ULL << 40,
                            VM_DIRECT = 1ULL << 41, VM_DONTEXPAND = 0x40000,
                            VM_LOCKONFAULT = 0x80000, VM_ACCOUNT = 0x100000,
                            VM_NORESERVE = 0x200000, VM_HUGETLB = 0x400000, VM_SYNC = 0x800000,
                            VM_SOFTDIRTY = 0x8000000, VM_MIXEDMAP = 0x10000000,
                            VM_HUGEPAGE = 0x20000000, VM_NOHUGEPAGE = 0x40000000,
                            VM_MERGEABLE = 0x80000000;
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

/// What vm_ops->mapped is told: the new mapping, never the VMA itself.
struct MappedRange {
  const vm_operations_struct* ops = nullptr;  ///< whose operation it is
  mm_struct* mm = nullptr;
  Vaddr start{}, end{};
  Pgoff pgoff{};
  const file* vm_file = nullptr;
  std::uint64_t private_data = 0;  ///< written back to the VMA if the operation succeeds
};

/// What a file system or driver does for its mappings. Null: the operation does not exist.
struct vm_operations_struct {
  /// The life of a VMA: a copy of it exists (fork, split, mremap), it goes, it was made by mmap.
  Path<void> (*open)(Kernel&, vm_area_struct&) = nullptr;
  Path<void> (*close)(Kernel&, vm_area_struct&) = nullptr;
  Path<std::int64_t> (*mapped)(Kernel&, MappedRange&) = nullptr;
  /// Asked before it changes: 0, or the negative errno that forbids it.
  Path<std::int64_t> (*may_split)(Kernel&, vm_area_struct&, Vaddr at) = nullptr;
  Path<std::int64_t> (*mremap)(Kernel&, vm_area_struct& moved) = nullptr;
  Path<std::int64_t> (*mprotect)(Kernel&, vm_area_struct&, Vaddr start, Vaddr end,
                                 vm_flags_t newflags) = nullptr;
  Path<vm_fault_t> (*fault)(Kernel&, vm_fault&) = nullptr;
  Path<vm_fault_t> (*huge_fault)(Kernel&, vm_fault&, unsigned order) = nullptr;
  Path<vm_fault_t> (*map_pages)(Kernel&, vm_fault&, Pgoff start, Pgoff end) = nullptr;
  Path<vm_fault_t> (*page_mkwrite)(Kernel&, vm_fault&) = nullptr;
  Path<vm_fault_t> (*pfn_mkwrite)(Kernel&, vm_fault&) = nullptr;
  char_device* driver = nullptr;  ///< whose operations these are, if a scenario describes it
};

/// What the core does for a driver once the VMA exists. Linux 7.1 include/linux/mm_types.h.
enum class MmapAction : std::uint8_t {
  nothing,
  remap_pfn,
  io_remap_pfn,     ///< prepare makes it a remap_pfn
  simple_io_remap,  ///< prepare makes it an io_remap_pfn of the whole VMA
  map_kernel_pages,
  unknown  ///< a value that this kernel does not have
};

struct folio;

/// The action of a descriptor, set by the mmap_action_ helpers. Its arms share storage in the
/// kernel; here a second helper overwrites what it sets, which no driver can tell apart.
struct mmap_action {
  MmapAction type = MmapAction::nothing;
  bool hide_from_rmap_until_complete = false;
  Vaddr start{};
  Pfn start_pfn{};
  std::uint64_t size = 0;  ///< bytes
  pgprot_t pgprot{};       ///< captured when the helper was called
  std::uint64_t start_phys_addr = 0;
  folio* const* pages = nullptr;  ///< the driver's array, read when the action completes
  std::uint64_t nr_pages = 0;
  char_device* driver = nullptr;  ///< whose hooks the next two are
  Path<std::int64_t> (*success_hook)(Kernel&, char_device*, vm_area_struct&) = nullptr;
  /// Takes the error and returns the one that mmap is to fail with.
  Path<std::int64_t> (*error_hook)(Kernel&, char_device*, std::int64_t error) = nullptr;
  std::int64_t error_override = 0;  ///< replaces the error; 0: it stays
};

/// A mapping that is being prepared: what an mmap_prepare hook may look at and change before there
/// is a VMA. Linux 7.1 include/linux/mm_types.h.
struct vm_area_desc {
  mm_struct* mm = nullptr;
  struct file* file = nullptr;  ///< the hook's own file
  Vaddr start{}, end{};
  Pgoff pgoff{};
  struct file* vm_file = nullptr;  ///< replacing it hands a reference over
  vm_flags_t vm_flags = 0;
  pgprot_t page_prot{};
  const vm_operations_struct* vm_ops = nullptr;  ///< null: the hook has set none
  std::uint64_t private_data = 0;
  mmap_action action;
};
inline std::uint64_t vma_desc_size(const vm_area_desc& desc) { return desc.end - desc.start; }
inline bool is_cow_mapping(vm_flags_t flags) {
  return (flags & (VM_SHARED | VM_MAYWRITE)) == VM_MAYWRITE;
}

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
  std::uint64_t vm_private_data = 0;
  IntervalNode shared;  ///< in its file's i_mmap
  rw_semaphore vm_lock;
  std::int64_t vm_lock_seq = -1;  ///< equal to the mm's sequence: write-locked
  std::uint8_t mapped_calls = 0;  ///< how often vm_ops->mapped succeeded; for the checks
  bool pfnmap_tracked = false;    ///< its whole range is reserved as one of PFNs
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

/// Where addresses end that a program gets without asking for more, whatever the page tables could
/// translate. arch/x86/include/asm/page_64_types.h.
inline constexpr std::uint64_t DEFAULT_MAP_WINDOW = (1ULL << 47) - PAGE_SIZE;

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
  VmaTree mm_mt;
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
  /// Ranges that an mmap has detached but not yet replaced: a look-up in the tree still finds them.
  Vaddr stale_start{}, stale_end{};
  Vaddr set_child_tid{};         ///< where the C library's fork wants the child's id; 0: nowhere
  std::uint64_t tlb_gen = 1;     ///< flushes so far, for CPUs that come back to this mm
  bool has_pinned = false;       ///< MMF_HAS_PINNED: fork has to look at the pins of its pages
  bool huge_zero_folio = false;  ///< MMF_HUGE_ZERO_FOLIO
  bool vm_hugepage = false;      ///< MMF_VM_HUGEPAGE: khugepaged knows of it
  bool vm_mergeable = false;     ///< MMF_VM_MERGEABLE: ksmd does
  std::shared_ptr<userfaultfd_ctx> uffd;  ///< of those its VMAs are registered with; null: none
};

/// TASK_SIZE_MAX: the end of user addresses, which the depth of the page tables decides.
inline std::uint64_t task_size_max(const mm_struct& mm) {
  return (mm.pgtables->pgdir_size() << 8) - PAGE_SIZE;
}

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
  pud_t orig_pud{};
  spinlock_t* ptl = nullptr;
  struct folio* folio = nullptr;  ///< locked, as ->fault returned it
  bool has_cow_page = false;
  Pfn cow_page{};  ///< private copy to be filled (do_cow_fault)
  PageTable* prealloc_pte = nullptr;
  Pfn sync_pfn{};  ///< with NEEDDSYNC: what to map once the metadata are durable (`pfnp`)
  unsigned leaf_order = ~0u;  ///< order of the leaf that was installed; for reports
};

}  // namespace faultline
