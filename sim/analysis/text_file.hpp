// A text file that can be read twice, however the user keeps it: as it is, compressed with zstd, or
// coming from a pipe (`<(trace-cmd report)`). The last two go through a temporary file, so that no
// reader needs to hold a trace in memory.
#pragma once

#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/diagnostic.hpp"

namespace faultline {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using TextFile = std::unique_ptr<std::FILE, CloseFile>;

/// Opens the text of `path` at its beginning; null, and why in `problem`, when that cannot be.
TextFile open_text(const std::string& path, std::optional<Diagnostic>& problem);

/// Whether `word` occurs in the file, which is then at its beginning again. Stops at the first.
bool occurs_in(std::FILE* file, std::string_view word);

}  // namespace faultline
