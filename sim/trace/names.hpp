// The words that flag and enumeration fields print as: one table each, used by writer and reader.
// Values and names are those of Linux 6.12 (include/linux/mm_types.h, fs/xfs/xfs_inode.h,
// fs/xfs/xfs_buf.h, include/linux/iomap.h, fs/iomap/trace.h); other versions where a type says so.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "trace/catalogue.hpp"

namespace faultline {

/// A bit or a value and its word.
struct NamedWord {
  std::uint64_t value;
  std::string_view name;
};

/// Words of a field type that prints as a list of bits joined by `|`; empty for other types.
std::span<const NamedWord> flag_words(FieldType type);

/// Words of a field type that prints as one of a set of values; empty for other types.
std::span<const NamedWord> value_words(FieldType type);

/// "ENOSPC" for 28; empty when Linux has no such errno.
std::string_view errno_word(std::uint64_t number);

/// 28 for "ENOSPC"; 0 when there is no such name.
std::uint64_t errno_number(std::string_view word);

}  // namespace faultline
