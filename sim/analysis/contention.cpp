// The state of each lock and each actor, and the booking of holds, waits and chains. What a waiter
// waits for is looked at again whenever something happens to a lock that has waiters: nothing else
// can change it.
#include "analysis/contention.hpp"

#include <algorithm>

namespace faultline {

void LockUsage::add(const LockUsage& other) {
  acquisitions += other.acquisitions;
  trylocks += other.trylocks;
  annotations += other.annotations;
  contended += other.contended;
  abandoned += other.abandoned;
  unfinished += other.unfinished;
  abandoned_ns += other.abandoned_ns;
  unfinished_ns += other.unfinished_ns;
  acq_bounces += other.acq_bounces;
  con_bounces += other.con_bounces;
  wait.add(other.wait);
  hold.add(other.hold);
}

void Contention::begin_trace() {
  first_instance_ = static_cast<std::uint32_t>(instances_.size());
  by_id_.clear();
  states_.clear();
  actors_.clear();
  waits_.clear();
  free_waits_.clear();
  active_.clear();
  booked_.clear();
}

void Contention::end_trace(std::uint64_t time, const std::vector<std::string>& names) {
  while (!active_.empty()) end_wait(active_.back(), time, WaitEnd::unfinished);
  for (const Actor& a : actors_) still_held_ += a.held.size();
  const auto word = [&](ActorId id) { return id < names.size() ? words_.intern(names[id]) : 0; };
  for (const auto& [chain, share] : booked_) {
    WaitChain named;
    named.links = chain.links;
    for (WaitLink& link : named.links) link.who = word(link.who);
    named.root = chain.root == none ? 0 : word(chain.root);
    named.closed = chain.closed;
    WaitShare& sum = chains_[named];
    sum.waits += share.waits;
    sum.total_ns += share.total_ns;
    sum.max_ns = std::max(sum.max_ns, share.max_ns);
  }
  ++trace_;
  begin_trace();
}

std::uint32_t Contention::class_of(WordId name) {
  if (name >= class_by_word_.size()) class_by_word_.resize(name + 1, none);
  std::uint32_t& cls = class_by_word_[name];
  if (cls == none) {
    cls = static_cast<std::uint32_t>(classes_.size());
    classes_.emplace_back().name = std::string(words_.view(name));
  }
  return cls;
}

std::uint32_t Contention::instance_of(const Lock& lock) {
  const std::uint32_t cls = class_of(lock.name);
  const auto next = static_cast<std::uint32_t>(instances_.size());
  const auto [it, fresh] = by_id_.try_emplace({lock.id, cls}, next);
  if (fresh) {
    LockInstanceUsage& instance = instances_.emplace_back();
    instance.cls = cls;
    instance.trace = trace_;
    instance.id = lock.id;
    states_.emplace_back();
  }
  return it->second;
}

Contention::Actor& Contention::actor(ActorId id) {
  if (id >= actors_.size()) actors_.resize(std::size_t{id} + 1);
  return actors_[id];
}

template <class Change>
void Contention::count(std::uint32_t instance, LockSide side, Change change) {
  LockInstanceUsage& one = instances_[instance];
  change(one.side[static_cast<int>(side)]);
  change(classes_[one.cls].side[static_cast<int>(side)]);
}

SiteUsage& Contention::site(std::uint32_t instance, WordId site) {
  return classes_[instances_[instance].cls].sites[site];
}

std::size_t Contention::find_held(const Actor& actor, std::uint32_t instance) const {
  for (std::size_t i = actor.held.size(); i > 0; --i) {
    if (actor.held[i - 1].instance == instance) return i - 1;
  }
  return actor.held.size();
}

std::uint32_t Contention::find_wait(const Actor& actor, std::uint32_t instance) const {
  for (const std::uint32_t w : actor.waits) {
    if (waits_[w].instance == instance) return w;
  }
  return none;
}

void Contention::take(const Place& place, std::uint32_t instance, LockSide side, bool settled) {
  State& s = state(instance);
  const Held held{instance, side, place.time, place.site, settled, s.last_cpu};
  actor(place.actor).held.push_back(held);
  s.holders.push_back({place.actor, side, place.site});
  s.known = true;
  s.last_cpu = place.cpu;
}

void Contention::drop(ActorId id, std::size_t index, std::uint64_t time, bool sampled) {
  Actor& who = actor(id);
  const Held held = who.held[index];
  who.held.erase(who.held.begin() + static_cast<std::ptrdiff_t>(index));
  State& s = state(held.instance);
  for (auto it = s.holders.end(); it != s.holders.begin();) {
    --it;
    if (it->actor != id || it->side != held.side) continue;
    s.holders.erase(it);
    break;
  }
  if (sampled)
    count(held.instance, held.side, [&](LockUsage& u) { u.hold.add(time - held.since); });
}

void Contention::began(const Place& place, std::uint32_t instance, LockSide side, bool trylock) {
  const bool bounced = bounces(state(instance), place);
  count(instance, side, [&](LockUsage& u) {
    ++u.acquisitions;
    u.trylocks += trylock;
    u.acq_bounces += bounced;
  });
  if (place.site != 0) ++site(instance, place.site).acquisitions;
}

void Contention::acquire(const Place& place, const Lock& lock, LockSide side, bool trylock) {
  const std::uint32_t instance = instance_of(lock);
  began(place, instance, side, trylock);
  take(place, instance, side, trylock);
  if (!state(instance).waiters.empty()) follow(place.time);
}

void Contention::contended(const Place& place, const Lock& lock, LockSide side) {
  const std::uint32_t instance = instance_of(lock);
  Actor& who = actor(place.actor);
  if (find_wait(who, instance) != none) return;  // woken, beaten and waiting again
  const std::size_t at = find_held(who, instance);
  Place from = place;
  if (at < who.held.size() && !who.held[at].settled) {
    // Not acquired after all: as if that had not been told.
    side = who.held[at].side;
    from.site = who.held[at].site;
    state(instance).last_cpu = who.held[at].cpu_before;
    drop(place.actor, at, place.time, false);
    const bool bounced = bounces(state(instance), place);
    count(instance, side, [&](LockUsage& u) {
      --u.acquisitions;
      u.acq_bounces -= bounced;
    });
    if (from.site != 0) --site(instance, from.site).acquisitions;
  }
  begin_wait(from, instance, side);
}

void Contention::begin_wait(const Place& place, std::uint32_t instance, LockSide side) {
  State& s = state(instance);
  const bool bounced = bounces(s, place);
  count(instance, side, [&](LockUsage& u) {
    ++u.contended;
    u.con_bounces += bounced;
  });
  if (place.site != 0) ++site(instance, place.site).contended;
  std::uint32_t slot = static_cast<std::uint32_t>(waits_.size());
  if (free_waits_.empty()) {
    waits_.emplace_back();
  } else {
    slot = free_waits_.back();
    free_waits_.pop_back();
  }
  Wait& wait = waits_[slot];
  wait = Wait{};
  wait.actor = place.actor;
  wait.instance = instance;
  wait.side = side;
  wait.since = wait.chain_since = place.time;
  wait.site = place.site;
  actor(place.actor).waits.push_back(slot);
  s.waiters.push_back(slot);
  active_.push_back(slot);
  wait.chain = chain_of(wait);
  follow(place.time);
}

void Contention::end_wait(std::uint32_t slot, std::uint64_t time, WaitEnd end) {
  Wait& wait = waits_[slot];
  close_part(wait, time);
  const std::uint64_t ns = time - wait.since;
  count(wait.instance, wait.side, [&](LockUsage& u) {
    if (end == WaitEnd::with_lock) {
      u.wait.add(ns);
    } else if (end == WaitEnd::abandoned) {
      ++u.abandoned;
      u.abandoned_ns += ns;
    } else {
      ++u.unfinished;
      u.unfinished_ns += ns;
    }
  });
  if (wait.site != 0) site(wait.instance, wait.site).wait_ns += ns;
  book(wait);
  std::erase(actor(wait.actor).waits, slot);
  std::erase(state(wait.instance).waiters, slot);
  std::erase(active_, slot);
  free_waits_.push_back(slot);
  follow(time);
}

void Contention::book(const Wait& wait) {
  for (const auto& [chain, ns] : wait.parts) {
    if (ns == 0 && wait.parts.size() > 1) continue;
    WaitShare& share = booked_[chain];
    ++share.waits;
    share.total_ns += ns;
    share.max_ns = std::max(share.max_ns, ns);
    if (chain.site == 0) continue;
    SiteUsage& from = site(wait.instance, chain.site);
    ++from.blocking;
    from.blocked_ns += ns;
  }
}

void Contention::close_part(Wait& wait, std::uint64_t time) {
  wait.parts[wait.chain] += time - wait.chain_since;
  wait.chain_since = time;
}

void Contention::follow(std::uint64_t time) {
  for (const std::uint32_t slot : active_) {
    Wait& wait = waits_[slot];
    Chain now = chain_of(wait);
    if (now == wait.chain) continue;
    close_part(wait, time);
    wait.chain = std::move(now);
  }
}

Contention::Holder Contention::blocker(const Wait& wait, WaitReason& reason) const {
  const State& s = state(wait.instance);
  reason = WaitReason::held;
  for (const Holder& h : s.holders) {
    if (h.side == LockSide::write || wait.side == LockSide::write) return h;
  }
  if (wait.side == LockSide::read) {
    reason = WaitReason::queued;
    for (const std::uint32_t w : s.waiters) {
      if (&waits_[w] == &wait) break;
      if (waits_[w].side == LockSide::write) return {waits_[w].actor, LockSide::write, 0};
    }
  }
  reason = s.known ? WaitReason::handover : WaitReason::unknown;
  return {none, LockSide::write, 0};
}

Contention::Chain Contention::chain_of(const Wait& wait) const {
  Chain chain;
  const Wait* at = &wait;
  for (;;) {
    WaitReason reason = WaitReason::held;
    const Holder by = blocker(*at, reason);
    if (chain.links.empty()) chain.site = by.site;
    chain.links.push_back({at->actor, instances_[at->instance].cls, at->side, reason});
    chain.root = by.actor;
    if (by.actor == none) return chain;
    for (const WaitLink& link : chain.links) chain.closed |= link.who == by.actor;
    if (chain.closed || !waits(by.actor)) return chain;
    at = &waits_[actors_[by.actor].waits.back()];
  }
}

void Contention::acquired(const Place& place, const Lock& lock) {
  const std::uint32_t instance = instance_of(lock);
  Actor& who = actor(place.actor);
  const std::uint32_t slot = find_wait(who, instance);
  if (slot == none) {  // a kernel with lock_stat says so of every blocking attempt
    const std::size_t at = find_held(who, instance);
    if (at == who.held.size()) return;
    if (!who.held[at].settled) who.held[at].since = place.time;
    who.held[at].settled = true;
    return;
  }
  const LockSide side = waits_[slot].side;
  Place from = place;
  from.site = waits_[slot].site;
  end_wait(slot, place.time, WaitEnd::with_lock);
  began(from, instance, side, false);
  take(from, instance, side, true);
  follow(place.time);
}

void Contention::acquire_held(const Place& place, const Lock& lock, LockSide side, bool trylock) {
  const std::uint32_t instance = instance_of(lock);
  if (find_wait(actor(place.actor), instance) != none) return acquired(place, lock);
  began(place, instance, side, trylock);
  take(place, instance, side, true);
  follow(place.time);
}

void Contention::release(const Place& place, const Lock& lock) {
  const std::uint32_t instance = instance_of(lock);
  State& s = state(instance);
  s.known = true;
  Actor& who = actor(place.actor);
  const std::uint32_t slot = find_wait(who, instance);
  const std::size_t at = find_held(who, instance);
  if (slot != none) {
    end_wait(slot, place.time, WaitEnd::abandoned);
  } else if (at < who.held.size()) {
    drop(place.actor, at, place.time, true);
  } else {
    ++unmatched_releases_;
  }
  if (!s.waiters.empty()) follow(place.time);
}

void Contention::release_anywhere(const Place& place, const Lock& lock) {
  const std::uint32_t instance = instance_of(lock);
  const State& s = state(instance);
  Place from = place;
  const bool own = find_held(actor(place.actor), instance) < actor(place.actor).held.size();
  if (!own && !s.holders.empty()) from.actor = s.holders.front().actor;
  release(from, lock);
}

void Contention::downgrade(const Place& place, const Lock& lock) {
  const std::uint32_t instance = instance_of(lock);
  Actor& who = actor(place.actor);
  const std::size_t at = find_held(who, instance);
  if (at == who.held.size() || who.held[at].side == LockSide::read) return;
  const Held old = who.held[at];
  count(instance, LockSide::write, [&](LockUsage& u) { u.hold.add(place.time - old.since); });
  who.held[at].side = LockSide::read;
  who.held[at].since = place.time;
  for (Holder& h : state(instance).holders) {
    if (h.actor == place.actor) h.side = LockSide::read;
  }
  follow(place.time);
}

void Contention::annotation(const Place& place, const Lock& lock, LockSide side) {
  const std::uint32_t instance = instance_of(lock);
  began(place, instance, side, false);
  count(instance, side, [](LockUsage& u) { ++u.annotations; });
}

void Contention::not_waiting(const Place& place) {
  if (!waits(place.actor)) return;
  const std::vector<std::uint32_t> over = actors_[place.actor].waits;
  for (const std::uint32_t slot : over) end_wait(slot, place.time, WaitEnd::abandoned);
}

void Contention::contention_over(const Place& place) {
  if (!waits(place.actor)) return;
  const std::uint32_t slot = actors_[place.actor].waits.back();
  const LockInstanceUsage& one = instances_[waits_[slot].instance];
  const WordId name = words_.find(classes_[one.cls].name);
  const Lock lock{one.id, name};
  acquired(place, lock);
  if (!words_.view(name).starts_with("(unnamed lock")) return;
  Actor& who = actor(place.actor);
  drop(place.actor, find_held(who, instance_of(lock)), place.time, false);
}

Contention::Lock Contention::latest_attempt(ActorId id) const {
  if (id >= actors_.size() || actors_[id].held.empty() || actors_[id].held.back().settled)
    return {};
  const LockInstanceUsage& one = instances_[actors_[id].held.back().instance];
  return {one.id, words_.find(classes_[one.cls].name)};
}

void Contention::lost(std::uint64_t time) {
  while (!active_.empty()) end_wait(active_.back(), time, WaitEnd::unfinished);
  for (Actor& a : actors_) a.held.clear();
  for (State& s : states_) s = State{};
}

}  // namespace faultline
