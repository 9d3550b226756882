// The one place that knows how an error message looks.
#include "base/diagnostic.hpp"

#include <fmt/format.h>

namespace faultline {

// Names may hold any character; a complaint is one line all the same.
static std::string on_one_line(const std::string& text) {
  std::string line;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) >= 0x20) {
      line += c;
    } else {
      line += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    }
  }
  return line;
}

std::string to_string(const Diagnostic& diagnostic) {
  std::string text = diagnostic.file;
  if (diagnostic.line > 0) text += fmt::format(":{}:{}", diagnostic.line, diagnostic.column);
  if (!diagnostic.pointer.empty()) text += ": " + diagnostic.pointer;
  return text + ": " + on_one_line(diagnostic.what);
}

}  // namespace faultline
