// What to do when Faultline itself is wrong: stop loudly. Distinct from bad input (a value with a
// position) and from simulated kernel errors (values of the model).
#pragma once

#include <string>

namespace faultline {

/// Thrown by FL_ASSERT and FL_BUG; the command line turns it into exit code 3 with the command that
/// reproduces it. Nothing inside the simulator catches it.
struct InternalError {
  std::string what;
};

/// Ends the run with an InternalError naming the place. Never returns.
[[noreturn]] void raise_bug(const char* file, int line, const char* what);

}  // namespace faultline

#define FL_BUG(what) ::faultline::raise_bug(__FILE__, __LINE__, what)
#define FL_ASSERT(cond)                   \
  do {                                    \
    if (!(cond)) [[unlikely]] {           \
      FL_BUG("assertion failed: " #cond); \
    }                                     \
  } while (false)
