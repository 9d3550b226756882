// A model as the bytes that the page carries: a JSON head, then columns of variable-length numbers
// and the text of all messages, deflated, in base64. docs/viewer.md has the layout.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "export/viewer_collect.hpp"

namespace faultline {

/// `extra` is merged into the head.
std::string pack_for_viewer(const ViewerInput& input, const nlohmann::ordered_json& extra);

/// RFC 4648, with padding.
std::string base64(std::string_view bytes);

/// A zlib stream; the same bytes for the same input and the same zlib.
std::string deflated(std::string_view bytes);

}  // namespace faultline
