// Power cuts: the verb `crash`, which ends the run, and looks at what one after each step would
// leave, which do not. What is wrong with it is a finding of kind `invariant`.
#include <algorithm>

#include "scenario/report_words.hpp"
#include "scenario/world.hpp"

namespace faultline {

namespace {

CutResult result_of(const PowerCut& cut, StepRef step, Nanos now) {
  CutResult out;
  out.step = step;
  out.time = now;
  out.pending_lines = cut.pending_lines;
  out.images = cut.images;
  out.lines = cut.lines;
  for (const FsAfterCut& fs : cut.filesystems) {
    out.lost_records += fs.lost_records;
    for (const std::string& text : fs.wrong) {
      out.findings.push_back("recovered-space: after a power cut " + text);
    }
    for (const std::string& text : fs.promises) out.findings.push_back("lost-durable: " + text);
  }
  return out;
}

}  // namespace

void World::look_at_cut(StepRef step) {
  PowerCut cut = look_at_power_cut(*kernel_);
  cuts_.push_back(result_of(cut, step, engine_.now()));
  for (const std::string& text : cuts_.back().findings) {
    const auto same = [&](const Finding& f) { return f.text.starts_with(text); };
    if (std::any_of(findings_.begin(), findings_.end(), same)) continue;
    Finding finding;
    finding.kind = "invariant";
    finding.text = text + " (power cut after " + step_text(scenario_, step) + ")";
    findings_.push_back(std::move(finding));
  }
  if (scenario_.tasks[step.task.v].steps[step.index].verb == Verb::crash) {
    power_cut_ = std::move(cut);
  }
}

void World::cut_power(StepRef step) {
  look_at_cut(step);
  engine_.stop(Outcome::completed, "the power failed in " + step_text(scenario_, step));
}

std::vector<std::uint64_t> World::contents(FileRef file, std::uint64_t at) const {
  const inode& node = *inodes_[file.v];
  if (!power_cut_ || !node.xfs) return {content(file, at)};
  return contents_after(*power_cut_, node, at);
}

}  // namespace faultline
