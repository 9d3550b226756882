// Building a World from a scenario and running it.
#include "scenario/world.hpp"

#include <algorithm>
#include <array>
#include <numeric>

#include "kernel/fs/check_dax.hpp"
#include "kernel/fs/xfs/xfs_log.hpp"
#include "kernel/fs/xfs/xfs_mount.hpp"
#include "kernel/mm/tlb.hpp"
#include "kernel/workqueue.hpp"
#include "scenario/build_fs.hpp"
#include "scenario/build_image.hpp"
#include "scenario/build_log.hpp"
#include "scenario/player.hpp"

namespace faultline {

namespace {

constexpr std::int32_t first_pid = 101;
constexpr std::uint64_t default_stack_limit = 8ULL << 20;

Chooser chooser_of(ChooserKind kind) {
  switch (kind) {
    case ChooserKind::timed:
      return Chooser::timed;
    case ChooserKind::sequential:
      return Chooser::sequential;
    case ChooserKind::random:
      return Chooser::random;
    case ChooserKind::replay:
      return Chooser::replay;
  }
  return Chooser::timed;
}

EngineOptions engine_options(const Scenario& scenario, const WorldOptions& options) {
  EngineOptions out;
  out.chooser = chooser_of(scenario.schedule.chooser);
  out.seed = scenario.schedule.seed;
  out.max_events = options.max_events;
  out.max_time = options.max_time;
  out.choices = options.choices;
  return out;
}

Profile make_profile(const Scenario& scenario) {
  Profile profile = find_profile(scenario.kernel.profile).value_or(Profile{});
  for (const KnobSetting& knob : scenario.kernel.set) {
    set_knob(profile, knob.name, knob.number, knob.word);
  }
  return profile;
}

bool uses(const Scenario& scenario, Verb verb) {
  const auto is = [&](const Step& step) { return step.verb == verb; };
  return std::any_of(scenario.tasks.begin(), scenario.tasks.end(), [&](const TaskSpec& task) {
    return std::any_of(task.steps.begin(), task.steps.end(), is);
  });
}

LockCosts lock_costs(const Costs& costs) {
  return {costs.lock_op, costs.lock_handoff, costs.spin_handoff};
}

}  // namespace

World::World(const Scenario& scenario, Tracer& tracer, const WorldOptions& options)
    : scenario_(scenario), tracer_(tracer), engine_(tracer, engine_options(scenario, options)) {
  costs_ = make_costs(find_preset(scenario.machine.preset).value_or(DEFAULT_PRESET));
  cpus_ = std::make_unique<Cpus>(engine_, scenario.machine.cpus, costs_);
  cpus_->set_mmu(tlb_geometry(find_preset(scenario.machine.preset).value_or(DEFAULT_PRESET)),
                 scenario.machine.page_table_levels);
  kernel_ = std::make_unique<Kernel>(engine_, *cpus_, costs_, lock_costs(costs_),
                                     make_profile(scenario), scenario.machine.tick);
  cpus_->set_rules({Nanos(kernel_->profile.wakeup_preemption),
                    static_cast<WakePlacement>(kernel_->profile.wake_placement)});
  if (kernel_->profile.known_events_only) {
    tracer.restrict_to(EventMask::of_family(family_of(scenario.kernel.profile)));
  }
  errors_ = build_filesystems(scenario, *kernel_, inodes_);
  if (!errors_.empty()) return;
  arm_injections();
  make_processes();
  make_tasks();
  locks_ = std::make_unique<GenericLocks>(scenario, *kernel_);
  cut_after_each_step_ = options.cut_after_each_step;
  if (cut_after_each_step_ || uses(scenario, Verb::crash)) prepare_power_cuts(*kernel_);
}

World::~World() = default;

void World::make_processes() {
  for (std::size_t p = 0; p < scenario_.processes.size(); ++p) {
    Process& process = processes_.emplace_back();
    if (is_forked(ProcessRef(static_cast<std::uint32_t>(p)))) continue;  // its memory is to come
    process.mm = &kernel_->new_mm();
    process.files = &kernel_->file_tables.emplace_back();
  }
}

void World::make_tasks() {
  ended_.resize(scenario_.tasks.size());
  for (std::size_t t = 0; t < scenario_.tasks.size(); ++t) {
    const TaskSpec& spec = scenario_.tasks[t];
    Task& task = engine_.add_task();
    const Pid pid(first_pid + static_cast<std::int32_t>(t));
    tracer_.set_task(task.id, spec.name, pid.v);
    cpus_->allow(task, spec.cpus);
    cpus_->set_attr(task, {static_cast<SchedPolicy>(spec.policy), spec.priority});
    task_struct& ts = kernel_->tasks.emplace_back();
    ts.id = task.id;
    ts.comm = spec.name;
    ts.pid = pid;
    ts.mm = processes_[spec.process.v].mm;
    ts.files = processes_[spec.process.v].files;
    ts.caps = spec.caps;
    ts.tgid = spec.process.v;
    ts.fsuid = spec.uid;
    if (ts.mm) ++ts.mm->mm_users;
    ts.rlim[RLIMIT_STACK_] = default_stack_limit;
    for (const LimitSpec& limit : spec.limits) {
      if (limit.resource < ts.rlim.size()) ts.rlim[limit.resource] = limit.value;
    }
    results_.emplace_back(spec.steps.size());
    if (ts.mm && !build_image(spec, *kernel_, *ts.mm)) {
      Diagnostic overlap;
      overlap.complaint = Complaint::meaning;
      overlap.file = scenario_.file;
      overlap.pointer = "/tasks/" + spec.name + "/stack";
      overlap.what = "overlaps the stack of another task of the process";
      errors_.push_back(std::move(overlap));
    }
  }
  // What is left of a file that nobody uses any more is a kernel worker's business.
  if (!kernel_->block.empty() || uses(scenario_, Verb::unlink)) make_kworker();
  const bool leases = kernel_->profile.map_direct == MapDirect::lease;
  if (leases || uses(scenario_, Verb::layoutget)) make_delayed_worker();
  make_log_workers();
  note_enders();
  const auto may_come = [](void* self, const Task& task) {
    return static_cast<const World*>(self)->signal_may_come(task);
  };
  const auto pending = [](void* self, const Task& task) {
    return fatal_signal_pending(static_cast<const World*>(self)->kernel_->tasks[task.id.v]);
  };
  kernel_->locks.set_signal_oracle({this, pending, may_come});
  cpus_->set_switch_hook(kernel_.get(), [](void* self, Cpu& cpu, const Task* from, Task& to) {
    switch_mm(*static_cast<Kernel*>(self), cpu, from, to);
  });
}

void World::arm_injections() {
  const auto names = fail_point_names();
  for (const InjectSpec& spec : scenario_.inject) {
    const auto at = std::find(names.begin(), names.end(), spec.at);
    if (at == names.end()) continue;  // refused when the scenario was read
    kernel_->inject.add(static_cast<FailPoint>(at - names.begin()), spec.nth, spec.err);
  }
}

// The steps that may end another task: kill, and exit of its process.
void World::note_enders() {
  for (std::uint32_t t = 0; t < scenario_.tasks.size(); ++t) {
    const auto& steps = scenario_.tasks[t].steps;
    for (std::uint32_t s = 0; s < steps.size(); ++s) {
      const StepRef step{TaskId(t), s};
      if (steps[s].verb == Verb::kill) {
        const TaskId target = std::get<TaskArgs>(steps[s].args).task;
        enders_.emplace_back(step, scenario_.tasks[target.v].process);
      } else if (steps[s].verb == Verb::exit) {
        enders_.emplace_back(step, scenario_.tasks[t].process);
      }
    }
  }
}

bool World::signal_may_come(const Task& task) const {
  if (task.id.v >= scenario_.tasks.size()) return false;
  const ProcessRef process = scenario_.tasks[task.id.v].process;
  return std::any_of(enders_.begin(), enders_.end(), [&](const auto& ender) {
    const auto& [step, whose] = ender;
    if (whose.v != process.v || step.task == task.id || ended_[step.task.v]) return false;
    return !results_[step.task.v][step.index].has_ended;
  });
}

// After all declared tasks, so that it changes nobody's number.
Task& World::make_kernel_task(const std::string& name) {
  Task& task = engine_.add_task();
  std::vector<std::uint32_t> anywhere(cpus_->size());
  std::iota(anywhere.begin(), anywhere.end(), 0);
  cpus_->allow(task, std::move(anywhere));
  const auto number = static_cast<std::int32_t>(kernel_->tasks.size());
  task_struct& ts = kernel_->tasks.emplace_back();
  ts.id = task.id;
  ts.comm = name;
  ts.pid = Pid(first_pid + number);
  tracer_.set_task(task.id, ts.comm, ts.pid.v);
  return task;
}

void World::make_kworker() { kernel_->kworker = &make_kernel_task(kworker_name); }

void World::make_delayed_worker() {
  kernel_->system_wq->worker = &make_kernel_task(delayed_worker_name);
}

// Each mount has a worker that pushes its log, one for the ends of log writes, and a daemon that
// writes metadata back.
void World::make_log_workers() {
  for (super_block& sb : kernel_->supers) {
    if (!sb.mount) continue;
    const auto& spec = std::get<XfsSpec>(scenario_.filesystems[sb.id].what);
    each_log_worker(*sb.mount, scenario_.devices[spec.device.v].name,
                    [&](const std::string& name, Task*& task) { task = &make_kernel_task(name); });
  }
}

bool World::is_forked(ProcessRef process) const {
  const auto& tasks = scenario_.processes[process.v].tasks;
  return std::any_of(tasks.begin(), tasks.end(),
                     [&](TaskId task) { return scenario_.tasks[task.v].parent.has_value(); });
}

void World::start_process(ProcessRef process) {
  processes_[process.v].started = true;
  processes_[process.v].mm->mm_users = 0;
  for (const TaskId task : scenario_.processes[process.v].tasks) {
    task_struct& ts = kernel_->tasks[task.v];
    ts.mm = processes_[process.v].mm;
    ts.files = processes_[process.v].files;
    ++ts.mm->mm_users;
    engine_.start(engine_.task(task), std::move(unforked_[unforked_of_[task.v]]),
                  scenario_.tasks[task.v].start);
  }
}

RunResult World::run() {
  for (std::size_t t = 0; t < scenario_.tasks.size(); ++t) {
    const TaskId id(static_cast<std::uint32_t>(t));
    players_.push_back(std::make_unique<Player>(*this, id));
  }
  // In order of declaration, which is the order among equals.
  for (std::size_t t = 0; t < scenario_.tasks.size(); ++t) {
    unforked_of_.push_back(unforked_.size());
    if (is_forked(scenario_.tasks[t].process)) {
      // Made now: called by a running path it would begin inside it.
      unforked_.push_back(players_[t]->play(engine_));
      continue;
    }
    const TaskId id(static_cast<std::uint32_t>(t));
    engine_.start(engine_.task(id), players_[t]->play(engine_), scenario_.tasks[t].start);
  }
  RunResult result;
  result.outcome = engine_.run();
  result.reason = engine_.stop_reason();
  if (result.outcome == Outcome::stuck) xfs::note_log_space_holders(*kernel_);
  if (result.outcome == Outcome::stuck && !kernel_->locks.final_cycle().empty()) {
    result.outcome = Outcome::deadlock;
    result.reason = "a cycle of tasks waits for each other";
  }
  result.time = engine_.now();
  result.events = engine_.events();
  result.findings = findings_;
  for (char_device& device : kernel_->char_devices) {
    DeviceResult& out = result.devices.emplace_back();
    out.name = device.name;
    out.hooks.assign(device.log.begin(), device.log.end());
    out.dropped = device.log_dropped;
  }
  add_lock_findings(result);
  result.steps = results_;  // address() still answers from the original
  result.cuts = std::move(cuts_);
  return result;
}

// Without `lock` it is a step that is waited for.
FindingLock World::describe(TaskId task, const LockBase* lock, HoldMode mode, CallNode calls,
                            const char* role) const {
  FindingLock out;
  out.task = kernel_->tasks[task.v].comm;
  out.role = role;
  if (lock) {
    const LockClass& cls = kernel_->locks.class_of(*lock);
    out.lock_class = cls.name;
    out.subclass = cls.subclass;
    out.instance = lock->id;
  }
  out.mode = mode == HoldMode::shared ? "shared" : "exclusive";
  auto& engine = const_cast<Engine&>(engine_);
  out.path = engine.calls().path(calls);
  return out;
}

FindingLock World::describe(const DeadlockMember& member, bool wanted) const {
  const LockBase* const lock = wanted ? member.wants.lock : member.held.lock;
  const HoldMode mode = wanted ? member.wants.mode : member.held.mode;
  const CallNode calls = wanted ? member.wants.calls : member.held.calls;
  return describe(member.task, lock, mode, calls, wanted ? "wanted" : "held");
}

std::string World::tell_cycle() const {
  std::string out;
  for (const DeadlockMember& member : kernel_->locks.deadlock()) {
    const auto name = [&](const LockBase& lock) { return kernel_->locks.class_of(lock).name; };
    if (!out.empty()) out += ", ";
    out += tracer_.tasks().name(member.task).comm;
    if (member.held.lock) out += " has " + name(*member.held.lock) + " and";
    out += member.wants.lock ? " wants " + name(*member.wants.lock) : " waits for another task";
  }
  return out;
}

void World::add_lock_findings(RunResult& result) {
  for (const std::string& what : kernel_->unmodelled_uses) {
    Finding finding;
    finding.kind = "kernel-warn";
    finding.text = "not modelled: " + what;
    result.findings.push_back(std::move(finding));
  }
  for (const std::string& what : kernel_->warnings) {
    Finding finding;
    finding.kind = "kernel-warn";
    finding.text = what;
    result.findings.push_back(std::move(finding));
  }
  if (result.outcome == Outcome::completed && !power_cut_) {
    for (const BrokenDaxRule& broken : check_seals(*kernel_)) {
      kernel_->broken_rules.emplace_back(dax_rule_name(broken.rule), broken.text);
    }
  }
  for (const auto& [rule, what] : kernel_->broken_rules) {
    Finding finding;
    finding.kind = rule == "livelock" ? rule : "invariant";  // about progress: a kind of its own
    finding.text = rule == "livelock" ? what : rule + ": " + what;
    result.findings.push_back(std::move(finding));
  }
  if (result.outcome == Outcome::deadlock) {
    Finding finding;
    finding.kind = "deadlock";
    finding.text = result.reason + ": " + tell_cycle();
    for (const DeadlockMember& member : kernel_->locks.deadlock()) {
      if (member.held.lock) finding.locks.push_back(describe(member, false));
      if (member.wants.lock || !member.held.lock) finding.locks.push_back(describe(member, true));
    }
    result.findings.push_back(std::move(finding));
  } else if (result.outcome == Outcome::stuck) {
    add_stuck_finding(result);
  } else if (result.outcome == Outcome::kernel_bug) {
    Finding finding;
    finding.kind = "kernel-bug";
    finding.text = result.reason;
    result.findings.push_back(std::move(finding));
  }
}

}  // namespace faultline
