// Checks a document against the grammar: keys, types, words, and what is not built yet. After it
// has found nothing, reading the document needs no further checks of that kind.
#pragma once

#include "scenario/error_list.hpp"
#include "scenario/json_tree.hpp"
#include "scenario/rule.hpp"

namespace faultline {

void check_shape(const JsonTree& tree, NodeId node, const Rule& rule, ErrorList& errors);

}  // namespace faultline
