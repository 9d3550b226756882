// The locks view: which locks are compared between a model and a real kernel, under which names.
// The classes are those that order the fault path; a kernel's many spinlocks that are purely
// internal to XFS, the VFS or the allocator are left out of both sides.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace faultline {

/// How a lock was taken, as far as the view shows it.
struct LockTake {
  bool read = false;
  bool trylock = false;
};

/// The class under which a lock is compared: without `/SUBCLASS` and `#N`, buffer kinds as
/// `xfs_buf(agf)`. Nothing when its class is not compared.
std::optional<std::string> counted_class(std::string_view name);

/// `ACQ CLASS read trylock`; a lock that has no modes (a buffer, a DAX entry) prints none.
std::string acquire_text(std::string_view counted, LockTake take);

/// `REL CLASS`.
std::string release_text(std::string_view counted);

/// Splits the body of a native or ftrace lock event, `ID [try ][read ]NAME`. Returns NAME.
std::string_view split_lock_event(std::string_view body, LockTake& take);

/// The kind of buffer that an xfs_buf_* event is about, from `bufops xfs_agf_buf_ops`: its name in
/// the view, `xfs_buf(agf)`. Nothing when the event does not say.
std::optional<std::string> buffer_class(std::string_view body);

}  // namespace faultline
