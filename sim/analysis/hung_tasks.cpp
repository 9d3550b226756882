// lock_contended begins a wait, lock_acquired ends it. See the header.
#include "analysis/hung_tasks.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace faultline {

namespace {

constexpr std::uint64_t timeout_s = 120;  // kernel.hung_task_timeout_secs
constexpr std::uint64_t second = 1'000'000'000;

bool killable(std::string_view name) { return name == "&mm->mmap_lock" || name == "&mm->mmap_sem"; }

}  // namespace

EventMask HungTasks::mask() {
  EventMask mask;
  mask.set(Event::lock_contended);
  mask.set(Event::lock_acquired);
  return mask;
}

void HungTasks::on_record(const Record& r) {
  if (r.event == Event::lock_contended) {
    since_[r.task.v] = r.time;
    return;
  }
  const auto waiting = since_.find(r.task.v);
  if (waiting == since_.end()) return;
  const std::uint64_t waited = r.time.v - waiting->second.v;
  since_.erase(waiting);
  const std::string_view lock =
      tracer_.symbols().text(SymbolId(static_cast<std::uint32_t>(r.arg[1])));
  if (waited <= timeout_s * second || killable(lock)) return;
  const auto& who = tracer_.tasks().name(r.task);
  Finding finding;
  finding.kind = "kernel-warn";
  finding.text = fmt::format("INFO: task {}:{} blocked for more than {} seconds (it waits for {})",
                             who.comm, who.pid, timeout_s, lock);
  const auto same = [&](const Finding& f) { return f.text == finding.text; };
  if (std::none_of(findings_.begin(), findings_.end(), same)) {
    findings_.push_back(std::move(finding));
  }
}

}  // namespace faultline
