// Builds the report line by line: a document of a million steps is never held as a tree.
#include "scenario/report.hpp"

#include <fmt/format.h>

#include "scenario/cut_report.hpp"
#include "scenario/report_devices.hpp"
#include "scenario/report_words.hpp"

namespace faultline {
namespace {

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string hex(std::uint64_t value) { return fmt::format("{:#x}", value); }

Json fault_json(const FaultRecord& fault) {
  Json json;
  json["address"] = hex(fault.address.v);
  json["result"] = fault_words(fault.result.v);
  json["leaf"] = fault_leaf(fault);
  json["ns"] = fault.duration.v;
  return json;
}

Json errno_json(const StepResult& step) {
  const std::int64_t number = step_errno(step);
  const std::string text = errno_text(number);
  if (!text.starts_with('E')) return number;
  return text;
}

Json parts_json(const FaultShares& shares) {
  Json json;
  for (std::size_t i = 0; i < fault_part_count; ++i) {
    if (shares[i] != 0) json[std::string(fault_part_names[i])] = shares[i];
  }
  return json.is_null() ? Json::object() : json;
}

Json step_json(const Scenario& scenario, StepRef ref, const StepResult& step) {
  const TaskSpec& task = scenario.tasks[ref.task.v];
  const bool has_value = step.state == StepState::done && !step.failed;
  Json json;
  json["task"] = task.name;
  json["id"] = step_name(scenario, ref.task, ref.index);
  json["verb"] = verb_name(task.steps[ref.index].verb);
  json["state"] = state_text(step.state);
  json["errno"] = errno_json(step);
  json["value"] = hex(has_value ? static_cast<std::uint64_t>(step.result) : 0);
  json["signal"] = nullptr;
  json["si_code"] = nullptr;
  if (step.signal) {
    json["signal"] = signal_text(step.signal->sig);
    json["si_code"] = code_text(step.signal->sig, step.signal->code);
  }
  json["start_ns"] = step.start.v;
  json["end_ns"] = step.end.v;
  json["fault_count"] = step.fault_count;
  json["faults"] = Json::array();
  for (const FaultRecord& fault : step.faults) {
    if (json["faults"].size() == task_struct::max_fault_records) break;
    const std::size_t n = json["faults"].size();
    json["faults"].push_back(fault_json(fault));
    if (n < step.fault_parts.size())
      json["faults"].back()["parts"] = parts_json(step.fault_parts[n]);
  }
  if (step.snapshot) json["snapshot"] = snapshot_json(*step.snapshot);
  return json;
}

Json lock_json(const FindingLock& lock) {
  Json json;
  json["class"] = lock.lock_class;
  json["subclass"] = lock.subclass;
  json["instance"] = fmt::format("{:016x}", lock.instance);  // as lock records print it
  json["mode"] = lock.mode;
  json["task"] = lock.task;
  json["role"] = lock.role;
  json["path"] = lock.path;
  return json;
}

Json finding_json(const Finding& finding) {
  Json json;
  json["kind"] = finding.kind;
  json["text"] = finding.text;
  json["locks"] = Json::array();
  for (const FindingLock& lock : finding.locks) json["locks"].push_back(lock_json(lock));
  return json;
}

/// Puts `"KEY": [` and one entry a line into `text`.
class LineList {
 public:
  LineList(std::string& text, std::string_view key) : text_(text) {
    text_ += fmt::format(",\n\"{}\": [", key);
  }
  ~LineList() { text_ += empty_ ? "]" : "\n]"; }
  LineList(const LineList&) = delete;
  LineList& operator=(const LineList&) = delete;
  void add(const Json& json) {
    text_ += empty_ ? "\n  " : ",\n  ";
    text_ += dump(json);
    empty_ = false;
  }

 private:
  std::string& text_;
  bool empty_ = true;
};

}  // namespace

std::string report_json(const ReportInput& in) {
  std::string text = "{\n\"format\": 1";
  const auto put = [&](std::string_view key, const Json& value) {
    text += fmt::format(",\n\"{}\": {}", key, dump(value));
  };
  put("scenario", in.scenario.name);
  put("profile", in.scenario.kernel.profile);
  put("seed", in.seed);
  put("outcome", outcome_text(in.result.outcome));
  put("time_ns", in.result.time.v);
  put("events", in.result.events);
  put("digest", in.digest);
  {
    LineList steps(text, "steps");
    for (std::uint32_t task = 0; task < in.scenario.tasks.size(); ++task) {
      for (std::uint32_t i = 0; i < in.scenario.tasks[task].steps.size(); ++i) {
        steps.add(step_json(in.scenario, {TaskId(task), i}, in.result.steps[task][i]));
      }
    }
  }
  {
    LineList expectations(text, "expectations");
    for (const Verdict& verdict : in.judgement.verdicts) {
      Json json;
      json["text"] = verdict.text;
      json["held"] = verdict.held;
      expectations.add(json);
    }
  }
  {
    LineList findings(text, "findings");
    for (const Finding& finding : in.result.findings) findings.add(finding_json(finding));
  }
  if (!in.result.devices.empty()) {
    put("devices", devices_json(in.scenario, in.result.devices));
  }
  if (!in.result.cuts.empty()) put("power_cuts", cuts_json(in.scenario, in.result.cuts));
  text += "\n}\n";
  return text;
}

}  // namespace faultline
