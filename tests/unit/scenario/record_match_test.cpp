// Which texts of a scenario match which words of a record, and which cannot be compiled at all.
#include "scenario/record_match.hpp"
#include "load_helper.hpp"
#include "scenario/expectations_sink.hpp"
#include "trace/tracer.hpp"

using namespace faultline;
using namespace faultline::test;

namespace {

/// Keeps what it is given.
struct Keep {
  Record record;
  void on_record(const Record& r) { record = r; }
};

/// Matches one field of the record that `emit` makes.
template <class Emit>
bool fits(const char* event, const char* field, const char* text, Emit emit,
          Family family = linux_6_12) {
  Tracer tracer;
  Keep keep;
  tracer.add_sink(sink_ref(keep), EventMask::all());
  emit(tracer);
  const auto compiled = compile_match({event, {{field, text}}, {}}, family);
  if (const auto* error = std::get_if<MatchError>(&compiled)) FAIL(error->what);
  return std::get<CompiledMatch>(compiled).matches(keep.record, tracer.symbols());
}

const CpuId cpu(0);
const TaskId task(0);

std::string error_of(const char* event, const char* field, const char* text) {
  const auto compiled = compile_match({event, {{field, text}}, {}}, linux_6_12);
  const auto* error = std::get_if<MatchError>(&compiled);
  return error == nullptr ? "" : error->what;
}

}  // namespace

TEST_CASE("numbers match in decimal and hex, whatever base the field prints in") {
  const auto lock = [](Tracer& t) {
    t.emit<Event::xfs_ilock>(Nanos(1), cpu, task, make_dev(259, 1), Ino(0x85), 40, "xfs_ilock_me");
  };
  CHECK(fits("xfs_ilock", "ino", "0x85", lock));
  CHECK(fits("xfs_ilock", "ino", "133", lock));
  CHECK_FALSE(fits("xfs_ilock", "ino", "85", lock));
  CHECK(fits("xfs_ilock", "dev", "259:1", lock));
  CHECK_FALSE(fits("xfs_ilock", "dev", "259:0", lock));
  CHECK(fits("xfs_ilock", "caller", "xfs_ilock_me", lock));
  CHECK_FALSE(fits("xfs_ilock", "caller", "xfs_ilock", lock));
  CHECK(fits("xfs_ilock", "flags", "ILOCK_SHARED|MMAPLOCK_SHARED", lock));
  CHECK(fits("xfs_ilock", "flags", "XFS_MMAPLOCK_SHARED|XFS_ILOCK_SHARED", lock));
  CHECK(fits("xfs_ilock", "flags", "40", lock));
  CHECK_FALSE(fits("xfs_ilock", "flags", "MMAPLOCK_SHARED", lock));
  CHECK_FALSE(fits("xfs_ilock", "flags", "", lock));
}

TEST_CASE("bare hex digits, signed numbers and pointers") {
  const auto enter = [](Tracer& t) {
    t.emit<Event::sys_enter>(Nanos(1), cpu, task, 9, 0, 0x2000, 3, 1, 4, 0);
  };
  CHECK(fits("sys_enter", "id", "9", enter));
  CHECK(fits("sys_enter", "a1", "2000", enter));
  CHECK(fits("sys_enter", "a1", "8192", enter));
  CHECK(fits("sys_enter", "a1", "0x2000", enter));
  CHECK_FALSE(fits("sys_enter", "a1", "200", enter));
  const auto leave = [](Tracer& t) { t.emit<Event::sys_exit>(Nanos(1), cpu, task, 9, -22); };
  CHECK(fits("sys_exit", "ret", "-22", leave));
  CHECK_FALSE(fits("sys_exit", "ret", "22", leave));
  const auto release = [](Tracer& t) {
    t.emit<Event::lock_release>(Nanos(1), cpu, task, 0x1000000000000010, "A");
  };
  CHECK(fits("lock_release", "id", "1000000000000010", release));
  CHECK(fits("lock_release", "id", "0x1000000000000010", release));
  CHECK(fits("lock_release", "id", "1152921504606846992", release));
  CHECK(fits("lock_release", "name", "A", release));
  const auto decimal = [](Tracer& t) {
    t.emit<Event::lock_release>(Nanos(1), cpu, task, 1000000000000010, "A");
  };
  CHECK_FALSE(fits("lock_release", "id", "1000000000000010", decimal));
}

