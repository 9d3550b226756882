// Which descriptions of a driver mean nothing: an action on memory or pages that the device has
// not, operations that have nothing to give, a device that stacks on itself. A wrong description
// that a kernel could meet is none of these: it is played.
#include <fmt/format.h>

#include "base/units.hpp"
#include "scenario/reader.hpp"

namespace faultline {
namespace {

constexpr std::uint64_t phys_end = 1ULL << 52;

std::uint64_t pages_up_to(std::uint64_t bytes) {
  return (bytes >> PAGE_SHIFT) + ((bytes & (PAGE_SIZE - 1)) != 0);
}

bool is_remap(DriverActionKind kind) {
  return kind == DriverActionKind::remap || kind == DriverActionKind::remap_full ||
         kind == DriverActionKind::ioremap || kind == DriverActionKind::ioremap_full;
}
bool is_pages(DriverActionKind kind) {
  return kind == DriverActionKind::map_kernel_pages ||
         kind == DriverActionKind::map_kernel_pages_full;
}

}  // namespace

void Reader::check_frames(NodeId node, const CharDescription& driver, const DriverAction& action) {
  if (driver.phys_from_offset) return;
  if (driver.phys_size == 0) {
    if (action.pfn) return;
    wrong(node, [] { return std::string("the device has no memory: \"phys\" is missing"); });
    return;
  }
  const std::uint64_t first = driver.phys_at >> PAGE_SHIFT;
  const std::uint64_t end = pages_up_to(driver.phys_at + driver.phys_size);
  const auto outside = [&](const char* key, const char* what) {
    const NodeId said = get(node, key);
    wrong(said == no_node ? node : said, [&] {
      return fmt::format("{} the device's memory, which has frames {:#x} to {:#x}", what, first,
                         end - 1);
    });
  };
  const std::uint64_t from =
      action.pfn ? *action.pfn : action.phys.value_or(first << PAGE_SHIFT) >> PAGE_SHIFT;
  if (from < first || from >= end) {
    outside(action.pfn ? "pfn" : "phys", "lies outside");
  } else if (action.pages ? *action.pages > end - from
                          : pages_up_to(action.size.value_or(0)) > end - from) {
    outside(action.pages ? "pages" : "size", "reaches beyond");
  }
}

void Reader::check_pages(NodeId node, const CharDescription& driver, const DriverAction& action) {
  if (driver.page_count == 0) {
    wrong(node, [] { return std::string("the device has no page array: \"pages\" is missing"); });
    return;
  }
  const std::uint64_t wanted = action.pages.value_or(1);
  const bool fits = action.from <= driver.page_count && wanted <= driver.page_count - action.from;
  if (fits) return;
  wrong(node, [&] {
    return fmt::format("wants pages {} to {} of an array of {}", action.from,
                       action.from + wanted - 1, driver.page_count);
  });
}

void Reader::check_action(NodeId node, const CharDescription& driver, const DriverAction& action) {
  if (is_remap(action.kind)) check_frames(node, driver, action);
  if (is_pages(action.kind)) check_pages(node, driver, action);
  const bool window = action.kind == DriverActionKind::simple_ioremap;
  if (window && driver.phys_size == 0 && !action.phys) {
    wrong(node, [] { return std::string("the device has no memory: \"phys\" is missing"); });
  }
}

void Reader::check_driver(NodeId node, const CharDescription& driver) {
  const NodeId phys = get(node, "phys");
  if (phys != no_node && !driver.phys_from_offset) {
    if (driver.phys_size == 0 || driver.phys_at > phys_end ||
        driver.phys_size > phys_end - driver.phys_at) {
      wrong(phys, [] { return std::string("device memory lies below 2^52 and is not empty"); });
    }
  }
  const NodeId action = get(node, "action");
  if (action != no_node && tree_[action].kind == JsonKind::object) {
    check_action(action, driver, driver.actions.front());
  } else {
    std::size_t i = 0;
    for (const NodeId each : Children(tree_, action))
      check_action(each, driver, driver.actions[i++]);
  }
  const bool prepares = driver.hook == MmapHook::mmap_prepare || driver.splits;
  const bool legacy = driver.hook == MmapHook::mmap;
  if (action != no_node && legacy && !driver.splits) {
    wrong(action, [] { return std::string("only a mmap_prepare hook has actions, not mmap"); });
  }
  for (const char* const key : {"success_hook", "error_hook"}) {
    const NodeId hook = get(node, key);
    if (hook == no_node || !legacy || driver.splits) continue;
    wrong(hook, [] { return std::string("only a mmap_prepare hook has an action to add it to"); });
  }
  const NodeId calls = get(node, "calls");
  if (calls != no_node && prepares) {
    wrong(calls, [] { return std::string("only an mmap hook makes calls, not mmap_prepare"); });
  }
  std::size_t i = 0;
  for (const NodeId each : Children(tree_, calls)) {
    const DriverCall& call = driver.calls[i++];
    // Frames anywhere are what a driver's own call may ask for.
    const bool remap = call.kind <= DriverCallKind::io_remap_pfn_range;
    if (remap && !call.args.pfn) check_frames(each, driver, call.args);
    if (call.kind >= DriverCallKind::vm_insert_page) check_pages(each, driver, call.args);
  }
  // Without the key, it is the preset's handler that lacks something.
  const NodeId handler = get(get(node, "vm_ops"), "fault");
  const NodeId fault = handler == no_node ? node : handler;
  if (driver.fault == DriverFault::insert_page && driver.page_count == 0) {
    wrong(fault, [] { return std::string("the device has no page array: \"pages\" is missing"); });
  }
  const bool pfns = driver.fault == DriverFault::insert_pfn ||
                    driver.fault == DriverFault::insert_pfn_unless_cow ||
                    driver.fault == DriverFault::insert_mixed || driver.fault == DriverFault::dax ||
                    driver.huge_fault == DriverHugeFault::insert_pfn ||
                    driver.huge_fault == DriverHugeFault::insert_pfn_if_aligned ||
                    driver.huge_fault == DriverHugeFault::dax;
  if (pfns && driver.phys_size == 0) {
    wrong(fault, [] { return std::string("the device has no memory: \"phys\" is missing"); });
  }
  check_align(node, driver);
}

// The sizes of pages that page tables have; the device's memory consists of such pages.
void Reader::check_align(NodeId node, const CharDescription& driver) {
  const NodeId align = get(node, "align");
  const bool dax = driver.preset == DriverPreset::device_dax;
  if (align != no_node && driver.align != PAGE_SIZE && driver.align != PMD_SIZE &&
      driver.align != PUD_SIZE) {
    wrong(align, [] { return std::string("is 4KiB, 2MiB or 1GiB"); });
    return;
  }
  const std::uint64_t page = driver.align ? driver.align : PMD_SIZE;
  if (!dax || ((driver.phys_at | driver.phys_size) & (page - 1)) == 0) return;
  wrong(get(node, "phys"), [] {
    return std::string("memory of device-dax begins and ends with one of its pages (\"align\")");
  });
}

// A chain of stacked devices ends somewhere, and every one of them is a character device.
void Reader::check_stacking(NodeId devices) {
  std::uint32_t index = 0;
  for (const NodeId node : Children(tree_, devices)) {
    const auto* const spec = std::get_if<CharSpec>(&scenario_.devices[index++].what);
    if (!spec || spec->driver.inner == ~0u) continue;
    const NodeId place = get(get(get(node, "char"), "hook"), "stacked");
    const CharSpec* below = spec;
    for (std::size_t depth = 0; below && below->driver.inner != ~0u; ++depth) {
      if (depth > scenario_.devices.size()) {
        wrong(place, [] { return std::string("the device stacks on itself"); });
        break;
      }
      below = std::get_if<CharSpec>(&scenario_.devices[below->driver.inner].what);
      if (!below) wrong(place, [] { return std::string("is not a character device"); });
    }
  }
}

}  // namespace faultline
