// The player: one coroutine per task, one switch from verbs to kernel paths.
#include "scenario/player.hpp"

#include <cerrno>

#include "kernel/arch/x86/access.hpp"
#include "kernel/exec.hpp"
#include "kernel/exit.hpp"
#include "kernel/fork.hpp"
#include "kernel/fs/proc_maps.hpp"
#include "kernel/mm/gup.hpp"
#include "kernel/mm/memory.hpp"
#include "kernel/signal.hpp"
#include "scenario/snapshot.hpp"

namespace faultline {

namespace {

void add_faults(StepResult& repeat, const StepResult& step) {
  if (step.fault_count == 0) return;
  repeat.fault_count += step.fault_count;
  repeat.last_fault = step.last_fault;
  for (const FaultRecord& fault : step.faults) {
    if (repeat.faults.size() == task_struct::max_fault_records) break;
    repeat.faults.push_back(fault);
  }
}

}  // namespace

std::uint64_t Player::resolve(const AddressRef& ref) const {
  return w_.address(ref).value_or(ref.offset);
}

std::int64_t Player::resolve(const FdRef& ref) const {
  if (ref.is_number()) return ref.number;
  const StepResult& opened = w_.results_[ref.step.task.v][ref.step.index];
  return opened.state == StepState::done ? opened.result : -1;
}

void Player::wake_waiters() {
  for (Task* const waiter : w_.step_waiters_) k_.engine.wake(*waiter);
}

void Player::misuse(LockRef lock, const LockVerdict& verdict) {
  const Task& task = k_.engine.current();
  const LockBase& base = w_.locks_->base(lock);
  Finding finding;
  finding.kind = verdict.kind;
  finding.text = spec().name + ": " + verdict.wrong;
  const int held = k_.locks.find_held(task, base);
  if (held >= 0) {
    const HeldLock& hold = k_.locks.held(task)[static_cast<std::size_t>(held)];
    finding.locks.push_back(w_.describe(task.id, &base, hold.mode, hold.calls, "held"));
  } else {
    const auto mode = HoldMode::exclusive;
    finding.locks.push_back(w_.describe(task.id, &base, mode, k_.engine.call_path(), "wanted"));
  }
  w_.findings_.push_back(std::move(finding));
}

// True when the step may run; false when a task it waits for ended without it.
HelperPath<bool> Player::wait_after(Engine& engine, const Step& step) {
  for (std::uint32_t i = 0; i < step.after_count; ++i) {
    const StepRef ref = w_.scenario_.after[step.after_begin + i];
    const auto over = [&] {
      return w_.results_[ref.task.v][ref.index].has_ended || w_.ended_[ref.task.v] || must_die();
    };
    while (!over()) {
      w_.step_waiters_.push_back(&engine.current());
      awaits_ = ref;
      k_.locks.begin_task_wait(engine.task(ref.task));
      engine.current().sleep = SleepState::unseen;
      co_await engine.block();
      engine.current().sleep = SleepState::uninterruptible;
      k_.locks.end_wait(engine.current());
      awaits_.reset();
      std::erase(w_.step_waiters_, &engine.current());
      if (signal_pending(k_.current())) co_await deliver_sent(k_, nullptr);
    }
  }
  co_return !must_die();
}

void Player::begin_step(Engine& engine, std::uint32_t index) {
  StepResult& r = result(index);
  const bool has_ended = r.has_ended;
  r = StepResult{};
  r.has_ended = has_ended;
  r.state = StepState::blocked;
  r.start = engine.now();
  engine.current().position.begin_step(index);
  if (engine.tracer().wants(Event::sim_step)) {
    engine.trace<Event::sim_step>(std::string_view(spec().name),
                                  std::string_view(step_name(w_.scenario_, task_, index)),
                                  verb_name(spec().steps[index].verb));
  }
}

void Player::end_step(Engine& engine, std::uint32_t index, StepResult* outer) {
  StepResult& r = result(index);
  r.state = StepState::done;
  r.has_ended = true;
  r.end = engine.now();
  if (outer) add_faults(*outer, r);
  if (engine.tracer().wants(Event::sim_step_done)) {
    engine.trace<Event::sim_step_done>(std::string_view(spec().name),
                                       std::string_view(step_name(w_.scenario_, task_, index)),
                                       r.failed ? -r.result : 0, r.failed ? 0 : r.result);
  }
  const StepRef step{task_, index};
  if (spec().steps[index].verb == Verb::crash) {
    w_.cut_power(step);
    return;
  }
  if (w_.cut_after_each_step_) w_.look_at_cut(step);
  wake_waiters();
}

HelperPath<bool> Player::play_step(Engine& engine, std::uint32_t index, StepResult* outer) {
  const Step& step = spec().steps[index];
  const bool may_run = co_await wait_after(engine, step);
  if (!may_run) co_return false;
  StepResult& r = result(index);
  task_struct& current = k_.current();
  current.faults_in_step = 0;
  current.faults.clear();
  current.sig_caught = handlers(&step);
  begin_step(engine, index);
  const std::int64_t value = co_await perform(k_, step);
  // A handler has run, or the task does not see it any more.
  const bool interrupted = value == -ERESTARTSYS || value == -ERESTART_RESTARTBLOCK;
  r.result = interrupted ? -EINTR : value;
  r.failed = r.result < 0 && r.result >= -4095 && step.verb != Verb::load;
  const bool lives = co_await deliver_signal(k_, step, r);
  co_await engine.spend(Nanos{});
  r.fault_count = current.faults_in_step;
  r.faults = current.faults;
  r.last_fault = current.last_fault;
  end_step(engine, index, outer);
  current.sig_caught = handlers(nullptr);
  if (step.verb == Verb::crash) co_await engine.block();  // for ever
  co_return lives&& step.verb != Verb::exit;
}

// The repeat is a step of its own around its body, and ends however that ends.
HelperPath<bool> Player::play_repeat(Engine& engine, std::uint32_t index, StepResult* outer) {
  const Step& step = spec().steps[index];
  const bool may_run = co_await wait_after(engine, step);
  if (!may_run) co_return false;
  begin_step(engine, index);
  const auto& args = std::get<RepeatArgs>(step.args);
  bool goes_on = true;
  for (std::uint64_t n = 0; n < args.times && goes_on; ++n) {
    goes_on = co_await play_range(engine, index + 1, index + 1 + args.body, &result(index));
  }
  end_step(engine, index, outer);
  co_return goes_on;
}

HelperPath<bool> Player::play_range(Engine& engine, std::uint32_t begin, std::uint32_t end,
                                    StepResult* outer) {
  for (std::uint32_t i = begin; i < end; ++i) {
    const Step& step = spec().steps[i];
    const bool repeats = step.verb == Verb::repeat;
    bool goes_on = true;
    if (repeats) {
      goes_on = co_await play_repeat(engine, i, outer);
    } else {
      goes_on = co_await play_step(engine, i, outer);
    }
    if (!goes_on) co_return false;
    if (repeats) i += std::get<RepeatArgs>(step.args).body;
  }
  co_return true;
}

Path<void> Player::play(Engine& engine) {
  const auto steps = static_cast<std::uint32_t>(spec().steps.size());
  if (spec().parent) co_await return_from_fork(k_);
  const bool completed = co_await play_range(engine, 0, steps, nullptr);
  if (!completed || must_die()) {
    co_await leave(k_);
  } else if (mm_struct* const mm = k_.current().mm) {
    --mm->mm_users;  // gone, but what it had mapped stays to be looked at
  }
  w_.ended_[task_.v] = true;
  release_unforked();
  wake_waiters();
}

HelperPath<std::int64_t> Player::flush(Kernel& k, const FlushArgs& args) {
  const auto how = [&] {
    switch (args.how) {
      case FlushHow::clwb:
        break;
      case FlushHow::clflush:
        return CacheFlush::clflush;
      case FlushHow::ntstore:
        return CacheFlush::ntstore;
    }
    return CacheFlush::clwb;
  };
  co_await user_flush(k, Vaddr(resolve(args.at)), args.length, how());
  co_return 0;
}

HelperPath<std::int64_t> Player::perform_lock(Kernel& k, const Step& step) {
  if (const auto* const args = std::get_if<LockArgs>(&step.args)) {
    const std::int64_t result = co_await w_.locks_->lock(k, *args);
    co_return result;
  }
  co_await k.engine.spend(Nanos{});
  if (std::holds_alternative<MightAllocArgs>(step.args)) {
    // GFP_NOFS may not enter the file system: reclaim's annotation is not taken then.
    if (std::get<MightAllocArgs>(step.args).gfp == Gfp::kernel) k.might_alloc();
    co_return 0;
  }
  const LockRef lock = std::get<LockNameArgs>(step.args).lock;
  LockVerdict verdict;
  if (step.verb == Verb::unlock) {
    verdict = w_.locks_->unlock(k, lock);
  } else if (step.verb == Verb::downgrade) {
    verdict = w_.locks_->downgrade(k, lock);
  } else {
    verdict = w_.locks_->init(k, lock);
  }
  if (!verdict.wrong.empty()) misuse(lock, verdict);
  co_return verdict.ok ? 0 : -EINVAL;
}

HelperPath<std::int64_t> Player::perform_syscall(Kernel& k, const Step& step) {
  const SyscallFrame frame = describe_syscall(
      k, step, [this](const auto& ref) { return static_cast<std::uint64_t>(resolve(ref)); });
  co_await enter_syscall(k, frame);
  std::int64_t result = 0;
  switch (step.verb) {
    case Verb::mmap:
    case Verb::mmap3:
    case Verb::fcntl:
    case Verb::munmap:
    case Verb::remap_file_pages:
    case Verb::mremap:
    case Verb::mprotect:
    case Verb::madvise:
    case Verb::mlock:
    case Verb::munlock:
    case Verb::msync:
      result = co_await perform_memory(k, step.verb, frame);
      break;
    case Verb::uffd_register:
    case Verb::uffd_read:
    case Verb::uffd_copy:
      result = co_await perform_uffd(k, step);
      break;
    case Verb::read_maps:
      result = co_await read_proc_maps(k);
      break;
    case Verb::exec: {
      const FileRef program = std::get<FileArgs>(step.args).file;
      result = co_await do_execve(k, *w_.inodes_[program.v]);
      process().mm = k.current().mm;
      break;
    }
    case Verb::fork:
      result = co_await perform_fork(k, std::get<TaskArgs>(step.args).task);
      break;
    case Verb::wait:
      result = co_await kernel_wait4(k, k.tasks[std::get<TaskArgs>(step.args).task.v]);
      break;
    case Verb::sleep:
      result = co_await perform_sleep(k, std::get<DurationArgs>(step.args).duration);
      break;
    case Verb::kill: {
      const auto& args = std::get<TaskArgs>(step.args);
      result = co_await kill_something_info(k, args.signal, k.tasks[args.task.v]);
      break;
    }
    case Verb::exit:
      if (std::get<ExitArgs>(step.args).thread) scope_ = ExitScope::thread;
      co_return 0;  // does not return to user mode; the task leaves after the step
    default:
      result = co_await perform_file(k, step, frame);
  }
  co_await exit_syscall(k, frame, result);
  if (step.verb == Verb::fork) yield_to_child(k, std::get<TaskArgs>(step.args).task);
  co_return std::exchange(told_, std::nullopt).value_or(result);
}

HelperPath<std::int64_t> Player::pin(Kernel& k, const PinArgs& args, bool hold) {
  const Vaddr start(resolve(args.addr));
  std::int64_t result = 0;
  if (hold) {
    const PinFlags flags{args.write, args.longterm};
    result = co_await pin_user_pages_fast(k, start, args.length, flags);
  } else {
    result = co_await unpin_user_pages(k, start, args.length);
  }
  co_return result;
}

HelperPath<std::int64_t> Player::perform(Kernel& k, const Step& step) {
  std::int64_t result = 0;
  switch (step.verb) {
    case Verb::load:
    case Verb::store:
      result = co_await access(k, step);
      break;
    case Verb::flush:
      result = co_await flush(k, std::get<FlushArgs>(step.args));
      break;
    case Verb::fence:
      user_fence(k);
      co_await k.engine.spend(Nanos{});
      break;
    case Verb::unmap_mapping: {
      const auto& args = std::get<UnmapMappingArgs>(step.args);
      address_space& mapping = w_.inodes_[args.file.v]->i_data;
      co_await unmap_mapping_range(k, mapping, args.at, args.length, true);
      break;
    }
    case Verb::pin:
    case Verb::unpin:
      result = co_await pin(k, std::get<PinArgs>(step.args), step.verb == Verb::pin);
      break;
    case Verb::layoutget:
    case Verb::layoutreturn:
      result = co_await perform_layout(k, step);
      break;
    case Verb::snapshot: {
      const auto& args = std::get<RangeArgs>(step.args);
      const Vaddr start(resolve(args.addr));
      if (const mm_struct* const mm = k.current().mm) {
        result_now().snapshot =
            std::make_shared<const MmSnapshot>(take_snapshot(k, *mm, start, args.length));
      }
      break;
    }
    case Verb::crash:
      co_await k.engine.spend(Nanos{});
      break;
    case Verb::compute:
      co_await compute(k, std::get<DurationArgs>(step.args).duration);
      break;
    case Verb::lock:
    case Verb::unlock:
    case Verb::downgrade:
    case Verb::init:
    case Verb::might_alloc:
      result = co_await perform_lock(k, step);
      break;
    default:
      result = co_await perform_syscall(k, step);
  }
  co_return result;
}

}  // namespace faultline