TEST_CASE("words that stand for values") {
  const auto fault = [](Tracer& t) {
    t.emit<Event::dax_pte_fault_done>(Nanos(1), cpu, task, make_dev(259, 0), Ino(0x85), 0xfb, 0x55,
                                      0x7f0000000000, 2, 0x104);
  };
  CHECK(fits("dax_pte_fault_done", "vm_flags", "shared", fault));
  CHECK_FALSE(fits("dax_pte_fault_done", "vm_flags", "private", fault));
  const auto hole = [](Tracer& t) {
    t.emit<Event::dax_pmd_load_hole>(Nanos(1), cpu, task, make_dev(259, 0), Ino(1), 0xf3, 0, 0, 0);
  };
  CHECK(fits("dax_pmd_load_hole", "vm_flags", "private", hole));
  CHECK(fits("dax_pte_fault_done", "result", "MAJOR|NOPAGE", fault));
  CHECK(fits("dax_pte_fault_done", "result", "VM_FAULT_NOPAGE|VM_FAULT_MAJOR", fault));
  CHECK_FALSE(fits("dax_pte_fault_done", "result", "NOPAGE", fault));
  CHECK(fits("dax_pte_fault_done", "flags", "WRITE|ALLOW_RETRY|KILLABLE|USER", fault));
  const auto walk = [](Tracer& t) {
    t.emit<Event::mmap_lock_released>(Nanos(1), cpu, task, 5, 1, true);
  };
  CHECK(fits("mmap_lock_released", "write", "true", walk));
  CHECK(fits("mmap_lock_released", "write", "1", walk));
  CHECK_FALSE(fits("mmap_lock_released", "write", "false", walk));
  CHECK(fits("mmap_lock_released", "memcg", "/", walk));
  const auto acquire = [](Tracer& t) {
    t.emit<Event::lock_acquire>(Nanos(1), cpu, task, 1, 3, "A");
  };
  CHECK(fits("lock_acquire", "flags", "try read", acquire));
  CHECK_FALSE(fits("lock_acquire", "flags", "read", acquire));
  const auto map = [](Tracer& t) {
    t.emit<Event::iomap_iter_srcmap>(Nanos(1), cpu, task, make_dev(259, 0), Ino(1),
                                     make_dev(259, 0), 0, 0, 4096, 3, 0);
  };
  CHECK(fits("iomap_iter_srcmap", "type", "UNWRITTEN", map));
  CHECK(fits("iomap_iter_srcmap", "type", "IOMAP_UNWRITTEN", map));
  CHECK_FALSE(fits("iomap_iter_srcmap", "type", "HOLE", map));
  CHECK(fits("iomap_iter_srcmap", "flags", "", map));
  const auto step = [](Tracer& t) {
    t.emit<Event::sim_step_done>(Nanos(1), cpu, task, "t", "s", 28, 0);
  };
  CHECK(fits("sim_step_done", "errno", "ENOSPC", step));
  CHECK(fits("sim_step_done", "errno", "28", step));
  CHECK_FALSE(fits("sim_step_done", "errno", "0", step));
}

TEST_CASE("what a call returned matches as it prints and as a number") {
  const auto returned = [](RetKind kind, std::int64_t value) {
    return [=](Tracer& t) { t.emit<Event::sim_ret>(Nanos(1), cpu, task, "f", kind, value); };
  };
  CHECK(fits("sim_ret", "value", "-ENOSPC", returned(RetKind::errno_, -28)));
  CHECK(fits("sim_ret", "value", "-28", returned(RetKind::errno_, -28)));
  CHECK(fits("sim_ret", "value", "MAJOR|NOPAGE", returned(RetKind::vm_fault, 0x104)));
  CHECK(fits("sim_ret", "value", "true", returned(RetKind::boolean, 1)));
  CHECK(fits("sim_ret", "value", "0", returned(RetKind::integer, 0)));
  CHECK_FALSE(fits("sim_ret", "value", "0", returned(RetKind::none, 0)));
  CHECK_FALSE(fits("sim_ret", "value", "0", returned(RetKind::integer, 1)));
}

