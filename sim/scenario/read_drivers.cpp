// Drivers as data: from JSON to a CharDescription. What the words mean is said beside the fields of
// include/faultline/char_device.hpp; which descriptions are refused, in check_drivers.cpp.
#include <charconv>

#include <fmt/format.h>

#include <faultline/errno.hpp>

#include "base/suggest.hpp"
#include "kernel/drivers/presets.hpp"
#include "scenario/reader.hpp"

namespace faultline {
namespace {

constexpr std::string_view hook_words[] = {"mmap_prepare", "mmap", "both", "none"};
constexpr std::string_view bad_words[] = {"ref0", "slab", "zero", "duplicate"};
constexpr std::string_view action_words[] = {
    "none",         "remap",          "remap_full",       "ioremap",
    "ioremap_full", "simple_ioremap", "map_kernel_pages", "map_kernel_pages_full"};
constexpr std::string_view call_words[] = {"remap_pfn_range", "io_remap_pfn_range",
                                           "vm_iomap_memory", "vm_insert_page",
                                           "vm_insert_pages", "vm_map_pages"};
constexpr std::string_view fault_words[] = {
    "", "insert_page", "insert_pfn", "sigbus", "insert_pfn_unless_cow", "insert_mixed", "dax"};
constexpr std::string_view huge_fault_words[] = {"",         "insert_pfn", "insert_pfn_if_aligned",
                                                 "fallback", "sigbus",     "dax"};
constexpr std::string_view cache_words[] = {"", "noncached", "writecombine"};
constexpr std::uint64_t most_pages = 1ULL << 24;

// What an integer says that stands where an action's name may stand.
constexpr DriverActionKind action_numbers[] = {
    DriverActionKind::none, DriverActionKind::remap, DriverActionKind::ioremap,
    DriverActionKind::simple_ioremap, DriverActionKind::map_kernel_pages};

}  // namespace

std::int64_t Reader::read_returns(NodeId node) {
  if (node == no_node) return 0;
  const auto named_error = errno_from_name(values_.text(node));
  if (named_error) return -*named_error;
  return static_cast<std::int64_t>(values_.argument(node));
}

HookSleep Reader::read_sleep(NodeId node) {
  HookSleep sleep;
  if (node == no_node) return sleep;
  const NodeId length = get(node, "for");
  sleep.duration = Nanos(values_.duration(length));
  sleep.nth = values_.size(get(node, "nth"), 1);
  if (sleep.duration.v > longest_duration) {
    wrong(length, [] { return std::string("is longer than 31 years"); });
  }
  return sleep;
}

DriverOp Reader::read_op(NodeId node) {
  DriverOp op;
  op.present = node != no_node;
  op.returns = read_returns(get(node, "returns"));
  op.sleep = read_sleep(get(node, "sleep"));
  const NodeId private_data = get(node, "private_data");
  if (private_data != no_node) op.private_data = values_.argument(private_data);
  return op;
}

void Reader::read_hook(NodeId node, CharDescription& driver) {
  if (node == no_node) return;
  const NodeId stacked = get(node, "stacked");
  if (stacked == no_node) {
    driver.hook = values_.word(node, hook_words, driver.hook);
    driver.splits = false;
    return;
  }
  driver.hook = MmapHook::stacked;
  if (const auto inner = named(stacked, devices_, "device")) driver.inner = *inner;
}

void Reader::read_memory(NodeId node, CharDescription& driver) {
  const NodeId phys = get(node, "phys");
  if (phys != no_node) {
    driver.phys_from_offset = values_.text(phys) == "offset";
    driver.phys_at = values_.size(get(phys, "at"));
    driver.phys_size = values_.size(get(phys, "size"));
  }
  const NodeId pages = get(node, "pages");
  if (pages == no_node) return;
  driver.page_count = values_.size(get(pages, "count"));
  if (driver.page_count > most_pages) {
    wrong(get(pages, "count"), [] { return std::string("a page array has at most 2^24 pages"); });
    driver.page_count = 0;
  }
  for (const NodeId bad : Children(tree_, get(pages, "bad"))) {
    const std::string_view key = tree_.key(bad);
    BadPageAt at;
    const auto end = std::from_chars(key.data(), key.data() + key.size(), at.index);
    if (end.ec != std::errc() || end.ptr != key.data() + key.size()) {
      wrong(bad, [&] { return fmt::format("{} is no index of a page", json_quote(key)); });
    } else if (at.index >= driver.page_count) {
      wrong(bad, [&] { return fmt::format("the array has pages 0 to {}", driver.page_count - 1); });
    }
    at.kind = values_.word(bad, bad_words, BadPage::ref0);
    driver.bad_pages.push_back(at);
  }
}

DriverAction Reader::read_action(NodeId node) {
  DriverAction action;
  const NodeId type = get(node, "type");
  action.kind = values_.word(type, action_words, DriverActionKind::none);
  if (type != no_node && tree_[type].kind == JsonKind::integer) {
    const std::uint64_t number = values_.argument(type);
    const bool known = number < std::size(action_numbers);
    action.kind = known ? action_numbers[number] : DriverActionKind::unknown;
  }
  action.start = static_cast<std::int64_t>(values_.argument(get(node, "start")));
  const auto optional = [&](std::string_view key, std::optional<std::uint64_t>& field) {
    const NodeId value = get(node, key);
    if (value != no_node) field = values_.argument(value);
  };
  optional("pfn", action.pfn);
  optional("phys", action.phys);
  optional("pages", action.pages);
  action.half = values_.text(get(node, "size")) == "half";
  if (!action.half) optional("size", action.size);
  action.from = values_.argument(get(node, "from"));
  return action;
}

void Reader::read_calls(NodeId list, CharDescription& driver) {
  if (list == no_node) return;
  driver.calls.clear();
  for (const NodeId node : Children(tree_, list)) {
    DriverCall call;
    NodeId args = no_node;
    for (std::size_t i = 0; i < std::size(call_words) && args == no_node; ++i) {
      args = get(node, call_words[i]);
      call.kind = static_cast<DriverCallKind>(i);
    }
    call.args = read_action(args);
    driver.calls.push_back(call);
  }
}

void Reader::read_driver_ops(NodeId node, CharDescription& driver) {
  const NodeId ops = get(node, "vm_ops");
  if (ops == no_node) return;
  driver.has_vm_ops = tree_[ops].kind == JsonKind::object;
  driver.open = read_op(get(ops, "open"));
  driver.close = read_op(get(ops, "close"));
  driver.mapped = read_op(get(ops, "mapped"));
  driver.may_split = read_op(get(ops, "may_split"));
  driver.mremap = read_op(get(ops, "mremap"));
  driver.mprotect = read_op(get(ops, "mprotect"));
  const NodeId fault = get(ops, "fault");
  const NodeId how = get(fault, "how");
  driver.fault = values_.word(how == no_node ? fault : how, fault_words, DriverFault::absent);
  driver.fault_sleep = read_sleep(get(fault, "sleep"));
  const NodeId huge = get(ops, "huge_fault");
  const NodeId huge_how = get(huge, "how");
  driver.huge_fault = values_.word(huge_how == no_node ? huge : huge_how, huge_fault_words,
                                   DriverHugeFault::absent);
  driver.huge_fault_sleep = read_sleep(get(huge, "sleep"));
}

void Reader::read_replacement(NodeId node, CharDescription& driver) {
  if (node == no_node) return;
  driver.replace_by_shmem = values_.text(node) == "new-shmem";
  if (driver.replace_by_shmem) return;
  if (const auto file = named(node, files_, "file")) driver.replace_file = *file;
}

CharSpec Reader::read_char(NodeId node) {
  CharSpec spec;
  const NodeId preset = get(node, "preset");
  spec.preset = values_.text(preset);
  CharDescription& driver = spec.driver;
  if (preset != no_node && !spec.preset.empty()) {
    const DriverPresetRow* const row = find_driver_preset(spec.preset);
    if (row) {
      driver = row->describe();
      driver.preset = row->preset;
    } else {
      std::vector<std::string_view> known;
      for (const DriverPresetRow& each : driver_presets()) known.push_back(each.name);
      wrong(preset, [&] {
        return fmt::format("unknown driver {}{}", json_quote(spec.preset),
                           did_you_mean(spec.preset, std::span<const std::string_view>(known)));
      });
    }
  }
  read_hook(get(node, "hook"), driver);
  read_memory(node, driver);
  const NodeId action = get(node, "action");
  if (action != no_node) driver.actions.clear();
  if (action != no_node && tree_[action].kind == JsonKind::object) {
    driver.actions.push_back(read_action(action));
  } else {
    for (const NodeId each : Children(tree_, action)) driver.actions.push_back(read_action(each));
  }
  read_calls(get(node, "calls"), driver);
  if (const NodeId returns = get(node, "returns"); returns != no_node) {
    driver.returns = read_returns(returns);
  }
  driver.set_flags |= values_.flags(get(node, "set_flags"), vma_flags);
  driver.clear_flags |= values_.flags(get(node, "clear_flags"), vma_flags);
  const auto cache = [&](std::string_view key, CacheChoice& choice) {
    const NodeId word = get(node, key);
    if (word != no_node) choice = values_.word(word, cache_words, choice);
  };
  cache("page_prot", driver.page_prot);
  cache("page_prot_after", driver.page_prot_after);
  if (const NodeId data = get(node, "private_data"); data != no_node) {
    driver.private_data = values_.argument(data);
  }
  driver.align = values_.size(get(node, "align"), driver.align);
  driver.pgoff_shift = values_.argument(get(node, "pgoff_shift"));
  read_replacement(get(node, "replace_file"), driver);
  read_driver_ops(node, driver);
  if (const NodeId hook = get(node, "success_hook"); hook != no_node) {
    driver.success_hook = read_op(hook);
  }
  if (const NodeId hook = get(node, "error_hook"); hook != no_node) {
    driver.error_hook = read_op(hook);
  }
  driver.hide_from_rmap = values_.truth(get(node, "hide_from_rmap"), driver.hide_from_rmap);
  driver.sleep = read_sleep(get(node, "sleep"));
  check_driver(node, driver);
  return spec;
}

}  // namespace faultline
