// The log of a declared file system: its size, and the tasks of the kernel that work on it.
#pragma once

#include <optional>
#include <string>

#include <faultline/scenario.hpp>

#include "kernel/fs/xfs/xfs_mount.hpp"
#include "kernel/kernel.hpp"

namespace faultline {

/// What is wrong with a log of `bytes`; nothing if a kernel would mount it.
std::optional<std::string> log_size_error(const xfs::Geometry& geo, std::uint64_t bytes);

/// Makes the log of a mount, which is empty, with the stripe unit of the data.
void init_log(Kernel& k, xfs::xfs_mount& mp, const xfs::Geometry& geo, const XfsSpec& spec);

/// What works on the log of a mount: `add(name, task)` for each place where such a task belongs.
template <class Add>
void each_log_worker(xfs::xfs_mount& mp, const std::string& device, Add&& add) {
  add("xfs-cil/" + device, mp.cil.push_task);
  add("xfs-log/" + device, mp.cil.log_task);
  add("xfsaild/" + device, mp.ail.task);
}

}  // namespace faultline
