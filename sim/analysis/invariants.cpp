// Follows which step each task is in and who is inside a system call, looks, and keeps the first
// finding of each rule.
#include "analysis/invariants.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "kernel/mm/check_mm.hpp"
#include "trace/catalogue.hpp"

namespace faultline {

namespace {

// In VMAs, tables and pages looked at: what may be spent at once, and what a record adds.
constexpr std::uint64_t first_budget = 32'000'000;
constexpr std::uint64_t budget_per_record = 512;

std::string time_text(Nanos time) {
  return fmt::format("{}.{:09}", time.v / 1'000'000'000, time.v % 1'000'000'000);
}

}  // namespace

InvariantWatch::InvariantWatch(const Tracer& tracer)
    : tracer_(tracer), fault_rules_(tracer.symbols()), budget_(first_budget) {}

// Which step each task is in, and who is inside the kernel.
void InvariantWatch::follow(const Record& r) {
  if (r.task.v >= tasks_.size()) tasks_.resize(r.task.v + 1);
  TaskState& task = tasks_[r.task.v];
  const bool was = task.in_syscall;
  const auto text = [&](unsigned i) {
    return tracer_.symbols().text(SymbolId(static_cast<std::uint32_t>(r.arg[i])));
  };
  switch (r.event) {
    case Event::sim_step:
      task.step = fmt::format("{}.{} {}", text(0), text(1), text(2));
      break;
    case Event::sys_enter:
      task.in_syscall = true;
      break;
    case Event::sys_exit:
    case Event::sim_step_done:
      task.in_syscall = false;
      break;
    default:
      break;
  }
  if (task.in_syscall != was) in_syscall_ += task.in_syscall ? 1 : -1;
}

std::string InvariantWatch::place_of(const Record* r) const {
  if (!r) return "seen at the end of the run";
  const std::string& step = tasks_[r->task.v].step;
  return fmt::format("seen at {}, {} of {}{}{}", time_text(r->time), catalogue::info(r->event).name,
                     tracer_.tasks().name(r->task).comm, step.empty() ? "" : " in step ", step);
}

void InvariantWatch::found(std::string_view rule, std::uint32_t mm, const std::string& text,
                           const std::string& place) {
  const std::pair<std::string, std::uint32_t> key{rule, mm};
  if (found_.contains(key)) return;
  Finding finding;
  finding.kind = "invariant";
  const std::string whose = mm == 0 ? "" : fmt::format(" of mm {}", mm);
  finding.text = fmt::format("{}{}: {} ({})", rule, whose, text, place);
  found_.emplace(key, std::move(finding));
  order_.push_back(key);
}

void InvariantWatch::look(const Record* record) {
  const MmLook mm = check_mm(*k_, in_syscall_ != 0);
  const DaxLook dax = check_dax(*k_, dax_);
  if (!mm.broken.empty() || !dax.broken.empty()) {
    const std::string place =
        fmt::format("{}; looked at {} before", place_of(record), time_text(looked_));
    for (const BrokenRule& b : mm.broken) found(mm_rule_name(b.rule), b.mm, b.text, place);
    for (const BrokenDaxRule& b : dax.broken) found(dax_rule_name(b.rule), 0, b.text, place);
  }
  last_cost_ = mm.cost + dax.cost + 16;
  budget_ -= std::min(budget_, last_cost_);
  looked_ = k_->engine.now();
}

void InvariantWatch::on_record(const Record& r) {
  if (!k_) return;
  follow(r);
  if (const auto broken = fault_rules_.on_record(*k_, r)) {
    found(fault_rule_name(broken->rule), 0, broken->text, place_of(&r));
  }
  budget_ += budget_per_record;
  if (budget_ >= last_cost_) look(&r);
}

std::vector<Finding> InvariantWatch::findings() {
  look(nullptr);
  std::vector<Finding> out;
  for (const auto& key : order_) out.push_back(found_.at(key));
  return out;
}

}  // namespace faultline
