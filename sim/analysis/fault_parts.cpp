// Which call belongs to which part, and the walk along a fault.
#include "analysis/fault_parts.hpp"

#include <algorithm>

#include "scenario/report_words.hpp"

namespace faultline {

namespace {

struct Prefix {
  std::string_view text;
  FaultPart part;
};

// The first that fits decides. A call that none fits belongs to the part that it is called from.
constexpr Prefix prefixes[] = {
    {"flush_tlb", FaultPart::tlb},
    {"ptep_clear_flush", FaultPart::tlb},
    {"__pud_alloc", FaultPart::page_table},
    {"__pmd_alloc", FaultPart::page_table},
    {"__pte_alloc", FaultPart::page_table},
    {"pmd_install", FaultPart::page_table},
    {"finish_fault", FaultPart::page_table},
    {"finish_mkwrite_fault", FaultPart::page_table},
    {"vmf_insert_", FaultPart::page_table},
    {"insert_p", FaultPart::page_table},
    {"wp_page_reuse", FaultPart::page_table},
    {"__split_huge_pmd", FaultPart::page_table},
    {"unmap_mapping_", FaultPart::page_table},
    {"xfs_", FaultPart::filesystem},
    {"__xfs_", FaultPart::filesystem},
    {"xlog_", FaultPart::filesystem},
    {"iomap_", FaultPart::filesystem},
    {"dax_", FaultPart::filesystem},
    {"grab_mapping_entry", FaultPart::filesystem},
    {"filemap_", FaultPart::filesystem},
    {"page_cache_", FaultPart::filesystem},
    {"file_update_time", FaultPart::filesystem},
    {"touch_atime", FaultPart::filesystem},
    {"file_write_and_wait_range", FaultPart::filesystem},
    {"vfs_fsync_range", FaultPart::filesystem},
    {"exc_page_fault", FaultPart::entry},
    {"do_user_addr_fault", FaultPart::entry},
    {"__do_page_fault", FaultPart::entry},
    {"lock_vma_under_rcu", FaultPart::entry},
    {"lock_mm_and_find_vma", FaultPart::entry},
    {"handle_mm_fault", FaultPart::memory},
};

std::optional<FaultPart> part_of(std::string_view function) {
  for (const Prefix& prefix : prefixes) {
    if (function.starts_with(prefix.text)) return prefix.part;
  }
  return std::nullopt;
}

// The kernel knows how long each fault took, records only most of it: a fault may end the step.
void give(const std::vector<FaultShares>& faults, StepResult& step) {
  constexpr auto entry = static_cast<std::size_t>(FaultPart::entry);
  step.fault_parts = faults;
  for (std::size_t i = 0; i < std::min(faults.size(), step.faults.size()); ++i) {
    FaultShares& shares = step.fault_parts[i];
    std::uint64_t sum = 0;
    for (const std::uint64_t share : shares) sum += share;
    const std::uint64_t duration = step.faults[i].duration.v;
    if (duration > sum) shares[entry] += duration - sum;
  }
}

}  // namespace

FaultPart FaultAccount::now(const Fault& fault) {
  if (fault.wait == Wait::lock) return FaultPart::locks;
  if (fault.wait == Wait::device || fault.asleep) return FaultPart::device;
  return fault.calls.empty() ? FaultPart::entry : fault.calls.back();
}

bool FaultAccount::advance(Fault& fault, const FaultStep& step) {
  fault.spent[static_cast<std::size_t>(now(fault))] += step.time - fault.last;
  fault.last = step.time;
  fault.asleep = false;
  switch (step.event) {
    case Event::sim_call: {
      const FaultPart caller = fault.calls.empty() ? FaultPart::entry : fault.calls.back();
      fault.calls.push_back(part_of(step.name).value_or(caller));
      break;
    }
    case Event::sim_ret:
      if (!fault.calls.empty()) fault.calls.pop_back();
      return !fault.calls.empty();
    case Event::lock_contended:
    case Event::sim_bitlock_contended:
      // Who wants a folio that is being read waits for the device.
      fault.wait = step.name == "folio" ? Wait::device : Wait::lock;
      break;
    case Event::lock_acquired:
    case Event::sim_bitlock_acquired:
      fault.wait = Wait::none;
      break;
    case Event::sched_switch:
      fault.asleep = true;
      break;
    default:
      break;
  }
  return true;
}

FaultAccount::Fault FaultAccount::begin(const FaultStep& step, const std::optional<Walk>& walk) {
  Fault fault;
  fault.last = step.time;
  if (walk) {
    fault.spent[static_cast<std::size_t>(FaultPart::translation)] = walk->cost;
    fault.spent[static_cast<std::size_t>(FaultPart::entry)] = step.time - walk->start - walk->cost;
  }
  return fault;
}

// A fault that has returned is over at the next record of its task: a page walk of the instruction
// that begins anew tells when it came back to it.
std::optional<FaultShares> FaultAccount::take(std::int64_t key, const FaultStep& step) {
  PerTask& task = tasks_[key];
  std::optional<FaultShares> over;
  const bool walks = step.event == Event::sim_page_walk;
  if (task.state == State::returned) {
    over = task.fault.spent;
    if (walks) (*over)[static_cast<std::size_t>(FaultPart::entry)] += step.time - task.fault.last;
    task.state = State::none;
  }
  if (step.event == Event::page_fault_user || step.event == Event::page_fault_kernel) {
    task.fault = begin(step, task.walk);
    task.state = State::open;
  } else if (task.state == State::open && !advance(task.fault, step)) {
    task.state = State::returned;
  }
  task.walk.reset();
  if (walks) task.walk = Walk{step.time, step.cost};
  return over;
}

std::vector<std::pair<std::int64_t, FaultShares>> FaultAccount::take_returned() {
  std::vector<std::pair<std::int64_t, FaultShares>> all;
  for (auto& [key, task] : tasks_) {
    if (task.state != State::returned) continue;
    all.emplace_back(key, task.fault.spent);
    task.state = State::none;
  }
  return all;
}

void FaultParts::line(const TraceLine& line) {
  if (line.kind == TraceLine::Kind::lost) return account_.clear();
  if (line.kind != TraceLine::Kind::record || line.context != Context::task || !line.known) return;
  FaultStep step{*line.known, line.time_ns, {}};
  const bool call = step.event == Event::sim_call;
  step.name = line.text(call ? "func" : "name");
  if (step.event == Event::sim_page_walk) step.cost = line.value("ns");
  if (const auto shares = account_.take(line.pid, step)) add(*shares);
}

void FaultParts::end_trace() {
  for (const auto& [task, shares] : account_.take_returned()) add(shares);
  account_.clear();
}

void FaultParts::add(const FaultShares& shares) {
  for (std::size_t i = 0; i < fault_part_count; ++i) parts_[i].add(shares[i]);
}

EventMask StepFaults::mask() {
  EventMask mask;
  for (const Event event :
       {Event::page_fault_user, Event::page_fault_kernel, Event::sim_call, Event::sim_ret,
        Event::lock_contended, Event::lock_acquired, Event::sim_bitlock_contended,
        Event::sim_bitlock_acquired, Event::sched_switch, Event::sim_page_walk, Event::sim_step,
        Event::sim_step_done}) {
    mask.set(event);
  }
  return mask;
}

void StepFaults::on_record(const Record& record) {
  const std::uint32_t task = record.task.v;
  const auto word = [&](std::size_t i) {
    return symbols_.text(SymbolId(static_cast<std::uint32_t>(record.arg[i])));
  };
  FaultStep step{record.event, record.time.v, {}};
  switch (record.event) {
    case Event::sim_step:
      step_[task] = record.arg[1];
      shares_[{task, record.arg[1]}].clear();
      return;
    case Event::sim_page_walk:
      step.cost = record.arg[2];
      break;
    case Event::sim_call:
      step.name = word(0);
      break;
    case Event::lock_contended:
    case Event::sim_bitlock_contended:
      step.name = word(1);
      break;
    default:
      break;
  }
  if (const auto shares = account_.take(task, step)) keep(task, *shares);
}

void StepFaults::keep(std::uint32_t task, const FaultShares& shares) {
  std::vector<FaultShares>& faults = shares_[{task, step_[task]}];
  if (faults.size() < task_struct::max_fault_records) faults.push_back(shares);
}

void StepFaults::put_into(const Scenario& scenario, RunResult& result) {
  for (const auto& [task, shares] : account_.take_returned()) {
    keep(static_cast<std::uint32_t>(task), shares);
  }
  std::map<std::pair<std::uint32_t, std::string_view>, const std::vector<FaultShares>*> by_name;
  for (const auto& [key, faults] : shares_) {
    const SymbolId step(static_cast<std::uint32_t>(key.second));
    if (!faults.empty()) by_name[{key.first, symbols_.text(step)}] = &faults;
  }
  if (by_name.empty()) return;
  for (std::uint32_t t = 0; t < scenario.tasks.size(); ++t) {
    for (std::uint32_t i = 0; i < result.steps[t].size(); ++i) {
      const std::string name(step_name(scenario, TaskId(t), i));
      const auto it = by_name.find({t, name});
      if (it != by_name.end()) give(*it->second, result.steps[t][i]);
    }
  }
}

}  // namespace faultline
