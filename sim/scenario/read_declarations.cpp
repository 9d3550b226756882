// The top of a scenario: kernel and knobs, machine, schedule, locks, injected errors.
#include <algorithm>

#include <fmt/format.h>

#include <faultline/errno.hpp>

#include "base/suggest.hpp"
#include "base/units.hpp"
#include "scenario/reader.hpp"
#include "scenario/support.hpp"

namespace faultline {
namespace {

constexpr std::string_view chooser_words[] = {"timed", "sequential", "random", "replay"};
constexpr std::string_view lock_words[] = {"mutex",    "rwsem",        "rwlock",
                                           "spinlock", "percpu_rwsem", "annotation"};

/// "path/to/name.json" -> "name".
std::string name_of_file(std::string_view file) {
  if (file == "-") return "stdin";
  file = file.substr(file.find_last_of('/') + 1);
  if (file.size() > 5 && file.substr(file.size() - 5) == ".json") file.remove_suffix(5);
  return std::string(file);
}

}  // namespace

void Reader::read() {
  read_names();
  read_top();
  read_kernel(get(tree_.root, "kernel"));
  read_machine(get(tree_.root, "machine"));
  read_devices(get(tree_.root, "devices"));
  read_filesystems(get(tree_.root, "filesystems"));
  read_files(get(tree_.root, "files"));
  read_locks(get(tree_.root, "locks"));
  read_inject(get(tree_.root, "inject"));
  read_tasks(get(tree_.root, "tasks"));
  read_expectations(get(tree_.root, "expect"));
}

void Reader::read_names() {
  const auto collect = [&](std::string_view key, NameTable& table, std::uint64_t most) {
    const NodeId node = get(tree_.root, key);
    for (const NodeId child : Children(tree_, node)) table.add(tree_.key(child));
    if (table.names.size() <= most) return;
    wrong(node, [&] {
      return fmt::format("declares {} {}; the limit is {}", table.names.size(), key, most);
    });
  };
  collect("devices", devices_, most_devices);
  collect("filesystems", filesystems_, most_devices);
  collect("files", files_, most_files);
  collect("locks", locks_, most_tasks);
  collect("tasks", tasks_, most_tasks);
}

void Reader::read_top() {
  const std::string_view name = values_.text(get(tree_.root, "name"));
  scenario_.name = name.empty() ? name_of_file(scenario_.file) : std::string(name);
  for (const NodeId line : Children(tree_, get(tree_.root, "doc"))) {
    scenario_.doc.emplace_back(values_.text(line));
  }
  const NodeId schedule = get(tree_.root, "schedule");
  scenario_.schedule.chooser =
      values_.word(get(schedule, "chooser"), chooser_words, ChooserKind::timed);
  scenario_.schedule.seed = values_.argument(get(schedule, "seed"), 1);
}

void Reader::read_kernel(NodeId kernel) {
  const std::string_view profile = values_.text(get(kernel, "profile"));
  if (!profile.empty()) scenario_.kernel.profile = profile;
  // The knobs of a profile that is not built are not known either.
  if (!is_built("profile", scenario_.kernel.profile)) return;
  for (const NodeId knob : Children(tree_, get(kernel, "set"))) read_knob(knob);
}

void Reader::read_knob(NodeId knob) {
  const auto& knobs = vocabulary_.knobs;
  const std::string_view name = tree_.key(knob);
  const auto spec = std::find_if(knobs.begin(), knobs.end(),
                                 [&](const KnobSpec& each) { return each.name == name; });
  if (spec == knobs.end()) {
    return errors_.add_at_key(knob, Complaint::meaning, [&] {
      std::vector<std::string_view> known;
      for (const KnobSpec& each : knobs) known.push_back(each.name);
      return fmt::format("unknown knob {}{}", json_quote(name), did_you_mean(name, known));
    });
  }
  const auto setting = knob_setting(knob, *spec);
  if (setting) {
    scenario_.kernel.set.push_back(*setting);
    return;
  }
  wrong(knob, [&] {
    static constexpr std::string_view types[] = {"true or false", "an integer", "a size",
                                                 "a duration", "one of: "};
    return fmt::format("the knob {} takes {}{}, not {}", json_quote(name),
                       types[static_cast<std::size_t>(spec->type)], fmt::join(spec->words, ", "),
                       tree_.compact(knob));
  });
}

/// The setting as the knob's type reads the value; nothing if it cannot.
std::optional<KnobSetting> Reader::knob_setting(NodeId knob, const KnobSpec& spec) const {
  const JsonNode& node = tree_[knob];
  const std::string_view text = values_.text(knob);
  KnobSetting setting{std::string(spec.name), node.value, {}};
  if (spec.type == KnobType::boolean) {
    if (node.kind != JsonKind::boolean) return std::nullopt;
    return setting;
  }
  if (spec.type == KnobType::word) {
    const bool known = std::find(spec.words.begin(), spec.words.end(), text) != spec.words.end();
    if (!known) return std::nullopt;
    setting.number = 0;
    setting.word = text;
    return setting;
  }
  if (node.kind != JsonKind::integer) {
    Quantity quantity;
    if (spec.type == KnobType::size) quantity = parse_size(text);
    if (spec.type == KnobType::duration) quantity = parse_duration(text);
    if (!quantity.value) return std::nullopt;
    setting.number = *quantity.value;
  } else if (node.negative) {
    return std::nullopt;
  }
  if (setting.number < spec.min || setting.number > spec.max) return std::nullopt;
  return setting;
}

void Reader::read_machine(NodeId machine) {
  MachineSpec& spec = scenario_.machine;
  spec.cpus = static_cast<std::uint32_t>(values_.size(get(machine, "cpus"), spec.cpus));
  const std::string_view preset = values_.text(get(machine, "preset"));
  if (!preset.empty()) spec.preset = preset;
  spec.page_table_levels = static_cast<std::uint32_t>(
      values_.size(get(machine, "page_table_levels"), spec.page_table_levels));
  const NodeId tick = get(machine, "tick");
  spec.tick = Nanos(values_.duration(tick, spec.tick.v));
  if (spec.tick.v == 0 || spec.tick.v > 1'000'000'000) {
    wrong(tick, [] { return std::string("a tick is from 1ns to 1s"); });
  }
}

void Reader::read_locks(NodeId locks) {
  for (const NodeId node : Children(tree_, locks)) {
    LockSpec lock;
    lock.name = tree_.key(node);
    lock.kind = values_.word(get(node, "type"), lock_words, LockKind::mutex);
    const std::string_view lock_class = values_.text(get(node, "class"));
    lock.lock_class = lock_class.empty() ? lock.name : std::string(lock_class);
    lock.subclass = static_cast<std::uint8_t>(values_.size(get(node, "subclass")));
    scenario_.locks.push_back(std::move(lock));
  }
}

void Reader::read_inject(NodeId inject) {
  for (const NodeId node : Children(tree_, inject)) {
    InjectSpec spec;
    const NodeId at = get(node, "at");
    spec.at = values_.text(at);
    spec.nth = values_.size(get(node, "nth"), 1);
    spec.err = errno_from_name(values_.text(get(node, "errno"))).value_or(0);
    const auto& known = vocabulary_.functions;
    if (at != no_node && !known.empty() &&
        std::find(known.begin(), known.end(), spec.at) == known.end()) {
      wrong(at, [&] {
        return fmt::format("unknown function {}{}", json_quote(spec.at),
                           did_you_mean(spec.at, known));
      });
    }
    scenario_.inject.push_back(std::move(spec));
  }
}

}  // namespace faultline
