// `--set` applied to a parsed document, before anything is checked: what is set is judged by the
// same rules as what the file says.
#pragma once

#include "scenario/error_list.hpp"
#include "scenario/json_tree.hpp"
#include "scenario/load.hpp"

namespace faultline {

void apply_override(JsonTree& tree, const Override& change, ErrorList& errors);

}  // namespace faultline
