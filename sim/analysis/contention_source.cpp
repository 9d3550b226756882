// Which record means what to a lock.
#include "analysis/contention_source.hpp"

namespace faultline {

namespace {

constexpr std::uint64_t flag_try = 1;
constexpr std::uint64_t flag_read = 2;
constexpr std::size_t site_depth = 3;

LockSide side_of(std::uint64_t flags) {
  return (flags & flag_read) != 0 ? LockSide::read : LockSide::write;
}

// Acquired and released with nothing between by might_fault() and by allocations.
bool may_be_annotation(std::string_view name, std::uint64_t flags) {
  if ((flags & flag_try) != 0) return false;
  return name == "fs_reclaim" ||
         ((name == "&mm->mmap_lock" || name == "&mm->mmap_sem") && (flags & flag_read) != 0);
}

// Records of a task that tries to get a lock, until it has it.
bool goes_with_waiting(Event event) {
  return event == Event::contention_begin || event == Event::contention_end ||
         event == Event::lock_contended || event == Event::sched_switch ||
         event == Event::sched_waking || event == Event::sched_wakeup;
}

}  // namespace

void ContentionSource::begin_trace() {
  out_.begin_trace();
  ids_.clear();
  actors_.clear();
  last_time_ = 0;
}

// Each CPU has an idle task of pid 0 and interrupts of its own; everything else is its pid.
ActorId ContentionSource::actor_of(const TraceLine& line) {
  const bool by_cpu = line.context != Context::task || line.pid == 0;
  const std::pair<std::int64_t, int> key{by_cpu ? line.cpu : line.pid,
                                         by_cpu ? 1 + static_cast<int>(line.context) : 0};
  const auto [it, fresh] = ids_.try_emplace(key, static_cast<ActorId>(actors_.size()));
  if (fresh) {
    Actor& a = actors_.emplace_back();
    a.pid = line.pid;
    a.cpu = line.cpu;
    a.context = line.context;
  }
  Actor& a = actors_[it->second];
  if (a.comm.empty() || a.comm == "<...>") a.comm = std::string(line.task);
  return it->second;
}

Contention::Place ContentionSource::place(const TraceLine& line, ActorId id) {
  return {line.time_ns, id, line.cpu, site_of(actors_[id])};
}

WordId ContentionSource::site_of(const Actor& a) {
  if (a.calls.empty()) return a.caller;
  const std::size_t n = std::min(site_depth, a.calls.size());
  const std::vector<WordId> top(a.calls.end() - static_cast<std::ptrdiff_t>(n), a.calls.end());
  WordId& site = sites_[top];
  if (site == 0) {
    std::string text;
    for (std::size_t i = n; i > 0; --i) {
      if (!text.empty()) text += " < ";
      text += out_.words().view(top[i - 1]);
    }
    site = out_.words().intern(text);
  }
  return site;
}

// It was a real attempt after all.
void ContentionSource::settle_pulse(Actor& a) {
  if (a.pulse_name == 0) return;
  const WordId name = a.pulse_name;
  a.pulse_name = 0;
  out_.acquire(a.pulse_place, {a.pulse_id, name}, a.pulse_side, false);
}

void ContentionSource::line(const TraceLine& line) {
  if (line.kind == TraceLine::Kind::lost) {
    for (Actor& a : actors_) {
      settle_pulse(a);
      a.calls.clear();
    }
    return out_.lost(last_time_);
  }
  if (line.kind == TraceLine::Kind::frame) return;
  last_time_ = std::max(last_time_, line.time_ns);
  const ActorId id = actor_of(line);
  Actor& a = actors_[id];
  if (!line.known || line.fields.empty()) {
    a.attempt = Actor::Attempt::none;
    return settle_pulse(a);
  }
  const Event event = *line.known;
  if (!goes_with_waiting(event)) a.attempt = Actor::Attempt::none;
  if (event != Event::lock_release) settle_pulse(a);
  switch (event) {
    case Event::lock_acquire:
    case Event::lock_contended:
    case Event::lock_acquired:
    case Event::lock_release:
    case Event::sim_lock_downgrade:
      return lock_line(line, id);
    case Event::sim_bitlock_acquire:
    case Event::sim_bitlock_contended:
    case Event::sim_bitlock_acquired:
    case Event::sim_bitlock_release:
      return bitlock_line(line, id);
    case Event::contention_begin:
    case Event::contention_end:
      return contention_line(line, id);
    case Event::sim_call:
      a.calls.push_back(out_.words().intern(line.fields[0].text));
      return;
    case Event::sim_ret:
      if (!a.calls.empty()) a.calls.pop_back();
      return;
    case Event::xfs_ilock:
    case Event::xfs_ilock_nowait:
      a.caller = out_.words().intern(line.text("caller"));
      return;
    case Event::sim_step:
    case Event::sim_step_done:
    case Event::sys_enter:
    case Event::sys_exit:
      a.caller = 0;
      return out_.not_waiting(place(line, id));
    default:
      a.caller = 0;
      return;
  }
}

void ContentionSource::acquire(const TraceLine& line, ActorId id) {
  Actor& a = actors_[id];
  const std::uint64_t flags = line.fields[1].value;
  const std::string_view name = line.fields[2].text;
  const Contention::Lock lock{line.fields[0].value, out_.words().intern(name)};
  a.attempt = line.inferred ? Actor::Attempt::inferred : Actor::Attempt::told;
  if (!may_be_annotation(name, flags)) {
    return out_.acquire(place(line, id), lock, side_of(flags), (flags & flag_try) != 0);
  }
  a.pulse_place = place(line, id);
  a.pulse_id = lock.id;
  a.pulse_name = lock.name;
  a.pulse_side = side_of(flags);
}

void ContentionSource::lock_line(const TraceLine& line, ActorId id) {
  any_locks_ = true;
  if (*line.known == Event::lock_acquire) return acquire(line, id);
  Actor& a = actors_[id];
  const Contention::Lock lock{line.fields[0].value, out_.words().intern(line.fields[1].text)};
  const Contention::Place at = place(line, id);
  if (*line.known == Event::lock_contended) {
    out_.contended(at, lock, LockSide::write);
  } else if (*line.known == Event::lock_acquired) {
    out_.acquired(at, lock);
  } else if (*line.known == Event::sim_lock_downgrade) {
    out_.downgrade(at, lock);
  } else if (a.pulse_name == lock.name && a.pulse_id == lock.id) {
    a.pulse_name = 0;
    out_.annotation(a.pulse_place, lock, a.pulse_side);
  } else {
    settle_pulse(a);
    out_.release(at, lock);
  }
}

void ContentionSource::bitlock_line(const TraceLine& line, ActorId id) {
  any_locks_ = true;
  const Contention::Place at = place(line, id);
  const std::uint64_t lock_id = line.fields[0].value;
  if (*line.known == Event::sim_bitlock_acquire) {
    const std::uint64_t flags = line.fields[1].value;
    const Contention::Lock lock{lock_id, out_.words().intern(line.fields[2].text)};
    return out_.acquire_held(at, lock, side_of(flags), (flags & flag_try) != 0);
  }
  const Contention::Lock lock{lock_id, out_.words().intern(line.fields[1].text)};
  if (*line.known == Event::sim_bitlock_contended) {
    out_.contended(at, lock, LockSide::write);
  } else if (*line.known == Event::sim_bitlock_acquired) {
    out_.acquired(at, lock);
  } else {
    out_.release_anywhere(at, lock);
  }
}

// A kernel without lock_stat shows waits only so. The number is the lock's own address, not that of
// its validator record; it belongs to the attempt that the task has just begun. Without lock
// debugging there is no such attempt, and the lock has no name.
void ContentionSource::contention_line(const TraceLine& line, ActorId id) {
  any_locks_ = true;
  const Contention::Place at = place(line, id);
  const std::uint64_t flags = line.value("flags");
  constexpr std::uint64_t contention_read = 2;  // LCB_F_READ
  const LockSide side = (flags & contention_read) != 0 ? LockSide::read : LockSide::write;
  if (*line.known == Event::contention_begin) {
    if (out_.waits(id)) return;
    // What is inferred is a rwsem, in whose slow path other locks may be waited for as well.
    constexpr std::uint64_t no_rwsem = 1 | 8 | 16 | 32;  // SPIN, RT, PERCPU, MUTEX
    const Actor::Attempt attempt = actors_[id].attempt;
    const bool its_own = attempt == Actor::Attempt::told ||
                         (attempt == Actor::Attempt::inferred && (flags & no_rwsem) == 0);
    Contention::Lock lock = its_own ? out_.latest_attempt(id) : Contention::Lock{};
    if (lock.id == 0 && lock.name == 0) {
      lock.id = line.fields[0].value;
      lock.name = out_.words().intern("(unnamed lock, " + std::string(line.text("flags")) + ")");
    }
    out_.contended(at, lock, side);
  } else {
    out_.contention_over(at);
  }
}

void ContentionSource::end_trace(bool native) {
  std::vector<std::string> names;
  for (Actor& a : actors_) {
    settle_pulse(a);
    if (a.context == Context::hardirq) {
      names.push_back("hardirq on CPU " + std::to_string(a.cpu));
    } else if (a.context == Context::softirq) {
      names.push_back("softirq on CPU " + std::to_string(a.cpu));
    } else if (a.pid == 0 && !native) {
      names.push_back("idle on CPU " + std::to_string(a.cpu));
    } else {
      names.push_back(native ? a.comm : a.comm + "-" + std::to_string(a.pid));
    }
  }
  out_.end_trace(last_time_, names);
}

}  // namespace faultline
