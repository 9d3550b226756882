// JSON text -> JsonTree (RFC 8259, nothing more: no comments, no trailing commas). Not recursive:
// nesting is bounded and kept on a vector, so no input can overflow the stack.
#pragma once

#include <string>

#include "scenario/error_list.hpp"
#include "scenario/json_tree.hpp"

namespace faultline {

inline constexpr std::size_t deepest_nesting = 64;
inline constexpr std::uint32_t most_entries = 10'000'000;  ///< of one list or object
inline constexpr std::uint64_t largest_text = 0xffff'fffe;

/// Adds `text` as a source of the tree and parses it. Returns the root of what was parsed (not
/// linked to anything), or no_node when the text is not JSON: then `errors` has one entry more.
/// Duplicate keys are entries too, but parsing goes on. `text` is at most largest_text bytes.
NodeId parse_json(JsonTree& tree, std::string name, std::string text, ErrorList& errors);

}  // namespace faultline
