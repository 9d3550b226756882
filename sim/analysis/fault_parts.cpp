// Which call belongs to which part, and the walk along a fault.
#include "analysis/fault_parts.hpp"

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

}  // namespace

FaultPart FaultAccount::now(const Open& fault) {
  if (fault.wait == Wait::lock) return FaultPart::locks;
  if (fault.wait == Wait::device || fault.asleep) return FaultPart::device;
  return fault.calls.empty() ? FaultPart::entry : fault.calls.back();
}

bool FaultAccount::advance(Open& fault, const FaultStep& step) {
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

std::optional<FaultShares> FaultAccount::take(std::int64_t key, const FaultStep& step) {
  const bool begins =
      step.event == Event::page_fault_user || step.event == Event::page_fault_kernel;
  if (begins) {
    Open fault;
    fault.last = step.time;
    open_[key] = fault;
    return std::nullopt;
  }
  const auto it = open_.find(key);
  if (it == open_.end() || advance(it->second, step)) return std::nullopt;
  const FaultShares shares = it->second.spent;
  open_.erase(it);
  return shares;
}

void FaultParts::line(const TraceLine& line) {
  if (line.kind == TraceLine::Kind::lost) return account_.clear();
  if (line.kind != TraceLine::Kind::record || line.context != Context::task || !line.known) return;
  FaultStep step{*line.known, line.time_ns, {}};
  const bool call = step.event == Event::sim_call;
  step.name = line.text(call ? "func" : "name");
  const auto shares = account_.take(line.pid, step);
  if (!shares) return;
  for (std::size_t i = 0; i < fault_part_count; ++i) parts_[i].add((*shares)[i]);
}

EventMask StepFaults::mask() {
  EventMask mask;
  for (const Event event :
       {Event::page_fault_user, Event::page_fault_kernel, Event::sim_call, Event::sim_ret,
        Event::lock_contended, Event::lock_acquired, Event::sim_bitlock_contended,
        Event::sim_bitlock_acquired, Event::sched_switch, Event::sim_step}) {
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
  const auto shares = account_.take(task, step);
  if (!shares) return;
  std::vector<FaultShares>& faults = shares_[{task, step_[task]}];
  if (faults.size() < task_struct::max_fault_records) faults.push_back(*shares);
}

void StepFaults::put_into(const Scenario& scenario, RunResult& result) const {
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
      if (it != by_name.end()) result.steps[t][i].fault_parts = *it->second;
    }
  }
}

}  // namespace faultline
