// The checks of memory management and of DAX: silent for what a run leaves, and not for what is
// broken. Each rule is seen to fail once.
#include "kernel/mm/check_mm.hpp"
#include "kernel/fs/check_dax.hpp"
#include "kernel/fs/dax.hpp"
#include "kernel/fs/xfs/xfs_mount.hpp"
#include "kernel/mm/vma.hpp"
#include "scenario/world.hpp"
#include "unit/scenario/load_helper.hpp"

using namespace faultline;
using namespace faultline::test;

namespace {

// At the end: 6 pages of the device in two VMAs, 3 of 8 anonymous pages, and a private file page.
const char* const program = R"({"format": 1, "kernel": {"profile": "linux-7.1"},
"devices": {"d": {"char": {"pages": {"count": 8}, "action": {"type": "map_kernel_pages_full"},
                            "vm_ops": {"close": {}}}},
            "p": {"pmem": {"size": "64MiB"}}},
"filesystems": {"x": {"xfs": {"device": "p"}}},
"files": {"dev": {"type": "char", "device": "d"},
          "f": {"fs": "x", "size": "64KiB", "mtime": "fresh",
                "extents": [{"at": "0", "length": "32KiB", "state": "written"}]}},
"tasks": {"t": {"caps": ["CAP_IPC_LOCK"], "steps": [
  {"id": "fd", "open": {"file": "dev", "flags": ["O_RDWR"]}},
  {"id": "a", "mmap": {"addr": "0x10000000", "length": "32KiB", "prot": 3,
    "flags": ["MAP_SHARED", "MAP_FIXED"], "fd": "fd"}},
  {"id": "b", "mmap": {"addr": "0x20000000", "length": "32KiB", "prot": 3,
    "flags": ["PRIVATE", "ANONYMOUS", "MAP_FIXED"]}},
  {"store": {"at": "b", "count": 3, "stride": "4KiB"}},
  {"munmap": {"addr": "a+8KiB", "length": "8KiB"}},
  {"id": "g", "open": {"file": "f", "flags": ["O_RDWR"]}},
  {"id": "c", "mmap": {"addr": "0x30000000", "length": "64KiB", "prot": 3,
    "flags": ["MAP_SHARED", "MAP_FIXED"], "fd": "g"}},
  {"store": {"at": "c"}}, {"load": {"at": "c+32KiB"}}]}}})";
constexpr Vaddr device_at(0x10000000), anon_at(0x20000000), file_at(0x30000000);

class Played {
 public:
  explicit Played(const char* text = program)
      : scenario_(good(text)), world_(scenario_, tracer_, WorldOptions{}) {
    REQUIRE(world_.errors().empty());
    REQUIRE(world_.run().outcome == Outcome::completed);
  }
  Kernel& kernel() { return world_.kernel(); }
  mm_struct& mm() { return world_.kernel().mms.front(); }
  vm_area_struct& vma(Vaddr at) { return *vma_lookup(mm(), at); }
  std::uint64_t& entry(Vaddr at) { return *mm().pgtables->lookup(at).entry; }
  inode& file_of(std::string_view name) {
    for (inode& node : kernel().inodes) {
      if (node.name == name) return node;
    }
    FAIL("no such file");
    return kernel().inodes.front();
  }

  std::vector<BrokenRule> broken() { return check_mm(kernel(), false).broken; }
  std::vector<BrokenDaxRule> broken_dax() { return check_dax(kernel(), history).broken; }

  /// The state is wrong in this way, and in no other unless it says so too.
  void says(MmRule rule, const std::string& what) {
    INFO(what);
    bool found = false;
    for (const BrokenRule& b : broken()) {
      INFO(b.text);
      if (b.rule == rule && b.text.find(what) != std::string::npos) found = true;
    }
    CHECK(found);
  }
  void says(DaxRule rule, const std::string& what) {
    INFO(what);
    bool found = false;
    for (const BrokenDaxRule& b : broken_dax()) {
      INFO(b.text);
      if (b.rule == rule && b.text.find(what) != std::string::npos) found = true;
    }
    CHECK(found);
  }
  void is_whole() {
    for (const BrokenRule& b : broken()) FAIL_CHECK(b.text);
    for (const BrokenDaxRule& b : broken_dax()) FAIL_CHECK(b.text);
  }

  DaxHistory history;

 private:
  Scenario scenario_;
  Tracer tracer_;
  World world_;
};

// Breaks one thing, looks, mends it.
template <class T>
void with(T& place, T value, Played& played, MmRule rule, const char* what) {
  const T right = place;
  place = value;
  played.says(rule, what);
  place = right;
  played.is_whole();
}

}  // namespace

