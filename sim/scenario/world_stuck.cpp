// The finding about a run in which tasks wait for what nobody will do: each task that is left, what
// it waits for, and who could have ended that.
#include <fmt/format.h>

#include "scenario/player.hpp"
#include "scenario/world.hpp"

namespace faultline {

void World::add_stuck_finding(RunResult& result) {
  Finding finding;
  finding.kind = "stuck";
  finding.text = result.reason.empty() ? "tasks wait for what nobody will do" : result.reason;
  for (std::uint32_t t = 0; t < engine_.task_count(); ++t) {
    const Task& task = engine_.task(TaskId(t));
    if (task.state == TaskState::done || task.state == TaskState::created) continue;
    finding.text += "; " + kernel_->tasks[t].comm + " " + tell_blocked(task, finding.locks);
  }
  result.findings.push_back(std::move(finding));
}

std::string World::tell_blocked(const Task& task, std::vector<FindingLock>& locks) {
  if (kernel_->locks.waits_for(task).lock) return tell_lock_wait(task, locks);
  const bool declared = task.id.v < players_.size();
  const auto step = declared ? players_[task.id.v]->awaits() : std::nullopt;
  if (step) return tell_step_wait(*step);
  if (task.state == TaskState::blocked) {
    const auto path = engine_.calls().path(task.calls);
    return path.empty() ? "sleeps" : fmt::format("sleeps in {}", fmt::join(path, " > "));
  }
  for (std::uint32_t t = 0; t < engine_.task_count(); ++t) {
    const Task& other = engine_.task(TaskId(t));
    if (&other == &task || !other.spinning || other.cpu != task.cpu) continue;
    return fmt::format("could go on, but {} spins on CPU {}", kernel_->tasks[t].comm, task.cpu.v);
  }
  return "waits for a CPU";
}

std::string World::tell_lock_wait(const Task& task, std::vector<FindingLock>& locks) {
  const LockWait& wait = kernel_->locks.waits_for(task);
  const FindingLock wanted = describe(task.id, wait.lock, wait.mode, wait.calls, "wanted");
  std::string text = "wants " + tell_place(wanted);
  bool held = false;
  locks.push_back(wanted);
  for (std::uint32_t t = 0; t < engine_.task_count(); ++t) {
    const Task& other = engine_.task(TaskId(t));
    const int place = kernel_->locks.find_held(other, *wait.lock);
    if (place < 0) continue;
    const HeldLock& hold = kernel_->locks.held(other)[static_cast<std::size_t>(place)];
    const FindingLock holder = describe(other.id, wait.lock, hold.mode, hold.calls, "held");
    const bool gone = other.state == TaskState::done;
    text += fmt::format("{} {} ({}){}", held ? " and" : ", held by", holder.task, holder.mode,
                        gone ? ", which has ended" : "");
    locks.push_back(holder);
    held = true;
  }
  return held ? text : text + ", which nobody holds";
}

std::string World::tell_step_wait(StepRef step) {
  const std::string& name = scenario_.tasks[step.task.v].name;
  const bool started = engine_.task(step.task).state != TaskState::created;
  return fmt::format("waits for the step {}.{}{}", name,
                     step_name(scenario_, step.task, step.index),
                     started ? "" : fmt::format(" of {}, which nobody has started", name));
}

std::string World::tell_place(const FindingLock& lock) {
  std::string text = lock.lock_class;
  if (lock.subclass != 0) text += fmt::format("/{}", lock.subclass);
  text += " (" + lock.mode + ")";
  if (!lock.path.empty()) text += fmt::format(" in {}", fmt::join(lock.path, " > "));
  return text;
}

}  // namespace faultline
