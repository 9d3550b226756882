// Character devices: their memory, their page arrays, their operations.
#pragma once

#include <vector>

#include <faultline/scenario.hpp>

#include "kernel/kernel.hpp"

namespace faultline {

/// Makes a device of the kernel of each declared one, by index; null where the device is another
/// sort. Before any other frame is handed out.
std::vector<char_device*> build_char_devices(const Scenario& scenario, Kernel& k);

/// What drivers refer to: the file of a device below, the file put under mappings. After the files.
void connect_char_devices(const Scenario& scenario, Kernel& k,
                          const std::vector<char_device*>& devices,
                          const std::vector<inode*>& inodes);

/// The operations of a file of that device.
const file_operations& operations_of(const char_device& device);

}  // namespace faultline
