// The one place that knows how an error message looks.
#include "base/diagnostic.hpp"

#include <fmt/format.h>

namespace faultline {

std::string to_string(const Diagnostic& diagnostic) {
  std::string text = diagnostic.file;
  if (diagnostic.line > 0) text += fmt::format(":{}:{}", diagnostic.line, diagnostic.column);
  if (!diagnostic.pointer.empty()) text += ": " + diagnostic.pointer;
  return text + ": " + diagnostic.what;
}

}  // namespace faultline
