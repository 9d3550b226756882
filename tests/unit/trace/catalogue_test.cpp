// The catalogue: look-ups, masks, and each format against lines that real kernels printed.
#include "catch.hpp"
#include "trace_test_util.hpp"

using namespace trace_test;

namespace {

// What the kernel prints behind a symbol's name, and we do not.
std::string without_offsets(std::string text) {
  for (auto at = text.find("+0x"); at != std::string::npos; at = text.find("+0x", at)) {
    text.erase(at, std::min(text.find(' ', at), text.size()) - at);
  }
  for (auto at = text.find(" [xfs]"); at != std::string::npos; at = text.find(" [xfs]", at)) {
    text.erase(at, 6);
  }
  return text;
}

struct RealLine {
  const char* profile;
  const char* event;
  const char* body;
};

// Lines of the reference traces whose event is in none of the raw samples, with the device that the
// reducer took away, each under the kernel that printed it.
const RealLine real_lines[] = {
    {"linux-6.12", "dax_insert_pfn_mkwrite",
     "dev 259:1 ino 0x1019 shared WRITE|ALLOW_RETRY|KILLABLE|USER|INTERRUPTIBLE|VMA_LOCK|0x800 "
     "address 0x1000001d4000 pgoff 0x4 NOPAGE"},
    {"linux-6.12", "dax_pmd_load_hole",
     "dev 259:1 ino 0x100f shared address 0x100000205000 zero_folio 00000000e3c1a390 "
     "radix_entry 0x16400d"},
    {"linux-6.12", "dax_pte_fault",
     "dev 259:1 ino 0x1028 shared ALLOW_RETRY|KILLABLE|INTERRUPTIBLE|0x800 "
     "address 0x1000001d9000 pgoff 0x9 "},
    {"linux-6.12", "dax_writeback_one", "dev 259:1 ino 0x1003 pgoff 0x3 pglen 0x1"},
    {"linux-6.12", "dax_writeback_range", "dev 259:1 ino 0x1003 pgoff 0x0-0x7ffffffffffff"},
    {"linux-6.12", "dax_writeback_range_done", "dev 259:1 ino 0x101b pgoff 0x40-0x7ffffffffffff"},
    {"linux-6.12", "iomap_iter_srcmap",
     "dev 259:1 ino 0x1003 bdev 0:0 addr 0x20b000 offset 0x3000 length 0x1000 type MAPPED "
     "flags DIRTY"},
    {"linux-6.12", "iomap_invalidate_folio",
     "dev 254:0 ino 0x8b size 0x2800 offset 0x2800 length 0xd800"},
    {"linux-6.12", "iomap_release_folio",
     "dev 254:0 ino 0x8b size 0x2800 offset 0x0 length 0x10000"},
    {"linux-6.12", "iomap_writepage", "dev 254:0 ino 0x8b size 0x2800 offset 0x0 length 0x10000"},
    {"linux-6.12", "iomap_writepage_map",
     "dev 254:0 ino 0x8b bdev 254:0 pos 0x0 dirty len 0x3000 addr 0xe8000 offset 0x0 "
     "length 0x3000 type MAPPED flags DIRTY"},
    {"linux-6.12", "mm_filemap_delete_from_page_cache",
     "dev 0:2 ino 409 pfn=0x7ff88 ofs=28672 order=0"},
    {"linux-6.12", "page_fault_kernel",
     "address=0x1000001d8000 ip=copy_to_nontemporal error_code=0x0"},
    {"linux-6.12", "xfs_file_dax_write",
     "dev 259:1 ino 0x1028 disize 0x10000 pos 0x2000 bytecount 0x1000"},
    {"linux-6.12", "xfs_file_fsync", "dev 259:1 ino 0x1003 iflags 0x1000"},
    {"linux-6.12", "xfs_free_file_space", "dev 259:1 ino 0x101e iflags 0x0"},
    {"linux-6.12", "xfs_log_force", "dev 259:1 lsn 0x1c caller xfs_file_fsync"},
    {"linux-6.12", "xfs_map_blocks_found",
     "dev 254:0 ino 0x8b disize 0x2800 pos 0x0 bytecount 0x1000 fork data startoff 0x0 "
     "startblock 0xe8 fsbcount 0x3"},
    {"linux-6.12", "xfs_reflink_convert_cow",
     "dev 259:1 ino 0x1003 fileoff 0x4 fsbcount 0x1 startblock 0x21c st 1"},
    {"linux-6.12", "xfs_reflink_cow_remap_from",
     "dev 259:1 ino 0x1003 fileoff 0x4 fsbcount 0x1 startblock 0x21c st 0"},
    {"linux-6.12", "xfs_reflink_cow_remap_to",
     "dev 259:1 ino 0x1003 fileoff 0x4 fsbcount 0x1 startblock 0x20c st 0"},
    {"linux-6.12", "xfs_reflink_end_cow",
     "dev 259:1 ino 0x1003 isize 0x10000 disize 0x10000 pos 0x4000 bytecount 0x1000"},
    {"linux-6.12", "xfs_reflink_trim_around_shared",
     "dev 259:1 ino 0x1003 fileoff 0x3 fsbcount 0x1 startblock 0x20b st 0"},
    {"linux-6.12", "xfs_setfilesize",
     "dev 259:1 ino 0x102b isize 0x11000 disize 0x10000 pos 0x10000 bytecount 0x1000"},
    {"linux-6.12", "tlb_flush", "pages:-1 reason:flush on task switch (0)"},
    {"linux-7.1", "tlb_flush", "pages:20 reason:local MM shootdown (3)"},
    {"linux-7.1", "tlb_flush", "pages:1 reason:remote IPI send (4)"},
    {"linux-7.1", "iomap_iter",
     "dev 259:1 ino 0x1003 pos 0x4000 length 0x0 status 0 flags FAULT|DAX (0x108) "
     "ops xfs_read_iomap_ops caller dax_iomap_pte_fault"},
    {"linux-7.1", "iomap_iter_dstmap",
     "dev 259:1 ino 0x101d bdev 0:0 addr 0x2a2000 offset 0x2000 length 0x1000 type MAPPED (0x2) "
     "flags DIRTY (0x2)"},
    {"linux-7.1", "iomap_iter_dstmap",
     "dev 259:1 ino 0x1003 bdev 0:0 addr 0xffffffffffffffff offset 0x3000 length 0x1000 "
     "type HOLE (0x0) flags  (0x0)"},
    {"linux-7.1", "xfs_read_fault", "dev 259:1 ino 0x1009 order 9"},
    {"linux-7.1", "xfs_write_fault", "dev 259:1 ino 0x100b order 18"},
    {"linux-7.1", "xfs_buf_unlock",
     "dev 259:1 daddr 0x20 bbcount 0x8 hold 3 pincount 1 lock 1 flags DONE "
     "bufops xfs_bnobt_buf_ops caller xfs_buf_item_release"},
};

}  // namespace

