// Drivers as data: what a description becomes, and which ones are refused where.
#include "unit/scenario/load_helper.hpp"

using namespace faultline;
using namespace faultline::test;

namespace {

std::string with_device(const std::string& device) {
  return R"({"format": 1, "devices": {"d": {"char":
)" + device +
         R"(}}, "tasks": {"t": {"steps": []}}})";
}

CharDescription driver(const std::string& device) {
  return std::get<CharSpec>(good(with_device(device)).devices[0].what).driver;
}

}  // namespace

TEST_CASE("a description of a driver, word by word") {
  const CharDescription d = driver(R"({
    "hook": "mmap_prepare", "phys": {"at": "1TiB", "size": "64KiB"},
    "pages": {"count": 20, "bad": {"11": "ref0", "3": "duplicate"}},
    "action": {"type": "map_kernel_pages", "start": "-4KiB", "pages": 8, "from": 2},
    "returns": "EPROTO", "set_flags": ["DONTEXPAND", "VM_IO"], "clear_flags": ["MAYWRITE"],
    "page_prot": "noncached", "page_prot_after": "writecombine", "private_data": "0x1111",
    "vm_ops": {"open": {}, "mapped": {"returns": "ENXIO", "private_data": 7,
               "sleep": {"for": "1us", "nth": 2}}, "fault": "insert_pfn_unless_cow"},
    "error_hook": {"returns": "EAGAIN"}, "hide_from_rmap": true})");
  CHECK(d.hook == MmapHook::mmap_prepare);
  CHECK(d.phys_at == 1ULL << 40);
  CHECK(d.phys_size == 65536);
  CHECK(d.page_count == 20);
  REQUIRE(d.bad_pages.size() == 2);
  CHECK(d.bad_pages[0].index == 11);
  CHECK(d.bad_pages[1].kind == BadPage::duplicate);
  REQUIRE(d.actions.size() == 1);
  CHECK(d.actions[0].kind == DriverActionKind::map_kernel_pages);
  CHECK(d.actions[0].start == -4096);
  CHECK(d.actions[0].pages == 8);
  CHECK(d.actions[0].from == 2);
  CHECK(d.returns == -71);
  CHECK(d.set_flags == 0x44000);
  CHECK(d.clear_flags == 0x20);
  CHECK(d.page_prot == CacheChoice::noncached);
  CHECK(d.page_prot_after == CacheChoice::writecombine);
  CHECK(d.private_data == 0x1111);
  CHECK(d.has_vm_ops);
  CHECK(d.open.present);
  CHECK_FALSE(d.close.present);
  CHECK(d.mapped.returns == -6);
  CHECK(d.mapped.private_data == 7);
  CHECK(d.mapped.sleep.duration == Nanos(1000));
  CHECK(d.mapped.sleep.nth == 2);
  CHECK(d.fault == DriverFault::insert_pfn_unless_cow);
  CHECK_FALSE(d.success_hook.present);
  CHECK(d.error_hook.returns == -11);
  CHECK(d.hide_from_rmap);
}

TEST_CASE("what is absent, null or a number") {
  const CharDescription bare = driver(R"({"hook": "both", "returns": 1, "vm_ops": null})");
  CHECK(bare.hook == MmapHook::both);
  CHECK(bare.returns == 1);
  CHECK_FALSE(bare.has_vm_ops);
  CHECK(bare.actions.empty());
  const CharDescription odd =
      driver(R"({"action": [{"type": 99}, {"type": "remap", "size": "half", "pfn": 5}]})");
  REQUIRE(odd.actions.size() == 2);
  CHECK(odd.actions[0].kind == DriverActionKind::unknown);
  CHECK(odd.actions[1].half);
  CHECK(odd.actions[1].pfn == 5);
}

TEST_CASE("a preset is a description that can be changed") {
  const CharDescription dice =
      driver(R"({"preset": "open-dice", "phys": {"at": "1TiB", "size": "16KiB"}})");
  CHECK(dice.preset == DriverPreset::open_dice);
  CHECK(dice.page_prot == CacheChoice::writecombine);
  CHECK(dice.set_flags == (0x20000 | 0x4000000));
  REQUIRE(dice.actions.size() == 1);
  CHECK(dice.actions[0].kind == DriverActionKind::simple_ioremap);
  CHECK(driver(R"({"preset": "mtdchar"})").returns == -19);
  CHECK(driver(R"({"preset": "mtdchar", "returns": 0})").returns == 0);
}

