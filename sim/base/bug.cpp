// The one way Faultline reports a defect of its own.
#include "base/bug.hpp"

#include <cstring>

namespace faultline {

void raise_bug(const char* file, int line, const char* what) {
  const char* slash = std::strrchr(file, '/');
  throw InternalError{std::string(slash ? slash + 1 : file) + ":" + std::to_string(line) + ": " +
                      what};
}

}  // namespace faultline
