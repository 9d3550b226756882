// The viewer's page: one HTML file with everything in it, for one trace or two side by side.
#pragma once

#include <string>
#include <vector>

#include "base/diagnostic.hpp"

namespace faultline {

/// The page for one or two traces. Empty after adding to `problems` why there is none.
std::string viewer_page(const std::vector<std::string>& paths, std::vector<Diagnostic>& problems);

/// The page without data, as viz/ builds it.
std::string_view viewer_shell();

}  // namespace faultline
