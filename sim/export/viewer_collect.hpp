// Reads a trace into what the viewer shows of it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/diagnostic.hpp"
#include "export/viewer_model.hpp"

namespace faultline {

/// A trace as the viewer needs it.
struct ViewerInput {
  ViewerModel model;
  nlohmann::ordered_json order;  ///< as ViewerOrder::json() makes it
};

/// Reads the trace at `path`. Nothing after adding to `problems` why it cannot be shown.
std::optional<ViewerInput> collect_for_viewer(const std::string& path,
                                              std::vector<Diagnostic>& problems);

/// The same from a text in memory; `name` is for messages and the page's title.
std::optional<ViewerInput> collect_text_for_viewer(std::string_view text, const std::string& name,
                                                   std::vector<Diagnostic>& problems);

}  // namespace faultline