TEST_CASE("every line of a known event in the raw samples prints again as the kernel printed it") {
  std::map<std::string, int> seen;
  for (const auto& name : raw_files()) {
    const auto back = read(data_file(name));
    INFO(name);
    REQUIRE(back.result.ok());
    CHECK(back.result.info.unparsed == 0);
    CHECK(back.result.info.complete);
    for (const auto& line : back.lines) {
      if (!line.known) continue;
      INFO(line.line << ": " << line.event << ": " << line.body);
      REQUIRE(!line.fields.empty());
      Tracer tracer;
      CHECK(print_body(tracer, rebuild(tracer, line)) == without_offsets(line.body));
      ++seen[line.event];
    }
  }
  // Counted in the files with grep; a loop that saw nothing must not pass.
  CHECK(seen["xfs_ilock"] == 54);
  CHECK(seen["lock_acquire"] == 1208);
  CHECK(seen["signal_generate"] == 2);
  CHECK(seen.size() == 45);
}

TEST_CASE("lines of the reference traces print again, each under its kernel") {
  for (const auto& real : real_lines) {
    INFO(real.profile << " " << real.event);
    const std::string text = std::string("# faultline: format=1 profile=") + real.profile +
                             "\n              pf-261     [001] .....     7.134245: " + real.event +
                             ": " + real.body + "\n";
    const auto back = read(text);
    REQUIRE(back.result.malformed == 0);
    REQUIRE(back.lines.size() == 1);
    REQUIRE(!back.lines[0].fields.empty());
    Tracer tracer;
    CHECK(print_body(tracer, rebuild(tracer, back.lines[0]), real.profile) == real.body);
  }
}