TEST_CASE("code addresses match by symbol, user addresses by number") {
  const auto kernel = [](Tracer& t) {
    const auto symbol = t.symbols().intern("copy_from_user");
    t.emit<Event::page_fault_kernel>(Nanos(1), cpu, task, symbol.v, ip_symbol(symbol), 0);
  };
  CHECK(fits("page_fault_kernel", "ip", "copy_from_user", kernel));
  CHECK_FALSE(fits("page_fault_kernel", "ip", "copy_to_user", kernel));
  CHECK(fits("page_fault_kernel", "address", "1", kernel));  // the first symbol's id, too
  CHECK(error_of("page_fault_kernel", "address", "copy_from_user") ==
        "\"copy_from_user\" is not a number");
}

TEST_CASE("fields go by the name that the profile's kernel prints, or the default one") {
  const auto hole = [](Tracer& t) {
    t.emit<Event::dax_pmd_load_hole>(Nanos(1), cpu, task, make_dev(259, 0), Ino(1), 8, 0x1000, 7,
                                     0);
  };
  CHECK(fits("dax_pmd_load_hole", "zero_folio", "0x7", hole));
  CHECK(fits("dax_pmd_load_hole", "zero_page", "0x7", hole, linux_4_13));
  CHECK(fits("dax_pmd_load_hole", "zero_folio", "0x7", hole, linux_4_13));
  CHECK(error_of("dax_pmd_load_hole", "zero_page", "0x7") != "");
}

TEST_CASE("what cannot match anything is refused with a hint") {
  CHECK(error_of("xfs_ilok", "ino", "1") == "unknown event \"xfs_ilok\"; did you mean xfs_ilock?");
  CHECK(error_of("xfs_ilock", "flag", "1") ==
        "xfs_ilock has no field \"flag\"; did you mean flags?");
  CHECK(error_of("xfs_ilock", "flags", "MMAPLOCK_SHARE") ==
        "\"MMAPLOCK_SHARE\" is no word of this field; did you mean MMAPLOCK_SHARED?");
  CHECK(error_of("xfs_ilock", "ino", "many") == "\"many\" is not a number");
  CHECK(error_of("xfs_ilock", "dev", "259") == "");
  CHECK(error_of("xfs_ilock", "dev", "a:b") == "\"a:b\" is not a device (\"259:0\")");
  CHECK(error_of("mmap_lock_released", "write", "yes") ==
        "\"yes\" is neither \"true\" nor \"false\"");
  CHECK(error_of("lock_acquire", "flags", "write") == "\"write\" is not \"try\", \"read\" or both");
  CHECK(error_of("sim_step_done", "errno", "ENOPE") == "\"ENOPE\" is not an errno");
  CHECK(error_of("sim_ret", "kind", "1") == "sim_ret has no field \"kind\"");
}

TEST_CASE("bad matches of a scenario have a position and are not watched") {
  const Scenario scenario = good(R"({"format": 1, "tasks": {"t": {"steps": [{"fence": {}}]}},
"expect": [{"outcome": "completed"},
{"order": [{"event": "sim_warn"}, {"event": "sim_wait", "where": {"wat": 1}}]},
{"never": {"event": "sim_wrn"}}]})");
  std::vector<std::string> wrong;
  for (const auto& each : check_matches(scenario)) wrong.push_back(to_string(each));
  CHECK(wrong == Lines{"dir/s.json:3:1: /expect/1/order/1/where/wat: sim_wait has no field "
                       "\"wat\"; did you mean what?",
                       "dir/s.json:4:1: /expect/2/never/event: unknown event \"sim_wrn\"; "
                       "did you mean sim_warn?"});
  SymbolTable symbols;
  const ExpectationSink sink(scenario, symbols);
  CHECK(sink.mask().none());
  CHECK(sink.seen(0).wrong.empty());
  CHECK(sink.seen(2).wrong == "unknown event \"sim_wrn\"; did you mean sim_warn?");
}
