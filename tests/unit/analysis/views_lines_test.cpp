// Single lines: the reduced reference format, events, locks and system calls of the views. The
// expected texts are written down from the rules of the comparison, the inputs are lines that real
// kernels printed.
#include "analysis/reference_trace.hpp"
#include "analysis/views_locks.hpp"
#include "analysis/views_syscalls.hpp"
#include "analysis/views_text.hpp"
#include "catch.hpp"

using namespace faultline;

namespace {

std::string event(std::string_view name, std::string_view body) {
  return event_text(name, body).value_or("(not compared)");
}

}  // namespace

TEST_CASE("reference lines of every kind are told apart") {
  const auto parse = [](const char* text) { return parse_reference_line(text).value(); };
  CHECK(parse("# note: fiemap before: 0 extents").kind == ReferenceKind::header);
  CHECK(parse("").kind == ReferenceKind::header);

  const auto step = parse("## STEP 2: read  1 byte  page 3");
  CHECK(step.kind == ReferenceKind::step);
  CHECK(step.actor == 'P');
  CHECK(step.text == "read  1 byte  page 3");
  CHECK(parse("## STEP (child) write 1 byte page 3").actor == 'C');
  CHECK(parse("## STEP (D) write 1 byte page 3").actor == 'D');
  CHECK(parse("## STEP (C) _exit(0)").text == "_exit(0)");

  const auto event = parse("P   xfs_filemap_fault: ino 0x1007 order 18 write_fault 1");
  CHECK(event.kind == ReferenceKind::event);
  CHECK(event.name == "xfs_filemap_fault");
  CHECK(event.text == "ino 0x1007 order 18 write_fault 1");

  const auto acquire = parse("C     ACQ &vma->vm_lock->lock@14 read trylock");
  CHECK(acquire.kind == ReferenceKind::acquire);
  CHECK(acquire.actor == 'C');
  CHECK(acquire.name == "&vma->vm_lock->lock");
  CHECK(acquire.text == "read trylock");
  CHECK(parse("P ACQ &ACCESS_PRIVATE(rtpcp, lock)@1 write/excl").name ==
        "&ACCESS_PRIVATE(rtpcp, lock)");
  const auto buffer =
      parse("P ACQ xfs_buf(agf_buf)@0x8 (semaphore b_sema, not a lockdep lock) trylock");
  CHECK(buffer.name == "xfs_buf(agf_buf)");
  CHECK(buffer.text == "(semaphore b_sema, not a lockdep lock) trylock");
  CHECK(parse("P REL dax_entry (dax_unlock_entry)").name == "dax_entry");
  CHECK(parse("P REL dax_entry (dax_unlock_entry)").kind == ReferenceKind::release);

  CHECK(parse("P   call do_fault").name == "do_fault");
  const auto ret = parse("P   ret  handle_mm_fault = MAJOR|NOPAGE");
  CHECK(ret.kind == ReferenceKind::ret);
  CHECK(ret.name == "handle_mm_fault");
  CHECK(ret.text == "MAJOR|NOPAGE");
  CHECK(parse("P ALLOC (fs_reclaim pseudo-lock)").kind == ReferenceKind::alloc);
  CHECK(parse("P MIGHT_FAULT (lockdep annotation)").kind == ReferenceKind::might_fault);
  CHECK(parse("P WAIT xlog_grant_space t_unit_res 10028").kind == ReferenceKind::wait);

  CHECK_FALSE(parse_reference_line("what is this"));
  CHECK_FALSE(parse_reference_line("P"));
  CHECK_FALSE(parse_reference_line("P no event here"));
}

TEST_CASE("events keep their meaningful fields and no others") {
  CHECK(event("page_fault_user", "address=0x1000001d3000 ip=0x401779 error_code=0x4") ==
        "page_fault_user error_code=0x4");
  CHECK(event("xfs_filemap_fault", "dev 259:1 ino 0x1003 order 18 write_fault 0") ==
        "xfs_filemap_fault order=18 write_fault=0");
  CHECK(event("mmap_lock_acquire_returned",
              "mm=00000000eba12316 memcg_path=/ write=true success=true") ==
        "mmap_lock_acquire_returned write=true success=true");
  CHECK(event("dax_pmd_fault_done",
              "ino 0x1003 shared WRITE|USER|VMA_LOCK|0x800 address 0x1000001d3000 vm_start "
              "0x1000001d0000 vm_end 0x1000001e0000 pgoff 0x3 max_pgoff 0x10 FALLBACK") ==
        "dax_pmd_fault_done shared flags=WRITE|USER|VMA_LOCK|0x800 pgoff=0x3 max_pgoff=0x10 "
        "result=FALLBACK");
  CHECK(event("dax_pte_fault", "dev 259:1 ino 0x1003 private USER address 0x1000 pgoff 0x3 ") ==
        "dax_pte_fault private flags=USER pgoff=0x3");
  CHECK(event("dax_pmd_load_hole",
              "ino 0x100f shared address 0x100000205000 zero_folio "
              "00000000e3c1a390 radix_entry 0x16400d") == "dax_pmd_load_hole shared");
  CHECK(event("iomap_iter",
              "ino 0x83 pos 0x0 length 0x10000 processed 65536 flags  (0x0) ops "
              "xfs_read_iomap_ops [xfs] caller iomap_readahead+0x12/0x30") ==
        "iomap_iter pos=0x0 length=0x10000 processed=65536 flags= ops=xfs_read_iomap_ops "
        "caller=iomap_readahead");
  CHECK(event("iomap_iter_dstmap",
              "dev 259:1 ino 0x1003 bdev 0:0 addr 0xffffffffffffffff offset 0x3000 length 0x1000 "
              "type HOLE flags ") ==
        "iomap_iter_dstmap offset=0x3000 length=0x1000 type=HOLE flags=");
  CHECK(event("xfs_iomap_alloc",
              "ino 0x1007 disize 0x10000 pos 0x3000 bytecount 0x1000 fork data "
              "startoff 0x3 startblock 0x238 fsbcount 0x1") ==
        "xfs_iomap_alloc pos=0x3000 bytecount=0x1000 fork=data startoff=0x3 fsbcount=0x1");
  CHECK(event("tlb_flush", "pages:2  reason:remote ipi send (4)") ==
        "tlb_flush pages:2 reason:remote ipi send (4)");
  CHECK(event("signal_generate", "sig=7 errno=0 code=2 copid=411 grp=0 res=0") ==
        "signal_generate sig=7 code=2");
  CHECK(event("sched_switch",
              "prev_comm=pf prev_pid=261 prev_prio=120 prev_state=D ==> "
              "next_comm=x") == "sched_switch prev_state=D");
  CHECK(event("sched_switch", "prev_comm=pf prev_state=R+ ==> next_comm=x") == "(not compared)");
  CHECK(event("some_other_event", "a=1") == "(not compared)");
}