TEST_CASE("a played program leaves its memory in order") {
  Played played;
  played.is_whole();
  CHECK(played.mm().map_count == 4);
  CHECK(played.mm().rss.file == 6);
  CHECK(played.mm().rss.anon == 3);
}

TEST_CASE("a process that has ended leaves nothing, not even of what it had locked") {
  Played played(R"({"format": 1, "tasks": {"t": {"steps": [
    {"mmap": {"length": "64KiB", "prot": 3, "flags": ["PRIVATE", "ANONYMOUS", "LOCKED"]}},
    {"exit": {"code": 0}}]}}})");
  played.is_whole();
  CHECK(played.mm().locked_vm == 0);
  CHECK(played.mm().total_vm == 0);
}

TEST_CASE("a disorder of VMAs is found") {
  Played played;
  mm_struct& mm = played.mm();
  vm_area_struct& first = played.vma(device_at);
  vm_area_struct& anon = played.vma(anon_at);
  with(first.vm_start, device_at + 1, played, MmRule::vma_order, "empty or unaligned");
  with(first.vm_end, anon_at + PAGE_SIZE, played, MmRule::vma_order, "overlaps");
  with(first.detached, true, played, MmRule::vma_state, "detached");
  mm_struct* const other = nullptr;
  with(first.vm_mm, other, played, MmRule::vma_state, "another process");
  with(first.vm_lock_seq, mm.mm_lock_seq, played, MmRule::vma_state, "write-locked");
  with(first.mapped_calls, std::uint8_t{2}, played, MmRule::mapped_calls, "told twice");
  with(mm.map_count, std::uint64_t{5}, played, MmRule::map_count, "map_count is 5");
  with(mm.total_vm, std::uint64_t{1}, played, MmRule::vm_counters, "total_vm is 1");
  with(mm.data_vm, std::uint64_t{1}, played, MmRule::vm_counters, "data_vm is 1");
  with(mm.exec_vm, std::uint64_t{1}, played, MmRule::vm_counters, "exec_vm is 1");
  with(mm.stack_vm, std::uint64_t{1}, played, MmRule::vm_counters, "stack_vm is 1");
  with(mm.locked_vm, std::uint64_t{1}, played, MmRule::vm_counters, "locked_vm is 1");
  with(anon.vm_flags, anon.vm_flags | VM_LOCKED, played, MmRule::vm_counters, "locked_vm is 0");
  vm_area_struct& gone = mm.vma_storage.emplace_back();
  gone.vm_ops = first.vm_ops;
  gone.unlinked = false;
  mm.free_vmas.push_back(&gone);
  played.says(MmRule::close_calls, "without its close");
}

TEST_CASE("a disorder of what processes share is found") {
  Played played;
  vm_area_struct& first = played.vma(device_at);
  vm_area_struct& mapped = played.vma(file_at);
  VmaIntervalTree& devices = first.vm_file->f_inode->i_data.i_mmap;
  VmaIntervalTree& files = mapped.vm_file->f_inode->i_data.i_mmap;
  devices.remove(first);
  played.says(MmRule::reverse_map, "is not in the reverse map of dev");
  played.says(MmRule::reverse_map, "has 1 VMAs, processes map the file 2 times");
  files.insert(first);
  played.says(MmRule::reverse_map, "of another file");
  files.remove(first);
  devices.insert(first);
  // Not in order any more: the second one begins at page 4.
  with(first.vm_pgoff, Pgoff(9), played, MmRule::reverse_map, "out of order");
  with(mapped.vm_file->f_inode->i_data.i_mmap_writable, std::int64_t{2}, played,
       MmRule::writable_mappings, "i_mmap_writable of f is 2, 1 mappings may write it");
  with(first.vm_file->f_count, 1U, played, MmRule::file_references, "1 references, 3 use it");
  with(played.kernel().vm_committed_as, std::uint64_t{0}, played, MmRule::committed_pages,
       "0 pages are promised, mappings have 8");
}

