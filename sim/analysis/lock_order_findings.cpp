// Words for circles and misuses of locks.
#include "analysis/lock_order_findings.hpp"

#include <algorithm>
#include <utility>

namespace faultline {

namespace {

std::string mode_text(OrderMode mode) {
  return mode == OrderMode::exclusive ? "exclusive" : "shared";
}

std::string seconds(Nanos time) {
  std::string fraction = std::to_string(time.v % 1'000'000'000);
  fraction.insert(0, 9 - fraction.size(), '0');
  return std::to_string(time.v / 1'000'000'000) + "." + fraction;
}

std::string hex(std::uint64_t value) {
  std::string text;
  do {
    text.insert(text.begin(), "0123456789abcdef"[value & 15]);
    value >>= 4;
  } while (value != 0);
  return text;
}

class Teller {
 public:
  explicit Teller(const LockNames& names) : names_(names) {}

  Finding circle(const LockGraph& graph, const LockCircle& circle) const {
    Finding f{"lock-cycle", "possible deadlock: ", {}};
    for (const auto& step : circle.steps) {
      f.text += names_.printed(graph.edges()[step.edge].from) + " -> ";
    }
    f.text += names_.printed(graph.edges()[circle.steps.front().edge].from);
    for (const auto& step : circle.steps) {
      const LockEdge& edge = graph.edges()[step.edge];
      const LockSighting& seen = graph.sighting(step);
      f.text +=
          "; " + names_.task(seen.task) + " at " + seconds(seen.time) +
          (step.kind & edge_kind::plain ? " wanted " : " tried, and would have waited for, ") +
          names_.printed(edge.to) + " (" + mode_text(seen.wanted_mode) + ") holding " +
          names_.printed(edge.from) + " (" + mode_text(seen.held_mode) + ")";
      f.locks.push_back(
          lock(edge.from, seen.held_instance, seen.held_mode, seen.task, "held", seen.held_path));
      f.locks.push_back(lock(edge.to, seen.wanted_instance, seen.wanted_mode, seen.task, "wanted",
                             seen.wanted_path));
    }
    if (circle.try_wait) {
      f.text +=
          "; a kernel's lock validator counts no dependency for a try that succeeds, and "
          "stays silent";
    }
    return f;
  }

  Finding instances(const std::vector<InstanceStep>& steps) const {
    Finding f{"lock-cycle", "possible deadlock of instances, whatever their subclasses say", {}};
    for (const InstanceStep& step : steps) {
      const LockSighting& seen = step.seen;
      f.text += "; " + names_.task(seen.task) + " at " + seconds(seen.time) + " wanted " +
                names_.printed(step.wanted) + " " + hex(seen.wanted_instance) + " (" +
                mode_text(seen.wanted_mode) + ") holding " + names_.printed(step.held) + " " +
                hex(seen.held_instance) + " (" + mode_text(seen.held_mode) + ")";
      f.locks.push_back(
          lock(step.held, seen.held_instance, seen.held_mode, seen.task, "held", seen.held_path));
      f.locks.push_back(lock(step.wanted, seen.wanted_instance, seen.wanted_mode, seen.task,
                             "wanted", seen.wanted_path));
    }
    return f;
  }

  Finding misuse(const LockMisuse& m) const {
    const std::string who = names_.task(m.place.task) + " at " + seconds(m.place.time);
    const std::string name = names_.printed(m.use.cls);
    switch (m.kind) {
      case LockMisuse::Kind::recursion:
        return recursion(m, who, name);
      case LockMisuse::Kind::not_held:
        return bad_release(m, who, name);
      case LockMisuse::Kind::missing_nest:
        return {"kernel-warn",
                "the lock named as nest lock is not held: " + who + " took " + name,
                {wanted(m)}};
      case LockMisuse::Kind::init_held:
        return {"kernel-warn",
                "a held lock was initialised: " + who + " initialised " + name + ", which " +
                    names_.task(m.holder) + " holds",
                {other(m)}};
      case LockMisuse::Kind::wait_context:
        return {"kernel-warn",
                "invalid wait context: " + who + " wanted " + name + ", which sleeps, holding " +
                    names_.printed(m.other.use.cls) + ", which spins, since " +
                    seconds(m.other.since),
                {other(m), wanted(m)}};
    }
    return {};
  }

 private:
  Finding recursion(const LockMisuse& m, const std::string& who, const std::string& name) const {
    const char* const which = m.other.use.instance == m.use.instance ? "it" : "one of that class";
    return {"recursion",
            "possible recursive locking: " + who +
                (m.use.attempt == LockAttempt::try_then_wait ? " tried, and would have waited for, "
                                                             : " wanted ") +
                name + " (" + mode_text(m.use.mode) + ") holding " + which + " (" +
                mode_text(m.other.use.mode) + ") since " + seconds(m.other.since),
            {other(m), wanted(m)}};
  }

  Finding bad_release(const LockMisuse& m, const std::string& who, const std::string& name) const {
    Finding f{"bad-release", who + " released " + name + ", which it does not hold", {}};
    f.locks.push_back(wanted(m));  // wanted to let it go: it holds nothing
    if (m.has_other) f.locks.back().mode = mode_text(m.other.use.mode);
    if (m.has_other) {
      f.text += "; " + names_.task(m.holder) + " does since " + seconds(m.other.since);
      f.locks.push_back(other(m));
    }
    return f;
  }

  FindingLock lock(LockVertex cls, std::uint64_t instance, OrderMode mode, TaskId task,
                   const char* role, std::uint32_t path) const {
    const std::string printed = names_.printed(cls);
    const auto parts = split_printed_class(printed);
    return {std::string(parts.name), parts.subclass, instance,         mode_text(mode),
            names_.task(task),       role,           names_.path(path)};
  }
  FindingLock wanted(const LockMisuse& m) const {
    return lock(m.use.cls, m.use.instance, m.use.mode, m.place.task, "wanted", m.place.path);
  }
  FindingLock other(const LockMisuse& m) const {
    const LockUse& use = m.other.use;
    return lock(use.cls, use.instance, use.mode, m.holder, "held", m.other.path);
  }

  const LockNames& names_;
};

}  // namespace

PrintedClass split_printed_class(std::string_view printed) {
  const std::size_t n = printed.size();
  if (n < 3 || printed[n - 2] != '/' || printed[n - 1] < '1' || printed[n - 1] > '7') {
    return {printed, 0};
  }
  return {printed.substr(0, n - 2), static_cast<std::uint8_t>(printed[n - 1] - '0')};
}

std::vector<Finding> lock_findings(const LockOrder& order, const LockNames& names) {
  const Teller teller(names);
  std::vector<Finding> told;
  std::vector<std::pair<Nanos, std::size_t>> by_time;
  const auto tell = [&](Nanos time, Finding finding) {
    by_time.emplace_back(time, told.size());
    told.push_back(std::move(finding));
  };
  for (const auto& m : order.misuses()) tell(m.place.time, teller.misuse(m));
  for (const auto& c : order.graph().circles()) tell(c.time, teller.circle(order.graph(), c));
  std::sort(by_time.begin(), by_time.end());
  std::vector<Finding> findings;
  for (const auto& [time, index] : by_time) findings.push_back(std::move(told[index]));
  return findings;
}

Finding instance_finding(const std::vector<InstanceStep>& steps, const LockNames& names) {
  return Teller(names).instances(steps);
}

}  // namespace faultline