// clang-format off
constexpr const char* reference_events[] = {
    "xfs_iunlock", "xfs_ilock", "xfs_ilock_nowait", "xfs_ilock_demote", "iomap_iter",
    "xfs_filemap_fault", "sys_exit", "sys_enter", "mmap_lock_start_locking",
    "mmap_lock_acquire_returned", "mmap_lock_released", "page_fault_user", "page_fault_kernel",
    "tlb_flush", "xfs_trans_free", "xfs_trans_commit", "xfs_trans_alloc", "xfs_trans_roll",
    "xfs_buf_lock", "xfs_buf_lock_done", "xfs_buf_unlock", "xfs_buf_trylock", "xfs_log_reserve",
    "xfs_log_reserve_exit", "iomap_iter_dstmap", "iomap_iter_srcmap", "xfs_iomap_found",
    "xfs_iomap_alloc", "xfs_update_time", "sched_switch", "sched_wakeup", "signal_generate",
    "xfs_alloc_vextent_finish", "xfs_log_force", "xfs_file_fsync", "mm_filemap_map_pages",
    "mm_filemap_fault", "mm_filemap_add_to_page_cache", "mm_filemap_delete_from_page_cache",
    "xfs_setattr", "xfs_file_dax_write", "xfs_file_dax_read", "exit_mmap",
    "xfs_itruncate_extents_start", "xfs_itruncate_extents_end", "xfs_setfilesize",
    "iomap_readahead", "lock_acquire", "lock_contended", "lock_acquired", "lock_release",
    "xfs_read_fault", "xfs_write_fault",
};
// clang-format on

TEST_CASE("every event of the reference traces is in the catalogue") {
  for (const char* name : reference_events) {
    INFO(name);
    const auto event = catalogue::find(name);
    REQUIRE(event);
    CHECK(catalogue::info(*event).name == name);
  }
  CHECK(!catalogue::find("xfs_iloc"));
  CHECK(!catalogue::find(""));
  CHECK(!catalogue::find("zzz"));
}

TEST_CASE("levels include those before them") {
  const auto kernel = EventMask::of_level(Level::kernel), locks = EventMask::of_level(Level::locks);
  const auto calls = EventMask::of_level(Level::calls), all = EventMask::all();
  CHECK(kernel.test(Event::xfs_ilock));
  CHECK(kernel.test(Event::sim_step));
  CHECK(!kernel.test(Event::lock_acquire));
  CHECK(locks.test(Event::lock_acquire));
  CHECK(locks.test(Event::sim_bitlock_release));
  CHECK(locks.test(Event::sys_enter));
  CHECK(!locks.test(Event::sim_call));
  CHECK(calls.test(Event::sim_ret));
  CHECK(!calls.test(Event::sim_pte_set));
  for (std::size_t i = 0; i < event_count; ++i) CHECK(all.test(Event(i)));
  for (const char* name : {"kernel", "locks", "calls", "all"}) {
    CHECK(level_name(*parse_level(name)) == name);
  }
  CHECK(!parse_level("lock"));
}

TEST_CASE("globs choose events") {
  const auto locks = EventMask::of_globs("lock_*,sim_ret");
  CHECK(locks.test(Event::lock_release));
  CHECK(locks.test(Event::sim_ret));
  CHECK(!locks.test(Event::sim_call));
  CHECK(!locks.test(Event::mmap_lock_released));
  CHECK(EventMask::of_globs("*_fault").test(Event::dax_pte_fault));
  CHECK(!EventMask::of_globs("*_fault").test(Event::dax_pte_fault_done));
  CHECK(EventMask::of_globs("xfs_?lock").test(Event::xfs_ilock));
  CHECK(EventMask::of_globs("*a*_*u*t").test(Event::dax_pte_fault));
  CHECK(EventMask::of_globs("nothing").none());
  CHECK(EventMask::of_globs("").none());
  CHECK(!chosen_events(Level::kernel, "lock_*,xfs_*").test(Event::lock_acquire));
  CHECK(chosen_events(Level::locks, "lock_*").test(Event::lock_acquire));
  CHECK(chosen_events(Level::locks, "").test(Event::xfs_ilock));
}

TEST_CASE("a profile's family chooses the format") {
  CHECK(family_of("linux-4.13+map-direct-v6") == linux_4_13);
  CHECK(family_of("linux-7.1+map-direct") == linux_7_1);
  CHECK(family_of("linux-6.12") == linux_6_12);
  Tracer tracer;
  Record r;
  r.time = Nanos(0);
  r.event = Event::xfs_filemap_fault;
  r.cpu = CpuId(0);
  r.task = TaskId(0);
  r.context = Context::task;
  r.n = 4;
  r.arg[0] = make_dev(259, 0);
  r.arg[1] = 0x85;
  r.arg[2] = 9;
  r.arg[3] = 1;
  CHECK(print_body(tracer, r) == "dev 259:0 ino 0x85 order 9 write_fault 1");
  CHECK(print_body(tracer, r, "linux-4.13+map-direct-v6") == "dev 259:0 ino 0x85");
}
