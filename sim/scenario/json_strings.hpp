// The string part of the JSON parser: escapes and UTF-8.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace faultline {

/// Reads a JSON string. `pos` is just after the opening quote and is left after the closing one,
/// or at the offending byte. Returns nullptr when good, otherwise what is wrong.
/// `out` views the text itself when it has no escapes, otherwise `scratch`.
const char* read_json_string(std::string_view text, std::size_t& pos, std::string& scratch,
                             std::string_view& out);

/// The length of the well-formed UTF-8 sequence at `pos`, 0 if there is none (overlong forms,
/// surrogates and what is beyond U+10FFFF are not well-formed).
std::size_t utf8_length(std::string_view text, std::size_t pos);

}  // namespace faultline
