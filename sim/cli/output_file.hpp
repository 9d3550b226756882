// Writing results so that a reader never meets half of one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace faultline {

/// Writes `text` to `path` through a temporary name in the same folder, or to standard output for
/// "-". False after a complaint on standard error; then `path` is as it was before.
bool write_file(const std::string& path, std::string_view text);

/// A file that a command line names, and what for; "" is none.
struct NamedFile {
  std::string use;  ///< "--trace", "the scenario"
  std::string path;
};

/// Whether no output is also an input or another output; devices and pipes may be. False after a
/// complaint.
bool outputs_are_apart(const std::vector<NamedFile>& outputs, const std::vector<NamedFile>& inputs);

/// Writes to standard output. False after a complaint.
bool write_stdout(std::string_view text);

}  // namespace faultline
