// Construction of the kernel's state and the look-ups that every path uses.
#include "kernel/kernel.hpp"

#include "kernel/fs/dax.hpp"
#include "kernel/fs/durable_promises.hpp"
#include "kernel/fs/iomap_writeback.hpp"
#include "kernel/fs/mapdirect.hpp"
#include "kernel/fs/xfs/xfs_mount.hpp"

namespace faultline {

namespace {
constexpr std::uint64_t dram_bytes = 1ULL << 40;        // 1 TiB: only used frames cost memory
constexpr std::uint64_t mmio_bytes = 1ULL << 42;        // beyond, addresses repeat
constexpr std::uint64_t boot_time = 1'000'000'000'000;  // "stale" times are long before it
}  // namespace

Kernel::Kernel(Engine& e, Cpus& c, const Costs& costs_, const LockCosts& lock_costs, Profile p,
               Nanos tick_)
    : engine(e),
      cpus(c),
      costs(costs_),
      profile(std::move(p)),
      tick(tick_),
      locks(e, lock_costs),
      cls(locks, profile),
      frames(dram_bytes),
      tables(frames),
      dram(dram_bytes, Domain::adr),
      mmio(mmio_bytes, Domain::adr) {
  init_lock(fs_reclaim, locks, cls.fs_reclaim, lock_id(LockOwner::global, 1));
  init_lock(dup_mmap_sem, locks, cls.dup_mmap_sem, lock_id(LockOwner::global, 3));
  init_lock(file_rwsem, locks, cls.file_rwsem, lock_id(LockOwner::global, 4));
  system_wq = std::make_unique<workqueue_struct>();
  loaded_mms.resize(cpus.size());
  for (LoadedMm& loaded : loaded_mms) loaded.asids.resize(profile.tlb_asids);
  init_lock(dax_srcu, locks, cls.dax_srcu, lock_id(LockOwner::global, 2));
  zero_pfn = *frames.alloc();
}

Kernel::~Kernel() = default;

void Kernel::unmodelled(const char* what) {
  for (const std::string& known : unmodelled_uses) {
    if (known == what) return;
  }
  unmodelled_uses.emplace_back(what);
  trace<Event::sim_warn>(what);
}

void Kernel::warn_on_once(const char* what) {
  for (const std::string& known : warnings) {
    if (known == what) return;
  }
  warnings.emplace_back(what);
  trace<Event::sim_warn>(what);
}

void Kernel::broken_rule(std::string_view rule, const std::string& what) {
  for (const auto& [known, text] : broken_rules) {
    if (known == rule) return;
  }
  broken_rules.emplace_back(rule, what);
  const std::string text = std::string(rule) + ": " + what;
  trace<Event::sim_warn>(std::string_view(text));
}

Path<void> Kernel::bug(const char* what) {
  trace<Event::sim_warn>(what);
  engine.stop(Outcome::kernel_bug, what);
  co_await engine.block();
}

Nanos Kernel::coarse_time() const {
  const std::uint64_t now = boot_time + engine.now().v;
  return tick.v == 0 ? Nanos(now) : Nanos(now - now % tick.v);
}

PmemDevice* Kernel::pmem_of(Pfn pfn) {
  if (frames.is_dram(pfn)) return nullptr;
  for (PmemDevice& device : pmem) {
    if (device.contains(pfn)) return &device;
  }
  return nullptr;
}

mm_struct& Kernel::new_mm() {
  mm_struct& mm = mms.emplace_back();
  mm.id = next_mm_id++;
  mm.pgtables = std::make_unique<PageTables>(tables, mm.id, cpus.page_table_levels());
  mm.cpumask.resize(cpus.size());
  mm.mm_mt.set_guard(profile.stack_guard_gap << PAGE_SHIFT);
  init_lock(mm.mmap_lock, locks, cls.mmap_lock, lock_id(LockOwner::mm, mm.id, 0));
  init_lock(mm.page_table_lock, locks, cls.page_table_lock, lock_id(LockOwner::mm, mm.id, 1));
  return mm;
}

}  // namespace faultline
