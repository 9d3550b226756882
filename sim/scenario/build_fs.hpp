// From declarations to mounted file systems: devices, allocation groups whose free space is what
// the declared extents leave, and inodes with their extent maps.
#pragma once

#include <string>
#include <vector>

#include <faultline/scenario.hpp>

#include "base/diagnostic.hpp"
#include "kernel/kernel.hpp"

namespace faultline {

/// Builds devices, file systems and files of `scenario` into `k`. `inodes` gets one entry per
/// declared file. What cannot be laid out (an extent on file-system metadata, no room) is returned
/// as diagnostics; then nothing may be played.
std::vector<Diagnostic> build_filesystems(const Scenario& scenario, Kernel& k,
                                          std::vector<inode*>& inodes);

}  // namespace faultline
