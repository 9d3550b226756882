// A schedule as a file: who ran, choice by choice. One line a run of equal choices, `COUNT TASK`,
// after a first line that says what the file is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <faultline/scenario.hpp>

namespace faultline {

/// The text of a schedule.
std::string schedule_text(const Scenario& scenario, const std::vector<std::uint32_t>& choices);

/// The choices in the file at `path` (- is standard input), as task numbers of `scenario`; nothing
/// after complaints on standard error.
std::optional<std::vector<std::uint32_t>> read_schedule(const std::string& path,
                                                        const Scenario& scenario);

}  // namespace faultline
