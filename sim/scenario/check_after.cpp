// Refuses scenarios whose `after` lists go round in a circle: such steps would wait for ever. Only
// steps that wait matter; each depends on the last waiting step at or before what it waits for, and
// on the waiting step before it in its own task.
#include <algorithm>

#include <fmt/format.h>

#include "scenario/reader.hpp"

namespace faultline {
namespace {

struct Waiter {
  StepRef step;
  std::uint32_t task_first;  // number of the first waiter of its task
};

/// Depth-first search over waiters, without recursion.
class Circles {
 public:
  Circles(const Scenario& scenario, std::vector<Waiter> waiters,
          std::vector<std::uint32_t> first_of_task)
      : scenario_(scenario),
        waiters_(std::move(waiters)),
        first_of_task_(std::move(first_of_task)),
        state_(waiters_.size(), State::fresh) {}

  /// Calls `report(waiter, text)` for each circle found.
  template <class Report>
  void find(Report&& report) {
    for (std::uint32_t start = 0; start < waiters_.size(); ++start) {
      if (state_[start] == State::fresh) search(start, report);
    }
  }

  const Step& step(std::uint32_t waiter) const {
    const StepRef ref = waiters_[waiter].step;
    return scenario_.tasks[ref.task.v].steps[ref.index];
  }
  StepRef ref(std::uint32_t waiter) const { return waiters_[waiter].step; }

 private:
  enum class State : std::uint8_t { fresh, open, closed };
  struct Level {
    std::uint32_t waiter;
    std::uint32_t edge = 0;
  };

  template <class Report>
  void search(std::uint32_t start, Report& report) {
    path_.assign(1, {start});
    state_[start] = State::open;
    while (!path_.empty()) {
      Level& level = path_.back();
      if (level.edge > step(level.waiter).after_count) {
        state_[level.waiter] = State::closed;
        path_.pop_back();
        continue;
      }
      const std::uint32_t next = target(level.waiter, level.edge++);
      if (next == no_index || state_[next] == State::closed) continue;
      if (state_[next] == State::open) {
        report(next, describe(next));
        continue;
      }
      state_[next] = State::open;
      path_.push_back({next});
    }
  }

  /// Edge 0 goes to the waiter before in the same task, edge n to what the n-th `after` waits for.
  std::uint32_t target(std::uint32_t waiter, std::uint32_t edge) const {
    if (edge == 0) return waiter > waiters_[waiter].task_first ? waiter - 1 : no_index;
    StepRef goal = scenario_.after[step(waiter).after_begin + edge - 1];
    const Step& awaited = scenario_.tasks[goal.task.v].steps[goal.index];
    if (const auto* const repeat = std::get_if<RepeatArgs>(&awaited.args)) {
      goal.index += repeat->body;  // it ends after its body
    }
    const auto begin = waiters_.begin() + first_of_task_[goal.task.v];
    const auto end = waiters_.begin() + first_of_task_[goal.task.v + 1];
    const auto behind = std::upper_bound(
        begin, end, goal.index, [](auto index, const Waiter& w) { return index < w.step.index; });
    if (behind == begin) return no_index;
    return static_cast<std::uint32_t>(behind - waiters_.begin() - 1);
  }

  std::string name(StepRef ref) const {
    return scenario_.tasks[ref.task.v].name + "." + step_name(scenario_, ref.task, ref.index);
  }

  std::string describe(std::uint32_t from) const {
    auto level = std::find_if(path_.begin(), path_.end(),
                              [&](const Level& each) { return each.waiter == from; });
    std::vector<std::string> waits;
    for (; level != path_.end(); ++level) {
      if (level->edge <= 1) continue;  // it goes on to the step before it
      const StepRef goal = scenario_.after[step(level->waiter).after_begin + level->edge - 2];
      waits.push_back(name(ref(level->waiter)) + " waits for " + name(goal));
    }
    return fmt::format("cyclic \"after\": {}", fmt::join(waits, ", "));
  }

  const Scenario& scenario_;
  std::vector<Waiter> waiters_;
  std::vector<std::uint32_t> first_of_task_;
  std::vector<State> state_;
  std::vector<Level> path_;
};

}  // namespace

void Reader::check_after() {
  std::vector<Waiter> waiters;
  std::vector<std::uint32_t> first_of_task;
  for (std::uint32_t task = 0; task < scenario_.tasks.size(); ++task) {
    const auto first = static_cast<std::uint32_t>(waiters.size());
    first_of_task.push_back(first);
    const auto& steps = scenario_.tasks[task].steps;
    for (std::uint32_t index = 0; index < steps.size(); ++index) {
      if (steps[index].after_count > 0) waiters.push_back({{TaskId(task), index}, first});
    }
  }
  first_of_task.push_back(static_cast<std::uint32_t>(waiters.size()));
  Circles circles(scenario_, std::move(waiters), std::move(first_of_task));
  circles.find([&](std::uint32_t waiter, std::string text) {
    const StepRef at = circles.ref(waiter);
    wrong(get(step_nodes_[at.task.v][at.index], "after"), [&] { return std::move(text); });
  });
}

}  // namespace faultline
