// The events view: which events of a trace are compared between a model and a real kernel, and
// which of their fields. A kernel's addresses, inode numbers, block numbers and log positions are
// its own; what is left must be equal line by line. Source: what Linux 6.12 and 7.1 print.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace faultline {

/// `text` without blanks at both ends.
std::string_view trim(std::string_view text);

/// The next word of `text`, which is cut off from its front; empty at the end.
std::string_view next_word(std::string_view& text);

/// The value of a field in an event's printed body, written `key=value` or `key value`.
/// Nothing when the body has no such key; empty when nothing follows it.
std::optional<std::string_view> field_of(std::string_view body, std::string_view key);

/// A symbol as its source names it: without `+0x1/0x2`, ` [module]` and what a compiler appends
/// (`.isra.0`, `.constprop.0`, `.part.0`, `.cold`).
std::string_view plain_symbol(std::string_view symbol);

/// The name under which a caller is compared: a function that a compiler may have inlined gives the
/// function that contains it, so that two builds of one source agree.
std::string_view containing_function(std::string_view symbol);

/// Whether the events view compares events of that name at all.
bool is_compared_event(std::string_view name);

/// The line of the events view for one event, e.g. `xfs_ilock flags=ILOCK_EXCL caller=f`.
/// Nothing when the event is none that is compared. System calls are not handled here.
std::optional<std::string> event_text(std::string_view name, std::string_view body);

}  // namespace faultline
