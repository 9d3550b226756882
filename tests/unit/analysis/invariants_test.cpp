// The watch of invariants: what it says, and when; and the rules of the fault path that a moment
// shows.
#include "analysis/invariants.hpp"

#include "analysis/simulate.hpp"
#include "scenario/world.hpp"
#include "unit/kernel/mm_rig.hpp"
#include "unit/scenario/load_helper.hpp"

using namespace faultline;
using namespace faultline::test;

namespace {

const char* const three_maps = R"({"format": 1, "tasks": {"t": {"steps": [
  {"id": "a", "mmap": {"length": "32KiB", "prot": 3, "flags": ["PRIVATE", "ANONYMOUS"]}},
  {"id": "b", "mmap": {"length": "32KiB", "prot": 1, "flags": ["PRIVATE", "ANONYMOUS"]}},
  {"id": "c", "mmap": {"length": "32KiB", "prot": 3, "flags": ["PRIVATE", "ANONYMOUS"]}}]}}})";

// Damages the process when its second step has ended.
struct Vandal {
  World* world = nullptr;
  int steps = 0;
  void on_record(const Record& record) {
    if (record.event != Event::sim_step_done || ++steps != 2) return;
    ++world->kernel().mms.front().map_count;
  }
};

std::vector<Finding> watched(const char* text, Vandal* vandal) {
  const Scenario scenario = good(text);
  Tracer tracer;
  InvariantWatch watch(tracer);
  if (vandal) tracer.add_sink(sink_ref(*vandal), EventMask::all());
  tracer.add_sink(sink_ref(watch), EventMask::all());
  World world(scenario, tracer, WorldOptions{});
  REQUIRE(world.errors().empty());
  if (vandal) vandal->world = &world;
  watch.watch(world.kernel());
  CHECK(world.run().outcome == Outcome::completed);
  return watch.findings();
}

struct RuleRig {
  MmRig rig;
  FaultRules rules{rig.tracer.symbols()};

  Record record(Event event, std::initializer_list<std::uint64_t> words) {
    Record r{};
    r.event = event;
    for (const std::uint64_t word : words) r.arg[r.n++] = word;
    return r;
  }
  std::uint64_t symbol(const char* name) { return rig.tracer.symbols().intern(name).v; }
  std::string at_call(const char* function) {
    return seen(record(Event::sim_call, {symbol(function)}));
  }
  std::string at_ret(const char* function, vm_fault_t result) {
    const auto kind = static_cast<std::uint64_t>(RetKind::vm_fault);
    return seen(record(Event::sim_ret, {symbol(function), kind, result.v}));
  }
  std::string seen(const Record& r) {
    const auto broken = rules.on_record(rig.k, r);
    return broken ? std::string(fault_rule_name(broken->rule)) : "";
  }
};
inline FramePool& frame_pool(RuleRig& r) { return r.rig.engine.frames(); }

}  // namespace

TEST_CASE("a whole run has no findings") { CHECK(watched(three_maps, nullptr).empty()); }

TEST_CASE("what breaks is found at the record at which it broke, and once") {
  Vandal vandal;
  const std::vector<Finding> found = watched(three_maps, &vandal);
  REQUIRE(found.size() == 1);
  CHECK(found[0].kind == "invariant");
  INFO(found[0].text);
  CHECK(found[0].text.find("map-count of mm 1: map_count is 3, the VMAs make it 2") == 0);
  CHECK(found[0].text.find("sim_step_done of t in step t.b mmap; looked at") != std::string::npos);
}

TEST_CASE("simulate looks only if it is asked to, and what it finds is not expected") {
  // The state before "mm: avoid deadlock when holding rmap on mmap_prepare error".
  static constexpr std::string_view words[] = {"under_rmap", "after_rmap"};
  const KnobSpec knobs[] = {{"mm.action_unmap", KnobType::word, words}};
  const Scenario scenario = good(R"({"format": 1,
"kernel": {"profile": "linux-7.1", "set": {"mm.action_unmap": "under_rmap"}},
"devices": {"d": {"char": {"pages": {"count": 8, "bad": {"5": "ref0"}}, "hide_from_rmap": true,
                            "action": {"type": "map_kernel_pages_full"}}}},
"files": {"dev": {"type": "char", "device": "d"}},
"tasks": {"t": {"steps": [
  {"id": "fd", "open": {"file": "dev", "flags": ["O_RDWR"]}},
  {"mmap": {"length": "32KiB", "prot": 3, "flags": ["MAP_SHARED"], "fd": "fd"}}]}},
"expect": [{"outcome": "deadlock"}, {"finding": {"kind": "recursion", "names": []}}]})",
                                 {}, Vocabulary{knobs, {}, {}});
  SimulateOptions options;
  CHECK(simulate(scenario, options).exit_code == 0);
  options.check_invariants = true;
  const Simulation run = simulate(scenario, options);
  CHECK(run.exit_code == 1);
  int invariants = 0;
  for (const Finding& finding : run.result.findings) {
    if (finding.kind != "invariant") continue;
    ++invariants;
    CHECK(finding.text.find("unmap-under-rmap: ") == 0);
  }
  CHECK(invariants == 1);
}

