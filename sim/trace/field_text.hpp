// How one field of a record becomes text: the writing half of FieldType. The reading half is
// field_parser; tests hold them together.
#pragma once

#include <cstddef>
#include <cstdint>

#include "trace/catalogue.hpp"
#include "trace/symbols.hpp"

namespace faultline {

/// The most characters a field that is no symbol can take.
inline constexpr std::size_t max_field_text = 320;

/// Writes a field that is neither symbol nor literal; `previous` is the word before it (a ret_value
/// is printed as its ret_kind says). At least max_field_text + 16 bytes must be free. Returns the
/// end.
char* put_field(char* p, FieldType type, std::uint64_t word, std::uint64_t previous);

}  // namespace faultline