TEST_CASE("a disorder of pages is found") {
  Played played;
  Kernel& k = played.kernel();
  mm_struct& mm = played.mm();
  const std::uint64_t zero = pte_mkspecial(pfn_pte(k.zero_pfn, PAGE_READONLY)).v;
  with(played.entry(anon_at + 8 * PAGE_SIZE), zero, played, MmRule::page_outside_vma,
       "0x20008000 is mapped, but no VMA is there");
  with(mm.rss.file, std::int64_t{7}, played, MmRule::resident_pages, "counted 7, 3 and 0");
  with(mm.rss.anon, std::int64_t{2}, played, MmRule::resident_pages, "counted 6, 2 and 0");
  with(mm.rss.shmem, std::int64_t{1}, played, MmRule::resident_pages, "counted 6, 3 and 1");
  folio& page = *k.char_devices.front().pages[0];
  with(page.refs, 3U, played, MmRule::page_references, "page 0 of d has 3 references");
  with(page.mapcount, 2U, played, MmRule::page_references, "and 2 mappings, 1 entries");
  const Pfn frame = pte_pfn(pte_t{played.entry(anon_at)});
  k.frames.get(frame);
  played.says(MmRule::page_references, "has 2 references, 1 entries map it");
  k.frames.put(frame);
  played.is_whole();
  k.frames.put(frame);
  played.says(MmRule::page_references, "is free, but mapped");
}

TEST_CASE("a translation to a free frame is found on the CPU that uses its address space") {
  Played played;
  Kernel& k = played.kernel();
  const Pfn frame = *k.frames.alloc();
  k.loaded_mms[0].mm = &played.mm();
  Tlb& tlb = k.cpus[CpuId(0)].tlb;
  tlb.insert(played.mm().id, Vaddr(anon_at), PageSize::small, pfn_pte(frame, PAGE_READONLY).v);
  played.is_whole();
  k.frames.put(frame);
  played.says(MmRule::stale_translation, "CPU 0 can reach frame");
  k.loaded_mms[0].mm = nullptr;  // flushed when it is loaded again
  played.is_whole();
}

TEST_CASE("a disorder of DAX mappings is found") {
  Played played;
  inode& node = played.file_of("f");
  XArray& entries = node.i_data.i_pages;
  std::uint64_t& block = played.entry(file_at);
  std::uint64_t& hole = played.entry(file_at + 8 * PAGE_SIZE);
  const XaEntry entry = entries.load(0);
  entries.store(0, 0, 0);
  played.says(DaxRule::mapped_entry, "page 0 of f is mapped, but i_pages");
  entries.store(0, 0, entry);
  entries.set_mark(0, 0, XaMark::dirty);
  played.is_whole();
  entries.clear_mark(0, 0, XaMark::dirty);
  played.says(DaxRule::writable_clean, "page 0 of f is mapped writable, but not");
  entries.set_mark(0, 0, XaMark::dirty);
  played.is_whole();
  hole |= PTE_RW;
  played.says(DaxRule::zero_writable, "page 8 of f is a writable zero page");
  hole &= ~PTE_RW;
  played.is_whole();
  block += PAGE_SIZE;
  played.says(DaxRule::mapped_block, "page 0 of f is mapped to frame");
  block -= PAGE_SIZE;
  played.is_whole();
}

TEST_CASE("a disorder of MAP_DIRECT mappings is found") {
  Played played(R"({"format": 1, "kernel": {"profile": "linux-4.13+map-direct-v6"},
"devices": {"p": {"pmem": {"size": "64MiB"}}}, "filesystems": {"x": {"xfs": {"device": "p"}}},
"files": {"f": {"fs": "x", "size": "64KiB", "mtime": "fresh",
                "extents": [{"at": "0", "length": "64KiB", "state": "written"}]}},
"tasks": {"t": {"caps": ["CAP_LINUX_IMMUTABLE"], "steps": [
  {"id": "fd", "open": {"file": "f", "flags": ["O_RDWR"]}},
  {"id": "a", "mmap3": {"length": "64KiB", "prot": 3, "flags": ["MAP_SHARED", "MAP_DIRECT"],
    "fd": "fd"}}, {"store": {"at": "a"}}]}}})");
  played.is_whole();  // and the sealed map is known from now on
  inode& node = played.file_of("f");
  xfs::ExtentMap& map = node.xfs->df.map;
  const xfs::Extent right = *map.get(map.first());
  xfs::Extent moved = right;
  moved.len -= 1;
  map.update(map.first(), moved);
  played.says(DaxRule::sealed_map, "the block map of f has changed under its seal");
  map.update(map.first(), right);
  played.is_whole();
  node.xfs->i_mapdcount->set_locked(2);
  played.says(DaxRule::direct_count, "i_mapdcount of f is 2, direct mappings are 1");
  node.xfs->i_mapdcount->set_locked(1);
  played.is_whole();
  const std::uint32_t flags = node.i_flags->peek();
  node.i_flags->set_locked(0);
  played.says(DaxRule::seal_lost, "f has direct mappings, but no seal");
  node.i_flags->set_locked(flags);
  played.is_whole();
}
