// Drivers that a scenario may name: what each sets up, as a description. Linux 7.1 after the series
// that moved them to mmap_prepare; mmap_path.md section 10. What a preset's hook tests besides is
// in preset_checks.cpp.
#pragma once

#include <span>
#include <string_view>

#include <faultline/char_device.hpp>

namespace faultline {

struct DriverPresetRow {
  std::string_view name;
  DriverPreset preset;
  std::string_view sentence;
  CharDescription (*describe)();
};

std::span<const DriverPresetRow> driver_presets();
/// Null if there is no such driver.
const DriverPresetRow* find_driver_preset(std::string_view name);

}  // namespace faultline
