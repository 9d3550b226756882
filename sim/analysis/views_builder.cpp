// From items to a view: see the header. A step's lines are kept until it ends, because a timestamp
// transaction is recognised by its end and because allocations in a row count as one only after
// what lies between them was cut.
#include "analysis/views_builder.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include "analysis/views_syscalls.hpp"
#include "analysis/views_text.hpp"

namespace faultline {
namespace {

bool is_mmap_lock(std::string_view name) {
  return name == "&mm->mmap_lock" || name == "&mm->mmap_sem";
}

/// A fault of the test program's own: on its image, which is linked below 4 GiB, or on the stack
/// that it was started with. Its regions under test lie between the two.
bool is_image_fault(std::string_view name, std::string_view body) {
  if (!name.starts_with("page_fault_")) return false;
  constexpr std::uint64_t image_end = 1ULL << 32;
  constexpr std::uint64_t stack_begin = 0x7ffffffde000;
  constexpr std::uint64_t stack_end = 0x7ffffffff000;
  const auto field = field_of(body, "address");
  if (!field || !field->starts_with("0x")) return false;
  std::uint64_t address = 0;
  const char* const end = field->data() + field->size();
  if (std::from_chars(field->data() + 2, end, address, 16).ptr != end) return false;
  return address < image_end || (address >= stack_begin && address < stack_end);
}

bool is_fault_signal(std::string_view body) {
  const auto signal = field_of(body, "sig");
  return signal && (*signal == "7" || *signal == "11");  // SIGBUS, SIGSEGV
}

}  // namespace

ViewBuilder::ViewBuilder(const ViewOptions& options, TextPool& pool, ViewTrace& out)
    : options_(options), pool_(pool), out_(out) {}

void ViewBuilder::at_line(std::uint64_t line) {
  line_ = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(line, std::numeric_limits<std::uint32_t>::max()));
}

ViewBuilder::Actor& ViewBuilder::actor(std::uint64_t key, std::string_view task) {
  if (last_ < actors_.size() && actors_[last_].key == key) return actors_[last_];
  for (last_ = 0; last_ < actors_.size(); ++last_) {
    if (actors_[last_].key == key) return actors_[last_];
  }
  auto& created = actors_.emplace_back();
  created.key = key;
  created.view.name = std::string(task);
  created.view.steps.emplace_back();
  return created;
}

const ViewBuilder::Actor* ViewBuilder::find(std::uint64_t key) const {
  for (const auto& candidate : actors_) {
    if (candidate.key == key) return &candidate;
  }
  return nullptr;
}

void ViewBuilder::begin_step(std::uint64_t key, std::string_view task, std::string_view label,
                             bool compared) {
  auto& who = actor(key, task);
  end_step(who);
  who.fault_signal = false;
  who.where = compared ? Where::compared : Where::uncompared;
  if (!compared) return;
  if (who.first_step == 0) who.first_step = line_;
  auto& step = who.view.steps.emplace_back();
  step.label = std::string(label);
  step.line = line_;
}

void ViewBuilder::leave(std::uint64_t key, std::string_view task) {
  auto& who = actor(key, task);
  end_step(who);
  who.where = Where::uncompared;
}

bool ViewBuilder::after_fault_signal(std::uint64_t key) const {
  const auto* who = find(key);
  return who && who->fault_signal;
}

void ViewBuilder::forget_fault_signal(std::uint64_t key) {
  for (auto& who : actors_) {
    if (who.key == key) who.fault_signal = false;
  }
}

void ViewBuilder::push(Actor& who, std::string_view name, std::string_view text, Role role,
                       bool shown) {
  who.pulse = false;
  if (who.where == Where::uncompared || who.image_fault || !who.harness_call.empty()) return;
  Pending line{pool_.intern(text), line_, -1, role, shown};
  const auto& allow = options_.allow;
  const auto named = std::find(allow.begin(), allow.end(), name);
  if (named != allow.end()) line.allowed = static_cast<std::int32_t>(named - allow.begin());
  who.pending.push_back(line);
}

bool ViewBuilder::syscall(Actor& who, std::string_view name, std::string_view body) {
  const bool enter = name == "sys_enter";
  if (!enter && name != "sys_exit") return false;
  who.image_fault = false;
  who.pulse = false;
  const auto call = split_syscall(body);
  if (!call) return true;
  if (is_harness_call(call->name)) {
    if (enter) {
      who.harness_call = call->name;
    } else if (call->name == who.harness_call) {
      who.harness_call.clear();
    } else if (who.first_step == 0 && who.harness_call.empty()) {
      who.pending.clear();  // it was in that call when the trace began
    }
    return true;
  }
  if (options_.kind == ViewKind::events) {
    push(who, name, enter ? enter_text(*call) : exit_text(*call), Role::plain, true);
  }
  return true;
}

void ViewBuilder::event(std::uint64_t key, std::string_view task, std::string_view name,
                        std::string_view body) {
  auto& who = actor(key, task);
  if (syscall(who, name, body)) return;
  if (name.starts_with("page_fault_")) who.image_fault = is_image_fault(name, body);
  who.pulse = false;
  if (name == "signal_generate" && is_fault_signal(body)) who.fault_signal = true;
  Role role = Role::plain;
  if (name == "xfs_update_time") role = Role::update_time;
  if (name == "xfs_trans_free") role = Role::trans_free;
  const bool events = options_.kind == ViewKind::events;
  if (!events && role == Role::plain) return;
  const auto text = event_text(name, body);
  if (text) return push(who, name, *text, role, events);
  const bool counts = who.where == Where::compared && !is_compared_event(name);
  if (counts) ++out_.not_compared[std::string(name)];
}

