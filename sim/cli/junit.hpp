// The result of `check` as JUnit XML, which CI systems show.
#pragma once

#include <string>
#include <vector>

namespace faultline {

struct JunitCase {
  std::string name;
  int code = 0;  ///< as an exit code: 0 ok, 1 a failure, 2 and 3 an error
  std::string message;
};

/// One test suite `faultline`, with a case each.
std::string junit_xml(const std::vector<JunitCase>& cases);

}  // namespace faultline