TEST_CASE("callers are compared under the function that contains them") {
  for (const auto* name : {"__xfs_filemap_fault+0xe2/0x310", "xfs_dax_read_fault",
                           "xfs_write_fault", "__xfs_write_fault"}) {
    CHECK(containing_function(name) == "__xfs_filemap_fault");
  }
  CHECK(containing_function("xfs_inode_item_release") == containing_function("xlog_cil_commit"));
  CHECK(containing_function("xfs_setattr_size.isra.0") ==
        containing_function("xfs_vn_setattr_size"));
  CHECK(containing_function("xfs_ilock_for_iomap") != containing_function("xfs_vn_update_time"));
}

TEST_CASE("lock classes are the listed ones, in one spelling") {
  CHECK(counted_class("&mm->mmap_lock") == "&mm->mmap_lock");
  CHECK(counted_class("&mm->mmap_lock/1") == "&mm->mmap_lock");
  CHECK(counted_class("sb_internal#2") == "sb_internal");
  CHECK(counted_class("&sb->s_type->i_mutex_key#14/4") == "&sb->s_type->i_mutex_key");
  CHECK(counted_class("xfs_buf(agf_buf)") == "xfs_buf(agf)");
  CHECK(counted_class("xfs_buf(agf)") == "xfs_buf(agf)");
  CHECK_FALSE(counted_class("&ip->i_flags_lock"));
  CHECK_FALSE(counted_class("mount_lock"));
  CHECK(acquire_text("&mm->mmap_lock", {true, true}) == "ACQ &mm->mmap_lock read trylock");
  CHECK(acquire_text("sb_writers", {false, false}) == "ACQ sb_writers excl");
  CHECK(acquire_text("xfs_buf(agf)", {false, true}) == "ACQ xfs_buf(agf) trylock");
  CHECK(acquire_text("dax_entry", {}) == "ACQ dax_entry");
  LockTake take;
  CHECK(split_lock_event("00000000ec3813b0 try read &mm->mmap_lock", take) == "&mm->mmap_lock");
  CHECK((take.read && take.trylock));
  CHECK(buffer_class("dev 259:0 daddr 0x18 bufops xfs_agfl_buf_ops+0x0/0x40 caller f") ==
        "xfs_buf(agfl)");
  CHECK_FALSE(buffer_class("dev 259:0 daddr 0x18"));
}

TEST_CASE("system calls compare by name and result, whatever the trace calls them") {
  const auto enter = [](const char* body) { return enter_text(split_syscall(body).value()); };
  const auto exit = [](const char* body) { return exit_text(split_syscall(body).value()); };
  CHECK(enter("NR 9 (1000001d0000, 10000, 3, 11, 5, 0)") == "sys_enter mmap");
  CHECK(enter("mmap(0x1000001d0000, 0x10000, 0x3, 0x11, 0x5, 0x0)") == "sys_enter mmap");
  CHECK(exit("NR 9 = 17592187944960") == "sys_exit mmap = 0x1000001d0000");
  CHECK(exit("mmap = 0x1000001d0000") == "sys_exit mmap = 0x1000001d0000");
  CHECK(exit("NR 11 = -22") == "sys_exit munmap = -22");
  CHECK(exit("pwrite64 = 4096") == "sys_exit pwrite64 = 4096");
  CHECK(exit("NR 56 = 472") == "sys_exit clone = PID");
  CHECK(exit("clone = 0") == "sys_exit clone = 0");
  CHECK(exit("NR 9999 = 0") == "sys_exit NR9999 = 0");
  CHECK_FALSE(split_syscall("NR nine (1)"));
  CHECK(is_harness_call("rt_sigprocmask"));
  CHECK_FALSE(is_harness_call("pwrite64"));
}
