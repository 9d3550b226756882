// The whole modelled kernel of one World: machine, locks, file systems, processes. Kernel paths
// take it as their first argument, where the C original has its globals and `current`.
#pragma once

#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/engine.hpp"
#include "kernel/drivers/char_device.hpp"
#include "kernel/fs/fs_types.hpp"
#include "kernel/inject.hpp"
#include "kernel/lock_classes.hpp"
#include "kernel/mm/folio.hpp"
#include "kernel/mm/mm_types.hpp"
#include "kernel/mm/page_pins.hpp"
#include "kernel/profiles/profile.hpp"
#include "kernel/sched.hpp"
#include "locking/lock.hpp"
#include "machine/block_device.hpp"
#include "machine/cpu.hpp"
#include "machine/line_content.hpp"
#include "machine/pmem.hpp"
#include "machine/presets.hpp"

namespace faultline {

struct DaxEntryLock;
struct DurablePromises;  // kernel/fs/durable_promises.hpp
struct iomap_ioend;
struct map_direct_state;
struct workqueue_struct;

struct Kernel {
  Kernel(Engine& engine, Cpus& cpus, const Costs& costs, const LockCosts& lock_costs,
         Profile profile, Nanos tick);
  ~Kernel();

  Engine& engine;
  Cpus& cpus;
  Costs costs;
  Profile profile;
  Nanos tick;  ///< granularity of inode timestamps
  LockContext locks;
  LockClasses cls;
  FrameAllocator frames;
  TablePool tables;
  LineContent dram;
  LineContent mmio;  ///< device memory outside of DRAM
  FolioTable folios;

  LockBase fs_reclaim;
  LockBase dax_srcu;
  percpu_rw_semaphore dup_mmap_sem;  ///< held for reading by each fork
  percpu_rw_semaphore file_rwsem;    ///< held for reading by whoever works on leases
  Pfn zero_pfn{};
  std::optional<Pfn> huge_zero_pfn;

  std::list<PmemDevice> pmem;
  std::list<BlockDevice> block;
  std::list<super_block> supers;
  std::list<inode> inodes;
  std::list<file> files;
  std::list<files_struct> file_tables;
  std::list<mm_struct> mms;
  std::vector<task_struct> tasks;  ///< by TaskId
  std::deque<spinlock_t> ptlocks;  ///< split page-table locks, by PageTable::index
  std::list<struct anon_vma> anon_vmas;
  std::vector<struct anon_vma*> free_anon_vmas;
  std::vector<std::unique_ptr<DaxEntryLock>> dax_locks;  ///< of entries locked or waited for
  std::vector<std::unique_ptr<DaxEntryLock>> free_dax_locks;
  std::uint32_t next_mm_id = 1;
  std::deque<char_device> char_devices;
  std::vector<file*> free_shmem_files;          ///< of unnamed shared memory that has gone
  std::uint32_t next_kernel_inode = 0x40'0000;  ///< index of inodes no scenario declares
  std::uint64_t next_hook_seq = 1;  ///< of the calls of drivers' hooks, over all devices
  /// By CPU: whose translations its MMU uses, which a task without an mm leaves in place.
  struct LoadedMm {
    /// An address-space number (PCID) that keeps its translations while another is in use.
    struct Asid {
      std::uint32_t mm_id = 0;    ///< 0: unused
      std::uint64_t tlb_gen = 0;  ///< what was flushed when it left
    };
    mm_struct* mm = nullptr;
    bool stale = false;       ///< a flush passed this CPU by while it used the mm lazily
    std::vector<Asid> asids;  ///< profile.tlb_asids of them
    std::uint32_t next_asid = 0;
  };
  std::vector<LoadedMm> loaded_mms;
  /// Finished writes that still need a transaction, in order of completion, and who makes it; null
  /// without a block device.
  std::deque<std::unique_ptr<iomap_ioend>> completions;
  Task* kworker = nullptr;
  std::unique_ptr<workqueue_struct> system_wq;                 ///< work to be done later
  std::vector<std::unique_ptr<map_direct_state>> map_directs;  ///< mappings that hold a lease
  std::uint64_t next_lease_owner = 1;
  PagePins pins;
  /// What programs may rely on after a power cut; null unless the run asks.
  std::unique_ptr<DurablePromises> promises;
  std::optional<Paddr> machine_check;  ///< poison that the running access has consumed
  std::set<Pfn> hwpoison;  ///< PG_hwpoison: frames in which memory_failure() has met an error
  Injector inject;
  std::uint64_t vm_committed_as = 0;  ///< pages promised to mappings
  inode* hugetlb_inode = nullptr;     ///< of MAP_HUGETLB with 2 MiB pages; null until wanted
  inode* gigantic_inode = nullptr;    ///< with 1 GiB pages

  task_struct& current() { return tasks[engine.current().id.v]; }
  Nanos now() const { return engine.now(); }

  /// Emits a record in the name of the current task.
  template <Event E, class... Args>
  void trace(Args... args) {
    engine.trace<E>(args...);
  }

  /// An allocation that may enter reclaim: the fs_reclaim annotation and its time.
  void might_alloc() {
    if (profile.reclaim_annotation) locks.annotate(fs_reclaim, HoldMode::exclusive);
    engine.charge(costs.page_alloc);
  }

  /// vma_alloc_folio() of one page of anonymous memory; nothing when there is none.
  std::optional<Pfn> alloc_anon_page() {
    if (inject.fails(FailPoint::vma_alloc_folio)) return std::nullopt;
    return frames.alloc();
  }

  /// Something was asked for that this version does not model: said once, in a record and as a
  /// finding of the run. `what` is a string literal.
  void unmodelled(const char* what);
  std::vector<std::string> unmodelled_uses;
  /// WARN_ON_ONCE: a driver or the kernel itself has broken a rule. Said once, in a record and as
  /// a finding; the run goes on. `what` is a string literal.
  void warn_on_once(const char* what);
  std::vector<std::string> warnings;
  /// Something happened that no kernel may do, and that nothing in this one tells anybody: a
  /// finding of kind `invariant`. `rule` is its name, and is said once.
  void broken_rule(std::string_view rule, const std::string& what);
  std::vector<std::pair<std::string, std::string>> broken_rules;
  /// BUG: the run ends here; the current task does not go on.
  Path<void> bug(const char* what);

  /// Wall-clock time of the model, coarse: a multiple of the tick.
  Nanos coarse_time() const;

  /// What a frame that is no pmem device's holds.
  LineContent& memory_of(Pfn pfn) { return frames.is_dram(pfn) ? dram : mmio; }
  /// Where an address lies in what memory_of gives for it.
  static std::uint64_t offset_in(const LineContent& memory, Paddr at) {
    return at.v & (memory.size() - 1);
  }
  /// The device that holds `pfn`; null for DRAM.
  PmemDevice* pmem_of(Pfn pfn);

  mm_struct& new_mm();
};

inline FramePool& frame_pool(Kernel& k) { return k.engine.frames(); }

}  // namespace faultline