namespace {

Path<void> break_fault_rules(RuleRig& r, bool* done) {
  Kernel& k = r.rig.k;
  mm_struct& mm = r.rig.mm();
  vm_area_struct& vma = place_vma(k, mm, Vaddr(0x10000), Vaddr(0x20000), VM_READ | VM_MAYREAD);
  CHECK(r.at_call("handle_mm_fault") == "fault-in-locked-vma");
  r.at_ret("handle_mm_fault", {});

  co_await down_read(mm.mmap_lock);
  CHECK(r.at_call("handle_mm_fault").empty());
  CHECK(r.at_ret("handle_mm_fault", {}).empty());
  r.at_call("handle_mm_fault");
  CHECK(r.at_ret("handle_mm_fault", VM_FAULT_RETRY) == "fault-lock-kept");
  const std::uint64_t io = k.locks.class_info(k.cls.i_rwsem).printed.v;
  CHECK(r.seen(r.record(Event::lock_acquire, {1, 0, io})) == "io-under-fault-lock");
  CHECK(r.seen(r.record(Event::sim_step_done, {0, 0, 0, 0})) == "lock-left");
  r.at_call("handle_mm_fault");
  up_read(mm.mmap_lock);
  CHECK(r.at_ret("handle_mm_fault", {}) == "fault-lock-kept");
  CHECK(r.seen(r.record(Event::lock_acquire, {1, 0, io})).empty());
  CHECK(r.seen(r.record(Event::sim_step_done, {0, 0, 0, 0})).empty());

  co_await down_read(vma.vm_lock);
  CHECK(r.at_call("handle_mm_fault").empty());
  CHECK(r.at_ret("handle_mm_fault", {}).empty());
  vma.vm_lock_seq = mm.mm_lock_seq;
  CHECK(r.at_call("handle_mm_fault") == "fault-in-locked-vma");
  up_read(vma.vm_lock);
  vma.vm_lock_seq = -1;

  rw_semaphore inner, outer;
  init_lock(inner, k.locks, k.cls.ilock, lock_id(LockOwner::inode, 1, 2));
  init_lock(outer, k.locks, k.cls.invalidate_lock, lock_id(LockOwner::inode, 1, 3));
  const std::uint64_t entry = k.locks.class_info(k.cls.dax_entry).printed.v;
  const std::uint64_t mmaplock = k.locks.class_info(k.cls.invalidate_lock).printed.v;
  const Record fault = r.record(Event::page_fault_kernel, {0, 0, 0});
  CHECK(r.seen(fault).empty());
  co_await down_read(outer);
  CHECK(r.seen(fault) == "copy-under-inode-lock");
  up_read(outer);
  CHECK(r.seen(r.record(Event::sim_bitlock_acquire, {1, 0, entry})).empty());
  CHECK(r.seen(r.record(Event::lock_acquire, {1, 0, mmaplock})).empty());
  co_await down_read(inner);
  CHECK(r.seen(fault) == "copy-under-inode-lock");
  CHECK(r.seen(r.record(Event::sim_bitlock_acquire, {1, 0, entry})) == "dax-entry-order");
  CHECK(r.seen(r.record(Event::lock_acquire, {1, 0, io})) == "lock-under-ilock");
  CHECK(r.seen(r.record(Event::lock_acquire, {1, 0, mmaplock})) == "lock-under-ilock");
  CHECK(r.seen(r.record(Event::lock_acquire, {1, 1, io})).empty());
  up_read(inner);

  rw_semaphore rmap;
  init_lock(rmap, k.locks, k.cls.i_mmap_rwsem, lock_id(LockOwner::inode, 1, 1));
  CHECK(r.at_call("do_vmi_munmap").empty());
  co_await down_write(rmap);
  CHECK(r.at_call("do_vmi_munmap") == "unmap-under-rmap");
  CHECK(r.at_call("do_something_else").empty());
  up_write(rmap);
  *done = true;
}

}  // namespace

TEST_CASE("each rule of the fault path is seen to be broken") {
  RuleRig rules;
  bool done = false;
  rules.rig.run(break_fault_rules(rules, &done));
  CHECK(done);
}
