// The reading half of the catalogue: takes the text behind `event: ` apart with the same compiled
// formats that the writer runs. Accepts what real kernels print differently from us: symbols with
// +0xOFFSET/0xSIZE and [module], hashed or hidden pointers, unnamed flag bits, stripped spaces at
// the end of a line.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "trace/record.hpp"

namespace faultline {

/// One field of a line that was read. `text` points into the line.
struct FieldValue {
  std::string_view name;
  FieldType type = FieldType::literal;
  std::uint64_t value = 0;  ///< what the record's word was; 0 for symbols, whose value is `text`
  std::string_view text;    ///< as printed; without offset and module for `ksym` and `ip`
};

/// The fields of one line, in record order.
struct FieldList {
  std::array<FieldValue, max_args> values{};
  std::uint8_t n = 0;

  std::span<const FieldValue> span() const { return {values.data(), n}; }
};

/// Takes `body` apart as `format`, whose event's name is `name_length` long. False when it does not
/// fit; `out` is then meaningless.
bool parse_fields(const Format& format, std::size_t name_length, std::string_view body,
                  FieldList& out);

/// `sym+0x1/0x2 [module]` without what follows the name.
std::string_view bare_symbol(std::string_view text);

}  // namespace faultline
