// Lock events to holds and waits. A lock_acquire comes before a possible sleep, so a hold begins at
// it unless a contention follows, and then at the end of that. A bit lock's acquire comes after it.
#include "export/viewer_locks.hpp"

#include <algorithm>

namespace faultline {

bool ViewerLocks::on_line(const TraceLine& line, RecordIndex at, Stack stack) {
  if (!line.known || line.fields.empty()) {
    attempts_.erase(stack);
    return false;
  }
  const std::uint64_t id = line.fields[0].value;
  switch (*line.known) {
    case Event::lock_acquire:
      acquire(stack, id, at);
      attempts_[stack] = {id, line.inferred};
      return true;
    case Event::sim_bitlock_acquire:
      acquire(stack, id, at);
      return true;
    case Event::lock_contended:
    case Event::sim_bitlock_contended:
      contended(stack, id, at);
      return true;
    case Event::contention_begin:
      contention(stack, id, line.value("flags"), at);
      return true;
    case Event::lock_acquired:
    case Event::sim_bitlock_acquired:
      acquired(stack, id, at);
      return true;
    case Event::contention_end:
      contention_over(stack, at);
      return true;
    case Event::lock_release:
    case Event::sim_bitlock_release:
      release(stack, id, at);
      return true;
    case Event::sched_switch:
    case Event::sched_waking:
    case Event::sched_wakeup:
      return false;
    default:
      attempts_.erase(stack);
      return false;
  }
}

ViewerLocks::Held* ViewerLocks::find(Stack stack, std::uint64_t id) {
  if (stack >= stacks_.size()) stacks_.resize(stack + 1);
  auto& held = stacks_[stack];
  for (std::size_t i = held.size(); i-- > 0;) {
    if (held[i].id == id) return &held[i];
  }
  return nullptr;
}

std::uint8_t ViewerLocks::free_row(Stack stack) const {
  std::uint8_t row = 0;
  const auto taken = [&](const Held& held) { return held.row == row; };
  while (row < 255 && std::any_of(stacks_[stack].begin(), stacks_[stack].end(), taken)) ++row;
  return row;
}

void ViewerLocks::take(Stack stack, Held& held, RecordIndex at) {
  held.since = at;
  instances_[held.id].holders.emplace_back(stack, at);
}

void ViewerLocks::acquire(Stack stack, std::uint64_t id, RecordIndex at) {
  Held* held = find(stack, id);
  if (held == nullptr || held->since != no_record) {
    const std::uint8_t row = free_row(stack);
    held = &stacks_[stack].emplace_back();
    held->id = id;
    held->row = row;
  }
  if (held->wait != 0) end_wait(*held, at);
  take(stack, *held, at);
}

void ViewerLocks::contended(Stack stack, std::uint64_t id, RecordIndex at) {
  Held* held = find(stack, id);
  if (held == nullptr) {
    const std::uint8_t row = free_row(stack);
    held = &stacks_[stack].emplace_back();
    held->id = id;
    held->row = row;
  }
  if (held->wait != 0) return;  // it goes on waiting
  auto& holders = instances_[id].holders;
  // What was announced as an acquisition is none yet.
  std::erase(holders, std::pair<Stack, RecordIndex>(stack, held->since));
  held->since = no_record;
  ViewerWait wait;
  wait.at = at;
  for (const auto& [other, since] : holders) {
    if (other != stack) {
      wait.owner = since;
      break;
    }
  }
  waits_.push_back(wait);
  held->wait = static_cast<std::uint32_t>(waits_.size());
}

// The number is the lock's own, not that of its validator record: it is the lock that the task has
// just begun to take. Without such an attempt it is only known by its number, and not when it is
// released. What is inferred is a rwsem, in whose slow path other locks may be waited for as well.
void ViewerLocks::contention(Stack stack, std::uint64_t id, std::uint64_t flags, RecordIndex at) {
  if (waiting(stack)) return;
  constexpr std::uint64_t no_rwsem = 1 | 8 | 16 | 32;  // SPIN, RT, PERCPU, MUTEX
  const auto attempt = attempts_.find(stack);
  const bool known =
      attempt != attempts_.end() && (!attempt->second.inferred || (flags & no_rwsem) == 0);
  if (known) id = attempt->second.id;
  contended(stack, id, at);
  find(stack, id)->contention = known ? Held::Contention::of_attempt : Held::Contention::by_number;
}

void ViewerLocks::contention_over(Stack stack, RecordIndex at) {
  find(stack, 0);
  auto& held = stacks_[stack];
  const auto it = std::find_if(held.begin(), held.end(), [](const Held& h) {
    return h.wait != 0 && h.contention != Held::Contention::none;
  });
  if (it == held.end()) return;
  end_wait(*it, at);
  if (it->contention == Held::Contention::by_number) {
    held.erase(it);
  } else {
    it->contention = Held::Contention::none;
    take(stack, *it, at);
  }
}

void ViewerLocks::end_wait(Held& held, RecordIndex at) {
  ViewerWait& wait = waits_[held.wait - 1];
  wait.woken = at;
  const RecordIndex released = instances_[held.id].released;
  if (released != no_record && released > wait.at) wait.waker = released;
  spans_.push_back({wait.at, at, ViewerSpanKind::wait, 0});
  held.wait = 0;
}

void ViewerLocks::acquired(Stack stack, std::uint64_t id, RecordIndex at) {
  Held* held = find(stack, id);
  if (held == nullptr || held->wait == 0) return;  // the contention was before the trace began
  end_wait(*held, at);
  take(stack, *held, at);
}

void ViewerLocks::close(const Held& held, RecordIndex at) {
  if (held.wait != 0) {
    spans_.push_back({waits_[held.wait - 1].at, at, ViewerSpanKind::wait, 0});
  } else if (held.since != no_record) {
    spans_.push_back({held.since, at, ViewerSpanKind::hold, held.row});
  }
}

void ViewerLocks::release(Stack stack, std::uint64_t id, RecordIndex at) {
  Held* held = find(stack, id);
  auto& instance = instances_[id];
  if (held == nullptr && !instance.holders.empty()) {
    stack = instance.holders.front().first;  // released by another task than took it
    held = find(stack, id);
  }
  instance.released = at;
  if (held == nullptr) return;  // taken before the trace began
  std::erase(instance.holders, std::pair<Stack, RecordIndex>(stack, held->since));
  close(*held, at);
  stacks_[stack].erase(stacks_[stack].begin() + (held - stacks_[stack].data()));
}

void ViewerLocks::lost(RecordIndex at) {
  for (auto& stack : stacks_) {
    for (const auto& held : stack) close(held, at);
    stack.clear();
  }
  instances_.clear();
}

bool ViewerLocks::waiting(Stack stack) const {
  if (stack >= stacks_.size()) return false;
  return std::any_of(stacks_[stack].begin(), stacks_[stack].end(),
                     [](const Held& held) { return held.wait != 0; });
}

void ViewerLocks::finish() { lost(no_record); }

}  // namespace faultline
