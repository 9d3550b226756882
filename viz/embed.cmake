# Writes a C++ file that holds the bytes of INPUT as a string.
file(READ ${INPUT} hex HEX)
string(REGEX REPLACE "(................................................................)" "\\1\n" hex "${hex}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "\\\\x\\1" hex "${hex}")
string(REGEX REPLACE "([^\n]+)" "    \"\\1\"" hex "${hex}")
file(WRITE ${OUTPUT} "// Made from ${INPUT} by viz/embed.cmake.
#include \"export/viewer_page.hpp\"

namespace faultline {
std::string_view viewer_shell() {
  static constexpr char bytes[] =
${hex};
  return {bytes, sizeof bytes - 1};
}
}  // namespace faultline
")
