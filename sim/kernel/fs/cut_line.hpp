// A cache line of which a power cut may leave more than one state, as people are told of it. See
// power_cut.hpp.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace faultline {

/// The first word of the line that reads differently in the images.
struct CutLine {
  std::string file;                   ///< that recovery gives the block to; "" : to none
  std::uint64_t at = 0;               ///< bytes: in the file, or without one on the device
  std::vector<std::uint64_t> values;  ///< durable first, newest last
};

}  // namespace faultline
