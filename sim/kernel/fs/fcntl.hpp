// fcntl(2) as far as it changes what a mapping may do. Linux fs/fcntl.c with patch 5/5 of
// MAP_DIRECT.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

inline constexpr std::uint64_t F_MAP_DIRECT = 1039;

/// 0 or more, or a negative errno. Commands that are not modelled fail with EINVAL and a finding.
Path<std::int64_t> do_fcntl(Kernel& k, std::int64_t fd, std::uint64_t cmd, std::uint64_t arg);

}  // namespace faultline
