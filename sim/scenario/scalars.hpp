// Rules for single values: whether a value fits, and what to say when it does not.
#pragma once

#include <cstdint>
#include <string>

#include "scenario/json_tree.hpp"
#include "scenario/rule.hpp"

namespace faultline {

/// `beyond`: well written, but outside 64 bits or not whole, which no schema can tell.
enum class Fit : std::uint8_t { yes, no, beyond };

bool is_scalar(const Rule& rule);

/// Whether values of this JSON kind can fit at all.
bool accepts_kind(const Rule& rule, JsonKind kind);

Fit fits(const JsonTree& tree, NodeId node, const Rule& rule);

/// Whether a key of a map fits a rule for strings.
bool key_fits(std::string_view key, const Rule& rule);

/// What is wrong with a value that does not fit, with a suggestion if there is one.
std::string explain_misfit(const JsonTree& tree, NodeId node, const Rule& rule);
std::string explain_key_misfit(std::string_view key, const Rule& rule);

}  // namespace faultline
