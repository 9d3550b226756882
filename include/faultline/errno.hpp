// Error numbers as x86-64 Linux has them (include/uapi/asm-generic/errno{-base,}.h, 6.12), 1..133,
// without the kernel-internal ones above 511. Values are positive; a system call's result is the
// negated number, which the model does itself.
#pragma once

#include <optional>
#include <string_view>

namespace faultline {

/// The largest errno that has a name here.
inline constexpr int errno_max = 133;

/// The name of a positive errno ("ETXTBSY" of 26), "0" of 0, and an empty view of a number that
/// Linux does not use.
std::string_view errno_name(int number);

/// The number of a name; EWOULDBLOCK, EDEADLOCK and ENOTSUP are known as their synonyms. Nothing
/// when there is no such error.
std::optional<int> errno_from_name(std::string_view name);

}  // namespace faultline
