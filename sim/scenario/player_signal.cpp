// The player's part of signals: what a program does that can be interrupted, and what becomes of it
// on its way back to user mode.
#include <cerrno>

#include "kernel/arch/x86/access.hpp"
#include "kernel/mm/mmap_lock.hpp"
#include "kernel/signal.hpp"
#include "scenario/player.hpp"

namespace faultline {

bool Player::survives(const Step& step, int signal) const {
  return (handlers(&step) & sig_bit(signal)) != 0;
}

std::uint64_t Player::handlers(const Step* step) const {
  std::uint64_t caught = 0;
  for (const SignalSpec& s : spec().signals) {
    if (s.skip) caught |= sig_bit(s.signal);
  }
  if (!step || step->expect == 0) return caught;
  const StepExpectation& expected = w_.scenario_.step_expectations[step->expect - 1];
  const int signal = expected.signal.value_or(0);
  return signal == 0 ? caught : caught | sig_bit(signal);
}

// What has been sent with kill(2); `r` is the step's result, or null between two steps.
HelperPath<void> Player::deliver_sent(Kernel& k, StepResult* r) {
  for (;;) {
    const SentSignal sent = get_signal(k);
    if (sent.sig == 0) co_return;
    if (r && !r->signal) r->signal = PendingSignal{sent.sig, SI_USER, Vaddr{}};
    if (sent.kills) {
      code_ = ChildCode::killed;
      dies_ = true;
      co_return;
    }
    // The handler's frame is written to the user's stack.
    if (k.profile.copies_annotate) might_fault(k);
    co_await k.engine.spend(k.costs.signal_delivery);
  }
}

HelperPath<bool> Player::deliver_signal(Kernel& k, const Step& step, StepResult& r) {
  task_struct& current = k.current();
  if (signal_pending(current)) co_await deliver_sent(k, &r);
  if (dies_) co_return false;
  if (!current.pending_signal) co_return true;
  r.signal = current.pending_signal;
  current.pending_signal.reset();
  if (!survives(step, r.signal->sig)) {
    code_ = ChildCode::killed;
    co_return false;
  }
  if (k.profile.copies_annotate) might_fault(k);
  co_await k.engine.spend(k.costs.signal_delivery);
  co_return true;
}

HelperPath<std::int64_t> Player::access(Kernel& k, const Step& step) {
  const auto& args = std::get<AccessArgs>(step.args);
  AccessSeries series;
  series.at = Vaddr(resolve(args.at));
  series.length = args.length;
  series.count = args.count;
  series.stride = args.stride;
  series.value = args.value;
  series.write = step.verb == Verb::store;
  series.has_value = args.has_value;
  AccessOutcome outcome = co_await user_access(k, series);
  // The program goes on where a signal has interrupted it.
  while (outcome.done < series.count && !k.current().pending_signal &&
         signal_pending(k.current())) {
    co_await deliver_sent(k, &result_now());
    if (dies_) break;
    series.at += series.stride * outcome.done;
    series.count -= outcome.done;
    outcome = co_await user_access(k, series);
  }
  co_return series.write ? 0 : static_cast<std::int64_t>(outcome.value);
}

// Work of a program. Whether its time slice has ended is looked at by the timer interrupt only.
HelperPath<void> Player::compute(Kernel& k, Nanos left) {
  constexpr Nanos timer_period(1'000'000);  // CONFIG_HZ=1000
  Task& task = k.engine.current();
  for (bool more = true; more && !dies_;) {
    Nanos piece = left;
    if (k.engine.timed() && left > timer_period) {
      piece = Nanos(timer_period.v - k.now().v % timer_period.v);
    }
    const Nanos start = k.now();
    task.can_be_cut_short = true;
    task.wake_reason = Wake::woken;
    co_await k.engine.spend(piece);
    task.can_be_cut_short = false;
    const bool cut = task.wake_reason == Wake::signal;
    left = left - (cut ? std::min(piece, k.now() - start) : piece);
    more = left > Nanos{};
    if (signal_pending(k.current())) co_await deliver_sent(k, &result_now());
  }
}

HelperPath<std::int64_t> Player::perform_sleep(Kernel& k, Nanos duration) {
  Task& task = k.engine.current();
  if (signal_pending(k.current())) co_return -ERESTART_RESTARTBLOCK;
  task.sleep = SleepState::interruptible;
  const Wake why = co_await k.engine.block_until(k.now() + duration);
  task.sleep = SleepState::uninterruptible;
  co_return why == Wake::signal ? -ERESTART_RESTARTBLOCK : 0;
}

}  // namespace faultline
