// JUnit XML; the dialect that Jenkins and GitLab read.
#include "cli/junit.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace faultline {

namespace {

// Control characters do not exist in XML 1.0, escaped or not.
std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else if (c == '\n') {
      out += "&#10;";
    } else {
      out += byte < 0x20 ? '?' : c;
    }
  }
  return out;
}

}  // namespace

std::string junit_xml(const std::vector<JunitCase>& cases) {
  const auto failures =
      std::count_if(cases.begin(), cases.end(), [](auto& c) { return c.code == 1; });
  const auto errors = std::count_if(cases.begin(), cases.end(), [](auto& c) { return c.code > 1; });
  std::string xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
  xml += fmt::format("<testsuite name=\"faultline\" tests=\"{}\" failures=\"{}\" errors=\"{}\">\n",
                     cases.size(), failures, errors);
  for (const JunitCase& c : cases) {
    xml += fmt::format("  <testcase classname=\"faultline\" name=\"{}\"", escaped(c.name));
    if (c.code == 0) {
      xml += "/>\n";
      continue;
    }
    const char* const kind = c.code == 1 ? "failure" : "error";
    xml += fmt::format(">\n    <{} message=\"{}\"/>\n  </testcase>\n", kind, escaped(c.message));
  }
  return xml + "</testsuite>\n";
}

}  // namespace faultline
