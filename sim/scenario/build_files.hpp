// Files that are on no device: of tmpfs, character devices that stand for a real file, pipes.
#pragma once

#include <vector>

#include <faultline/scenario.hpp>

#include "base/diagnostic.hpp"
#include "kernel/kernel.hpp"

namespace faultline {

/// Whether a file is part of that file system: pipes and devices are of none.
inline bool lies_on(const FileSpec& file, FsRef fs) {
  const bool on_fs = file.type == FileType::regular || file.type == FileType::directory;
  return on_fs && file.fs == fs;
}

/// The time that a scenario declares.
Nanos time_of(const Kernel& k, const FileTime& t);

/// Builds every file that has no inode in `inodes` yet. `devices` are those of the scenario, by
/// index; null where one is no character device.
void build_other_files(const Scenario& scenario, Kernel& k,
                       const std::vector<char_device*>& devices, std::vector<inode*>& inodes);

}  // namespace faultline