void ViewBuilder::acquire(std::uint64_t key, std::string_view task, std::string_view lock,
                          LockTake take) {
  if (options_.kind != ViewKind::locks) return;
  auto& who = actor(key, task);
  const auto name = counted_class(lock);
  if (!name) {
    who.pulse = false;
    return;
  }
  const bool touch = *name == "sb_writers" && take.trylock;
  push(who, *name, acquire_text(*name, take), touch ? Role::take_sb_writers : Role::plain, true);
  who.pulse = is_mmap_lock(*name) && take.read && !take.trylock;
}

void ViewBuilder::release(std::uint64_t key, std::string_view task, std::string_view lock) {
  if (options_.kind != ViewKind::locks) return;
  auto& who = actor(key, task);
  const bool pulse = who.pulse;
  who.pulse = false;
  const auto name = counted_class(lock);
  if (!name) return;
  if (pulse && is_mmap_lock(*name)) {
    // Taken and dropped with nothing between: not a lock, but the annotation that says that what
    // follows may fault.
    const bool kept =
        who.where != Where::uncompared && !who.image_fault && who.harness_call.empty();
    if (kept && !who.pending.empty()) who.pending.pop_back();
    return push(who, "MIGHT_FAULT", "MIGHT_FAULT", Role::foldable, true);
  }
  Role role = Role::plain;
  if (*name == "sb_writers") role = Role::drop_sb_writers;
  if (*name == "sb_internal") role = Role::drop_sb_internal;
  push(who, *name, release_text(*name), role, true);
}

void ViewBuilder::alloc(std::uint64_t key, std::string_view task) {
  if (options_.kind != ViewKind::locks) return;
  push(actor(key, task), "ALLOC", "ALLOC", Role::foldable, true);
}

void ViewBuilder::might_fault(std::uint64_t key, std::string_view task) {
  if (options_.kind != ViewKind::locks) return;
  push(actor(key, task), "MIGHT_FAULT", "MIGHT_FAULT", Role::foldable, true);
}

void ViewBuilder::other(std::uint64_t key) {
  for (auto& who : actors_) {
    if (who.key == key) who.pulse = false;
  }
}

void ViewBuilder::cut_timestamps(std::vector<Pending>& lines) {
  const auto drop = [](Pending& line) { line.shown = false; };
  for (std::size_t first = 0; first < lines.size(); ++first) {
    if (lines[first].role != Role::update_time) continue;
    std::size_t last = first + 1;
    while (last < lines.size() && lines[last].role != Role::trans_free &&
           lines[last].role != Role::update_time) {
      ++last;
    }
    if (last == lines.size() || lines[last].role != Role::trans_free) {
      drop(lines[first]);  // logged lazily, or refused: no transaction to cut
      continue;
    }
    ++out_.timestamp_transactions;
    for (std::size_t i = first; i <= last; ++i) drop(lines[i]);
    // After the transaction its freeze protection is dropped, and around it touch_atime() has its
    // own (a try); that of a write(2) was taken earlier and stays.
    const bool touch = first > 0 && lines[first - 1].role == Role::take_sb_writers;
    if (touch) drop(lines[first - 1]);
    bool internal = true;
    bool writers = touch;
    for (std::size_t i = last + 1; i < lines.size() && (internal || writers); ++i) {
      if (internal && lines[i].role == Role::drop_sb_internal) {
        drop(lines[i]);
        internal = false;
      } else if (writers && lines[i].role == Role::drop_sb_writers) {
        drop(lines[i]);
        writers = false;
      }
    }
    first = last;
  }
}

void ViewBuilder::store(Actor& who) {
  auto& lines = who.view.steps.back().lines;
  const Pending* before = nullptr;
  for (const auto& line : who.pending) {
    if (!line.shown) continue;
    if (line.allowed >= 0) {
      ++out_.allowed[options_.allow[static_cast<std::size_t>(line.allowed)]];
      continue;
    }
    const bool again = before && line.role == Role::foldable && before->text == line.text;
    if (!again) lines.push_back({line.text, line.line});
    before = &line;
  }
}

void ViewBuilder::end_step(Actor& who) {
  cut_timestamps(who.pending);
  store(who);
  who.pending.clear();
  who.pulse = false;
  who.image_fault = false;
}

void ViewBuilder::finish() {
  bool steps = false;
  for (auto& who : actors_) {
    end_step(who);
    steps = steps || who.first_step != 0;
  }
  std::vector<std::pair<std::uint64_t, std::size_t>> order;
  for (std::size_t i = 0; i < actors_.size(); ++i) order.emplace_back(actors_[i].first_step, i);
  std::sort(order.begin(), order.end());
  for (const auto& [first_step, index] : order) {
    auto& who = actors_[index];
    // A task without a compared step is not part of the test, unless no step is marked at all.
    if (steps && who.first_step == 0) continue;
    if (steps && out_.actors.empty()) who.view.steps.front().lines.clear();
    out_.actors.push_back(std::move(who.view));
  }
}

}  // namespace faultline