TEST_CASE("descriptions that mean nothing are refused") {
  CHECK(complaints(with_device(R"({"preset": "open-dize"})")) ==
        Lines{"s.json:2:12: /devices/d/char/preset: unknown driver \"open-dize\"; did you mean "
              "open-dice?"});
  CHECK(complaints(with_device(R"({"hook": "mmap_prepare", "action": {"type": "remap_full"}})")) ==
        Lines{"s.json:2:36: /devices/d/char/action: the device has no memory: \"phys\" is "
              "missing"});
  CHECK(complaints(with_device(R"({"phys": {"at": "1TiB", "size": "64KiB"},
 "action": {"type": "remap", "pfn": "0x10000010"}})")) ==
        Lines{"s.json:3:37: /devices/d/char/action/pfn: lies outside the device's memory, which "
              "has frames 0x10000000 to 0x1000000f"});
  CHECK(complaints(with_device(R"({"pages": {"count": 20, "bad": {"20": "ref0", "x": "slab"}},
 "action": {"type": "map_kernel_pages", "pages": 19, "from": 2}})")) ==
        Lines{"s.json:2:39: /devices/d/char/pages/bad/20: the array has pages 0 to 19",
              "s.json:2:52: /devices/d/char/pages/bad/x: \"x\" is no index of a page",
              "s.json:3:12: /devices/d/char/action: wants pages 2 to 20 of an array of 20"});
  CHECK(complaints(with_device(R"({"phys": {"at": "1TiB", "size": "64KiB"},
 "action": {"type": "remap", "pfn": "0x1000000f", "pages": 2}})")) ==
        Lines{"s.json:3:60: /devices/d/char/action/pages: reaches beyond the device's memory, "
              "which has frames 0x10000000 to 0x1000000f"});
  CHECK(complaints(with_device(R"({"phys": {"at": "1TiB", "size": "64KiB"},
 "action": [{"type": "ioremap", "phys": "0x1000000f000", "size": "4KiB"},
 {"type": "ioremap", "size": "64KiB"}, {"type": "ioremap", "size": "0x10001"}]})")) ==
        Lines{"s.json:4:68: /devices/d/char/action/2/size: reaches beyond the device's memory, "
              "which has frames 0x10000000 to 0x1000000f"});
  CHECK(complaints(with_device(R"({"phys": {"at": "1TiB", "size": "64KiB"},
 "action": {"type": "ioremap", "phys": "0xffffffff000"}})")) ==
        Lines{"s.json:3:40: /devices/d/char/action/phys: lies outside the device's memory, which "
              "has frames 0x10000000 to 0x1000000f"});
  CHECK(complaints(with_device(R"({"pages": {"count": 20},
 "action": {"type": "map_kernel_pages_full", "from": 20}})")) ==
        Lines{"s.json:3:12: /devices/d/char/action: wants pages 20 to 20 of an array of 20"});
  CHECK(complaints(with_device(R"({"hook": "mmap", "error_hook": {"returns": "EAGAIN"}})")) ==
        Lines{"s.json:2:32: /devices/d/char/error_hook: only a mmap_prepare hook has an action to "
              "add it to"});
  CHECK(complaints(with_device(R"({"hook": "mmap", "action": {"type": "none"}})")) ==
        Lines{"s.json:2:28: /devices/d/char/action: only a mmap_prepare hook has actions, not "
              "mmap"});
  CHECK(complaints(with_device(R"({"calls": [{"vm_map_pages": {}}], "pages": {"count": 1}})")) ==
        Lines{"s.json:2:11: /devices/d/char/calls: only an mmap hook makes calls, not "
              "mmap_prepare"});
  CHECK(complaints(with_device(R"({"vm_ops": {"fault": "insert_page"}})")) ==
        Lines{"s.json:2:22: /devices/d/char/vm_ops/fault: the device has no page array: \"pages\" "
              "is missing"});
  CHECK(complaints(with_device(R"({"preset": "afs", "pages": {"count": 0}})")) ==
        Lines{"s.json:2:1: /devices/d/char: the device has no page array: \"pages\" is missing"});
  CHECK(complaints(with_device(R"({"vm_ops": {"flush": {}}})")) ==
        Lines{"s.json:2:13: /devices/d/char/vm_ops/flush: unknown key \"flush\" (known here: "
              "open, close, mapped, fault, may_split, mremap, mprotect, huge_fault)"});
  CHECK(complaints(with_device(R"({"hook": {"stacked": "d"}})")) ==
        Lines{"s.json:2:22: /devices/d/char/hook/stacked: the device stacks on itself"});
  CHECK(complaints(with_device(R"({"hook": {"stacked": "e"}})")) ==
        Lines{"s.json:2:22: /devices/d/char/hook/stacked: unknown device \"e\""});
}
