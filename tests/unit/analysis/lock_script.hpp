// Little scripts of lock operations for the tests of the lock order. A script is a list of words of
// one task: a letter is a class and an instance of it. `A` takes it exclusively, `Ar` shared, `AR`
// shared and recursively; `?` before it takes by trylock, `~` by a try-then-wait that succeeds, `!`
// only may take it. A digit picks another instance (`A2`), `@B` names B as nest lock. `-A`
// releases,
// `_A` downgrades; at its end a script releases what it holds, the last first.
#pragma once

#include <algorithm>
#include <cctype>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "catch.hpp"

#include "analysis/lock_order.hpp"

namespace lock_test {

using namespace faultline;

struct Lab {
  LockOrder order;
  std::map<char, LockVertex> classes;
  std::uint64_t now = 0;

  LockVertex cls(char name) {
    const auto it = classes.find(name);
    return it != classes.end() ? it->second
                               : classes.emplace(name, order.add_class()).first->second;
  }
  char name(LockVertex v) const {
    for (const auto& [letter, vertex] : classes) {
      if (vertex == v) return letter;
    }
    return '?';
  }

  static std::uint64_t instance(const std::string& word) {
    return static_cast<std::uint64_t>(word[0]) * 16 +
           (word.size() > 1 && std::isdigit(word[1]) ? static_cast<unsigned>(word[1] - '0') : 0u);
  }

  void word(TaskId task, std::string w) {
    const LockPlace place{Nanos(++now), task};
    const char how = std::isalpha(w[0]) ? '+' : w[0];
    if (how != '+') w.erase(0, 1);
    const LockVertex c = cls(w[0]);
    if (how == '-') {
      order.release(place, instance(w), c);
      return;
    }
    if (how == '_') {
      order.downgrade(place, instance(w), c);
      return;
    }
    LockUse use{instance(w), c};
    if (w.find('r') != w.npos) use.mode = OrderMode::shared;
    if (w.find('R', 1) != w.npos) use.mode = OrderMode::recursive;
    if (const auto at = w.find('@'); at != w.npos) {
      use.nest = instance(w.substr(at + 1));
      w.erase(at);
    }
    if (how == '?') use.attempt = LockAttempt::trylock;
    if (how == '~') use.attempt = LockAttempt::try_then_wait;
    if (how == '!') {
      order.may_acquire(place, use);
    } else {
      order.acquire(place, use);
    }
  }

  /// Plays a script; what is held at its end stays held.
  void hold(TaskId task, const std::string& script) {
    std::istringstream words(script);
    for (std::string w; words >> w;) word(task, w);
  }
  void play(const std::string& script, TaskId task = TaskId(0)) {
    hold(task, script);
    while (!order.held(task).empty()) {
      const LockUse use = order.held(task).back().use;
      order.release({Nanos(++now), task}, use.instance, use.cls);
    }
  }

  /// `A>B:EN,SN A>C:ER`, in alphabetical order; `+` marks a kind of try-then-wait.
  std::string edges() const {
    std::set<std::string> lines;
    for (const LockEdge& e : order.graph().edges()) {
      std::string line = {name(e.from), '>', name(e.to), ':'};
      const char* const kinds[] = {"EN", "ER", "SN", "SR", "EN+", "ER+", "SN+", "SR+"};
      for (unsigned i = 0; i < 8; ++i) {
        if (e.kinds >> i & 1) line += (line.back() == ':' ? "" : ",") + std::string(kinds[i]);
      }
      lines.insert(line);
    }
    return join(lines);
  }

  /// Classes of each circle, as `AB ACD`; `+` marks one that only try-then-wait makes.
  std::string circles() const {
    std::set<std::string> found;
    for (const LockCircle& circle : order.graph().circles()) {
      std::string names;
      for (const auto& step : circle.steps) names += name(order.graph().edges()[step.edge].from);
      std::sort(names.begin(), names.end());
      found.insert(names + (circle.try_wait ? "+" : ""));
    }
    return join(found);
  }

  /// `recursion:A`, ... in order.
  std::string misuses() const {
    std::string text;
    for (const LockMisuse& m : order.misuses()) {
      const char* const kinds[] = {"recursion", "not-held", "missing-nest", "init-held"};
      if (!text.empty()) text += ' ';
      text += kinds[static_cast<unsigned>(m.kind)] + std::string(":") + name(m.use.cls);
    }
    return text;
  }

  static std::string join(const std::set<std::string>& words) {
    std::string text;
    for (const auto& w : words) text += (text.empty() ? "" : " ") + w;
    return text;
  }
};

/// The circles after some scripts, each played to its end by a task of its own.
inline std::string circles_of(const std::vector<std::string>& scripts) {
  Lab lab;
  std::uint32_t task = 0;
  for (const auto& script : scripts) lab.play(script, TaskId(task++));
  CHECK(lab.misuses() == "");
  return lab.circles();
}

inline std::string edges_of(const std::string& script) {
  Lab lab;
  lab.play(script);
  CHECK(lab.misuses() == "");
  return lab.edges();
}

inline std::string misuses_of(const std::string& script) {
  Lab lab;
  lab.play(script);
  return lab.misuses();
}

}  // namespace lock_test
