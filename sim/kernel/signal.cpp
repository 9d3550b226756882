// Sending a signal, whom it wakes, and what it does. Linux 6.12 kernel/signal.c
// kill_something_info, __send_signal_locked, complete_signal, get_signal, zap_other_threads. Left
// out: siglock, blocked signals, queues of real-time signals, stopping of processes, core dumps,
// SA_RESTART (a call that a handler has interrupted ends with EINTR), who may send what.
#include "kernel/signal.hpp"

#include <cerrno>

#include "kernel/exit.hpp"

namespace faultline {

namespace {

constexpr int last_signal = 64;

/// How signal_generate says what became of a signal.
enum class Sent : int { delivered = 0, ignored = 1, already_pending = 2 };

constexpr std::uint64_t ignored_by_default =
    sig_bit(SIGCHLD) | sig_bit(SIGCONT) | sig_bit(SIGURG) | sig_bit(SIGWINCH);
constexpr std::uint64_t stopping =
    sig_bit(SIGSTOP) | sig_bit(SIGTSTP) | sig_bit(SIGTTIN) | sig_bit(SIGTTOU);
constexpr std::uint64_t dumping_core =
    sig_bit(SIGQUIT) | sig_bit(SIGILL) | sig_bit(SIGTRAP) | sig_bit(SIGABRT) | sig_bit(SIGFPE) |
    sig_bit(SIGSEGV) | sig_bit(SIGBUS) | sig_bit(SIGSYS) | sig_bit(SIGXCPU) | sig_bit(SIGXFSZ);

bool has_handler(const task_struct& t, int sig) {
  constexpr std::uint64_t never = sig_bit(SIGKILL) | sig_bit(SIGSTOP);
  return (t.sig_caught & ~never & sig_bit(sig)) != 0;
}

// sig_fatal(): it will end the process as soon as a thread looks. One that dumps core is not
// known to before that.
bool sig_fatal(const task_struct& t, int sig) {
  if (has_handler(t, sig)) return false;
  return (sig_bit(sig) & (ignored_by_default | stopping | dumping_core)) == 0;
}

// signal_wake_up(): who sleeps so that a signal may end it goes on, who runs a program is told by
// an interrupt. Who waits for a step of another task is a program that does nothing.
void signal_wake_up(Kernel& k, task_struct& t) {
  Task& task = k.engine.task(t.id);
  const bool killed = fatal_signal_pending(t) && task.wait_is_signalable;
  if (task.state != TaskState::blocked) {
    k.engine.cut_short(task);
  } else if (!task.spinning && (killed || task.sleep != SleepState::uninterruptible)) {
    k.engine.charge(k.costs.lock_handoff);
    k.engine.wake(task, Wake::signal);
  }
}

void kill_thread(Kernel& k, task_struct& t, int sig) {
  if (t.group_exit_code == 0) t.group_exit_code = sig;
  t.sig_pending |= sig_bit(SIGKILL);
  signal_wake_up(k, t);
}

bool runs(Kernel& k, const task_struct& t) {
  const TaskState state = k.engine.task(t.id).state;
  return !t.exited && state != TaskState::done && state != TaskState::created;
}

// The thread that is to take the signal: the one that was named, else the first that lives.
task_struct* pick_thread(Kernel& k, task_struct& named) {
  if (runs(k, named)) return &named;
  for (task_struct& t : k.tasks) {
    if (t.tgid == named.tgid && runs(k, t)) return &t;
  }
  return nullptr;
}

void complete_signal(Kernel& k, task_struct& target, int sig) {
  if (!sig_fatal(target, sig)) {
    signal_wake_up(k, target);
    return;
  }
  for (task_struct& t : k.tasks) {
    if (t.tgid == target.tgid && !t.exited) kill_thread(k, t, sig);
  }
}

// All threads have done what they had to do, and sleep: one of them wakes up to die.
void kill_idle_process(Kernel& k, task_struct& t) {
  if (!t.mm) return;  // a thread that left last has taken it apart
  ++t.mm->mm_users;
  k.engine.fork(k.engine.task(t.id),
                [&] { return do_exit(k, ChildCode::killed, ExitScope::group); });
}

Sent prepare(const task_struct& target, int sig) {
  const bool dropped = (sig_bit(sig) & ignored_by_default) != 0 && !has_handler(target, sig);
  if (dropped) return Sent::ignored;
  return target.sig_pending & sig_bit(sig) ? Sent::already_pending : Sent::delivered;
}

// __send_signal_locked()
void send_signal(Kernel& k, int sig, int code, task_struct& named) {
  task_struct* const runner = pick_thread(k, named);
  task_struct& target = runner ? *runner : named;
  if (sig_bit(sig) & stopping & ~target.sig_caught) {
    k.unmodelled("a signal that stops a process; it is ignored");
    return;
  }
  const Sent sent = prepare(target, sig);
  k.trace<Event::signal_generate>(sig, 0, code, std::string_view(target.comm), target.pid, 1,
                                  static_cast<int>(sent));
  if (sent != Sent::delivered) return;
  if (!runner) {
    if (!has_handler(target, sig) && target.mm) kill_idle_process(k, target);
    return;
  }
  target.sig_pending |= sig_bit(sig);
  complete_signal(k, target, sig);
}

}  // namespace

Path<std::int64_t> kill_something_info(Kernel& k, std::uint64_t signal, task_struct& named) {
  co_await k.engine.spend(Nanos{});
  const bool born = k.engine.task(named.id).state != TaskState::created;
  if (!born || named.reaped) co_return -ESRCH;
  if (signal > last_signal) co_return -EINVAL;
  const int sig = static_cast<int>(signal);
  if (sig == 0 || named.exited) co_return 0;
  send_signal(k, sig, SI_USER, named);
  co_return 0;
}

void send_kernel_signal(Kernel& k, int sig, task_struct& named) {
  if (!named.exited) send_signal(k, sig, SI_KERNEL, named);
}

void zap_other_threads(Kernel& k, int sig) {
  const task_struct& current = k.current();
  for (task_struct& t : k.tasks) {
    if (&t != &current && t.tgid == current.tgid && runs(k, t)) kill_thread(k, t, sig);
  }
}

SentSignal get_signal(Kernel& k) {
  task_struct& current = k.current();
  if (fatal_signal_pending(current)) {
    return {current.group_exit_code != 0 ? current.group_exit_code : SIGKILL, true};
  }
  for (int sig = 1; sig <= last_signal; ++sig) {
    if ((current.sig_pending & sig_bit(sig)) == 0) continue;
    current.sig_pending &= ~sig_bit(sig);
    if (has_handler(current, sig)) return {sig, false};
    if (sig_bit(sig) & ignored_by_default) continue;  // its handler is gone again
    current.group_exit_code = sig;
    return {sig, true};
  }
  return {};
}

}  // namespace faultline
