// One expectation and whether it held: what reports list and exit codes are made of.
#pragma once

#include <string>

namespace faultline {

struct Verdict {
  std::string text;    ///< what was expected, on one line
  bool held = false;   ///< as expected, `in` and `xfail` taken into account
  std::string detail;  ///< "FILE:LINE: what was observed"; "" when held and nothing is to be said
  bool met = false;    ///< whether it was so in this run, `in` and `xfail` left aside
};

}  // namespace faultline
