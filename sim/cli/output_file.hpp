// Writing results so that a reader never meets half of one.
#pragma once

#include <string>
#include <string_view>

namespace faultline {

/// Writes `text` to `path` through a temporary name in the same folder, or to standard output for
/// "-". False after a complaint on standard error; then `path` is as it was before.
bool write_file(const std::string& path, std::string_view text);

/// Writes to standard output. False after a complaint.
bool write_stdout(std::string_view text);

}  // namespace faultline
