// From records to the lock order.
#include "analysis/lock_order_sink.hpp"

#include <algorithm>

namespace faultline {

namespace {

constexpr std::uint64_t flag_try = 1;
constexpr std::uint64_t flag_read = 2;

}  // namespace

LockOrderSink::LockOrderSink(const LockOrderOptions& options, const SymbolTable* symbols)
    : options_(options), symbols_(symbols) {
  if (options.bit_locks) extended_ = std::make_unique<LockOrder>();
}

EventMask LockOrderSink::mask() const {
  EventMask mask;
  for (const Event e :
       {Event::lock_acquire, Event::lock_release, Event::sim_lock_info, Event::sim_lock_downgrade,
        Event::sim_lock_init, Event::sim_lock_wait_context}) {
    mask.set(e);
  }
  if (options_.try_wait) mask.set(Event::sim_lock_try_wait);
  if (options_.paths) {
    mask.set(Event::sim_call);
    mask.set(Event::sim_ret);
  }
  if (options_.bit_locks) {
    mask.set(Event::sim_bitlock_acquire);
    mask.set(Event::sim_bitlock_release);
    mask.set(Event::sim_bitlock_set);
    mask.set(Event::sim_bitlock_clear);
  }
  return mask;
}

void LockOrderSink::on_record(const Record& r) {
  if (r.event == Event::lock_acquire) {
    LockUse use = use_of(r, LockOrder::SameClass::is_recursion);
    if (closer_) [[unlikely]]
      look_closer(r, use);
    order_instances(r, use);
    if (extended_) [[unlikely]]
      extended_->acquire(place_of(r), use);
    order_.acquire(place_of(r), use);
  } else if (r.event == Event::lock_release) {
    const LockVertex cls = class_of(r.arg[1], LockOrder::SameClass::is_recursion);
    if (extended_) [[unlikely]]
      extended_->release_anywhere(place_of(r), r.arg[0]);
    order_.release(place_of(r), r.arg[0], cls);
  } else {
    other_record(r);
  }
}

void LockOrderSink::lost() {
  order_.lost();
  if (extended_) extended_->lost();
  paths_.clear();
}

void LockOrderSink::other_record(const Record& r) {
  switch (r.event) {
    case Event::sim_call:
      return call(r);
    case Event::sim_ret:
      return ret(r);
    case Event::sim_lock_info:
      return describe(r);
    case Event::sim_lock_try_wait:
      if (options_.try_wait) try_wait(r);
      return;
    case Event::sim_lock_init:
      order_.initialise(place_of(r), r.arg[0],
                        class_of(r.arg[1], LockOrder::SameClass::is_recursion));
      return;
    case Event::sim_lock_wait_context:
      return order_.wait_context(place_of(r), use_of(r, LockOrder::SameClass::is_recursion),
                                 r.arg[3]);
    case Event::sim_lock_downgrade: {
      const LockVertex cls = class_of(r.arg[1], LockOrder::SameClass::is_recursion);
      order_.downgrade(place_of(r), r.arg[0], cls);
      if (extended_) extended_->downgrade(place_of(r), r.arg[0], cls);
      return;
    }
    case Event::sim_bitlock_acquire:
      if (extended_) extended_->acquire(place_of(r), use_of(r, LockOrder::SameClass::is_allowed));
      return;
    case Event::sim_bitlock_set:
      return bit_set(r);
    case Event::sim_bitlock_release:
    case Event::sim_bitlock_clear:
      if (extended_) extended_->release_anywhere(place_of(r), r.arg[0]);
      return;
    default:
      return;
  }
}

LockVertex LockOrderSink::add_class(std::uint64_t symbol, LockOrder::SameClass rule) {
  if (symbol >= classes_.size()) classes_.resize(symbol + 1);
  const LockVertex cls = order_.add_class(rule);
  if (extended_) extended_->add_class(rule);
  class_symbols_.push_back(SymbolId(static_cast<std::uint32_t>(symbol)));
  std::uint32_t family = 0;
  if (symbols_) {
    const auto printed = split_printed_class(symbols_->text(class_symbols_.back()));
    auto it = family_names_.find(printed.name);
    if (it == family_names_.end()) {
      const auto number = static_cast<std::uint32_t>(family_names_.size() + 1);
      it = family_names_.emplace(printed.name, number).first;
    }
    family = it->second;
  }
  instances_.add_class(cls, family);
  classes_[symbol] = cls + 1;
  return cls;
}

LockUse LockOrderSink::use_of(const Record& r, LockOrder::SameClass rule) {
  LockUse use;
  use.instance = r.arg[0];
  use.cls = class_of(r.arg[2], rule);
  if (r.arg[1] & flag_read) use.mode = OrderMode::shared;
  if (r.arg[1] & flag_try) use.attempt = LockAttempt::trylock;
  return use;
}

// What printed names do not say: recursive readers, nest locks.
void LockOrderSink::look_closer(const Record& r, LockUse& use) {
  const auto it = std::lower_bound(
      specials_.begin(), specials_.end(), use.instance,
      [](const Special& s, std::uint64_t instance) { return s.instance < instance; });
  if (it != specials_.end() && it->instance == use.instance) {
    if (use.mode == OrderMode::shared && it->recursive) use.mode = OrderMode::recursive;
    use.nest = it->nest;
  }
  if (use.mode == OrderMode::shared && r.arg[2] < recursive_.size() && recursive_[r.arg[2]]) {
    use.mode = OrderMode::recursive;
  }
}

void LockOrderSink::order_instances(const Record& r, const LockUse& use) {
  instances_.acquire(place_of(r), use, order_.held(r.task, r.context));
}

void LockOrderSink::begin_trace(std::uint32_t trace, bool beginning) {
  order_.begin_trace(trace, beginning);
  instances_.begin_trace(trace);
  if (extended_) extended_->begin_trace(trace, beginning);
  specials_.clear();
  paths_.clear();
}

void LockOrderSink::set_recursive(SymbolId cls) {
  if (cls.v >= recursive_.size()) recursive_.resize(cls.v + 1);
  recursive_[cls.v] = true;
  closer_ = true;
}

void LockOrderSink::bit_set(const Record& r) {
  if (!extended_) return;
  LockUse use;
  use.instance = r.arg[0];
  use.cls = class_of(r.arg[1], LockOrder::SameClass::is_allowed);
  extended_->acquire(place_of(r), use);
}

// sim_lock_info: id class subclass recursive nest.
void LockOrderSink::describe(const Record& r) {
  const Special special{r.arg[0], r.arg[4], r.arg[3] != 0};
  const auto it = std::lower_bound(
      specials_.begin(), specials_.end(), special.instance,
      [](const Special& s, std::uint64_t instance) { return s.instance < instance; });
  const bool known = it != specials_.end() && it->instance == special.instance;
  closer_ |= special.recursive || special.nest != 0;
  if (!special.recursive && special.nest == 0) {
    if (known) specials_.erase(it);
  } else if (known) {
    *it = special;
  } else {
    specials_.insert(it, special);
  }
}

void LockOrderSink::try_wait(const Record& r) {
  LockUse use = use_of(r, LockOrder::SameClass::is_recursion);
  const bool was_try = use.attempt == LockAttempt::trylock;
  use.attempt = LockAttempt::try_then_wait;
  if (closer_) look_closer(r, use);
  order_instances(r, use);
  const auto tell = [&](LockOrder& order) {
    if (was_try && order.top_was_try_then_wait(place_of(r), use.instance)) return;
    order.may_acquire(place_of(r), use);
  };
  tell(order_);
  if (extended_) tell(*extended_);
}

PrefixTree::Node& LockOrderSink::path_of(const Record& r) {
  const std::size_t i = stack_index(r);
  if (i >= paths_.size()) [[unlikely]]
    paths_.resize(i + 1);
  return paths_[i];
}

void LockOrderSink::set_path(TaskId task, Context context, std::span<const SymbolId> calls) {
  Record r;
  r.task = task;
  r.context = context;
  auto& path = path_of(r);
  path = 0;
  for (const SymbolId call : calls) path = calls_.step(path, call.v + 1).node;
}

void LockOrderSink::call(const Record& r) {
  auto& path = path_of(r);
  path = calls_.step(path, static_cast<std::uint32_t>(r.arg[0]) + 1).node;
}

// Calls that were left without a record end with the one they were made from.
void LockOrderSink::ret(const Record& r) {
  auto& path = path_of(r);
  const auto word = static_cast<std::uint32_t>(r.arg[0]) + 1;
  for (PrefixTree::Node n = path; n != 0; n = calls_.parent(n)) {
    if (calls_.word(n) != word) continue;
    path = calls_.parent(n);
    return;
  }
}

LockNames LockOrderSink::names(const SymbolTable& symbols, const TaskNamer& task) const {
  LockNames names;
  names.printed = [this, &symbols](LockVertex cls) {
    return std::string(symbols.text(class_symbols_[cls]));
  };
  names.task = task;
  names.path = [this, &symbols](std::uint32_t node) {
    std::vector<std::string> path;
    for (PrefixTree::Node n = node; n != 0; n = calls_.parent(n)) {
      path.emplace_back(symbols.text(SymbolId(calls_.word(n) - 1)));
    }
    std::reverse(path.begin(), path.end());
    return path;
  };
  return names;
}

std::vector<Finding> LockOrderSink::findings(const SymbolTable& symbols,
                                             const TaskNamer& task) const {
  const LockNames all_names = names(symbols, task);
  auto findings = lock_findings(order_, all_names);
  for (const InstanceCircle& circle : by_instance()) {
    findings.push_back(instance_finding(circle.steps, all_names));
  }
  return findings;
}

}  // namespace faultline
