// Pinning pages of the current process for a device or a driver. Linux 6.12 mm/gup.c
// (pin_user_pages_fast, unpin_user_pages).
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

/// What a pin is for.
struct PinFlags {
  bool write = false;     ///< FOLL_WRITE: the device will write
  bool longterm = false;  ///< FOLL_LONGTERM: for as long as user space likes
};

/// Pins the pages of [start, start + len): how many were, or a negative errno if none.
Path<std::int64_t> pin_user_pages_fast(Kernel& k, Vaddr start, std::uint64_t len, PinFlags flags);
/// The frame that was pinned last as the page of the current process at `at`; it must be.
Pfn pinned_page(Kernel& k, Vaddr at);
/// Gives up what the current process has pinned as [start, start + len), whatever is mapped there
/// now: one pin of each page. 0, or -EINVAL if there is none.
Path<std::int64_t> unpin_user_pages(Kernel& k, Vaddr start, std::uint64_t len);

/// The process of that mm has ended, and its drivers let go what they have pinned for it.
void release_pins(Kernel& k, std::uint32_t mm_id);

}  // namespace faultline
