// How power cuts are told: as lines of text and as JSON. See run_result.hpp and power_cut.hpp.
#pragma once

#include <string>
#include <vector>

#include <faultline/scenario.hpp>

#include "scenario/report_devices.hpp"
#include "scenario/run_result.hpp"

namespace faultline {

/// "data+0x1000: 0x0 or 0x1111", a line of which a cut may leave more than one state.
std::string cut_line_text(const CutLine& line);

/// A table of cuts, one after each step, with the pending lines below each, and at most
/// `most_lines` of them.
std::string cuts_text(const Scenario& scenario, const std::vector<CutResult>& cuts,
                      std::size_t most_lines);

/// The report's key `power_cuts`.
Json cuts_json(const Scenario& scenario, const std::vector<CutResult>& cuts);

}  // namespace faultline
