// What of a declared file is in the page cache when the run begins.
#pragma once

#include <faultline/scenario.hpp>

#include "kernel/kernel.hpp"

namespace faultline {

/// Puts the ranges of `file.cached` into the page cache of `node`, up to date. A DAX file has none.
void declare_cache(Kernel& k, const FileSpec& file, inode& node);

/// The byte at `at` of a cached page; false if that page is not cached.
bool cached_byte(Kernel& k, const inode& node, std::uint64_t at, std::byte* out);

}  // namespace faultline
