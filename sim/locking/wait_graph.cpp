// The wait-for graph: who waits for whom, and the cycle that ends a run. An edge leads from a
// blocked task to each task that must go on first: every holder that excludes it, the writer queued
// on the lock that a reader wants, or the task whose step it awaits. A task that is blocked no
// more, though it has not run since, has no edges: it will block anew or go on. All edges of a task
// must go away before it runs, so any way back to it is a deadlock.
#include <algorithm>

#include "base/bug.hpp"
#include "locking/lock.hpp"

namespace faultline {

void LockContext::link_waiter(Task& task, TaskLocks& mine, const LockWait& wait) {
  FL_ASSERT(!mine.waiter);
  mine.wait = wait;
  mine.waiter = &task;
  mine.next = no_task;
  mine.previous = last_waiter_;
  if (last_waiter_ == no_task) {
    first_waiter_ = task.id.v;
  } else {
    tasks_[last_waiter_].next = task.id.v;
  }
  last_waiter_ = task.id.v;
}

void LockContext::begin_wait(LockBase& lock, HoldMode mode, bool timed) {
  Task& task = engine_.current();
  TaskLocks& mine = state(task);
  link_waiter(task, mine, {&lock, mode, engine_.call_path(), nullptr, timed});
  ++lock.waiting;
  if (mode == HoldMode::shared) ++lock.waiting_shared;
  if (timed || !may_close_cycle(mine)) [[likely]]
    return;
  std::vector<std::uint8_t> colour(tasks_.size());
  if (find_cycle(task, Waits::locks_only, colour)) {
    engine_.stop(Outcome::deadlock, "a cycle of tasks waits for locks that they hold");
  }
}

void LockContext::begin_task_wait(Task& on) {
  Task& task = engine_.current();
  link_waiter(task, state(task), {nullptr, HoldMode::exclusive, engine_.call_path(), &on, false});
}

void LockContext::end_wait(Task& task) {
  TaskLocks& mine = state(task);
  if (!mine.waiter) return;
  if (LockBase* const lock = mine.wait.lock) {
    --lock->waiting;
    if (mine.wait.mode == HoldMode::shared) --lock->waiting_shared;
  }
  (mine.previous == no_task ? first_waiter_ : tasks_[mine.previous].next) = mine.next;
  (mine.next == no_task ? last_waiter_ : tasks_[mine.next].previous) = mine.previous;
  mine.waiter = nullptr;
  mine.wait = {};
}

std::vector<Task*> LockContext::blocked() const {
  std::vector<Task*> tasks;
  for (auto i = first_waiter_; i != no_task; i = tasks_[i].next) tasks.push_back(tasks_[i].waiter);
  return tasks;
}

// The newest waiter is on every new cycle, so somebody must wait for it: for a lock that it holds
// (the wanted one too, if it holds that), or as a reader that is queued behind it.
bool LockContext::may_close_cycle(const TaskLocks& mine) const {
  for (const HeldLock& held : mine.held) {
    if (held.lock->waiting != 0) return true;
  }
  return mine.wait.mode == HoldMode::exclusive && mine.wait.lock->waiting_shared != 0;
}

bool LockContext::may_end_by_itself(const Task& task, const LockWait& wait) const {
  if (wait.timed) return true;
  if (!task.wait_is_signalable) return false;
  return !signals_.may_come || signals_.may_come(signals_.self, task);
}

std::vector<LockContext::Needed> LockContext::needs(const Task& task, const Task& start,
                                                    Waits which) const {
  std::vector<Needed> result;
  const TaskLocks& mine = state(task);
  if (!mine.waiter || (&task != &start && task.state != TaskState::blocked)) return result;
  const LockWait& wait = mine.wait;
  if (which == Waits::locks_only && may_end_by_itself(task, wait)) return result;
  if (wait.on) {
    const TaskLocks& theirs = state(*wait.on);
    if (which == Waits::all && theirs.waiter) result.push_back({theirs.waiter, {}});
    return result;
  }
  for (auto i = first_waiter_; i != no_task; i = tasks_[i].next) {
    Task& other = *tasks_[i].waiter;
    const int h = find_held(other, *wait.lock);
    if (h >= 0) {
      const HeldLock& held = tasks_[i].held[static_cast<std::size_t>(h)];
      if (wait.mode == HoldMode::exclusive || held.mode == HoldMode::exclusive) {
        result.push_back({&other, held});
        continue;
      }
    }
    const LockWait& theirs = tasks_[i].wait;
    if (wait.mode == HoldMode::shared && theirs.lock == wait.lock &&
        theirs.mode == HoldMode::exclusive) {
      result.push_back({&other, {}});
    }
  }
  return result;
}

// Depth first, without recursion: chains of waiters may be long. Colours: 0 new, 1 on the path, 2
// done. A task on the path that is needed again closes a cycle.
bool LockContext::find_cycle(Task& start, Waits which, std::vector<std::uint8_t>& colour) {
  std::vector<Visit> path;
  path.push_back({{&start, {}}, needs(start, start, which), 0});
  colour[start.id.v] = 1;
  while (!path.empty()) {
    Visit& top = path.back();
    if (top.next == top.needs.size()) {
      colour[top.node.task->id.v] = 2;
      path.pop_back();
      continue;
    }
    const Needed edge = top.needs[top.next++];
    if (colour[edge.task->id.v] == 2) continue;
    if (colour[edge.task->id.v] == 0) {
      colour[edge.task->id.v] = 1;
      path.push_back({edge, needs(*edge.task, start, which), 0});
      continue;
    }
    const auto first = std::find_if(
        path.begin(), path.end(), [&](const Visit& visit) { return visit.node.task == edge.task; });
    deadlock_.clear();
    for (auto v = first + 1; v != path.end(); ++v) {
      deadlock_.push_back({v->node.task->id, v->node.held, state(*v->node.task).wait});
    }
    deadlock_.push_back({edge.task->id, edge.held, state(*edge.task).wait});
    return true;
  }
  return false;
}

const std::vector<DeadlockMember>& LockContext::final_cycle() {
  if (!deadlock_.empty()) return deadlock_;
  std::vector<std::uint8_t> colour(std::max(tasks_.size(), engine_.task_count()));
  for (Task* const task : blocked()) {
    if (colour[task->id.v] == 0 && find_cycle(*task, Waits::all, colour)) break;
  }
  return deadlock_;
}

}  // namespace faultline
