// The text of a complaint.
#include "base/diagnostic.hpp"

#include "catch.hpp"

using namespace faultline;

TEST_CASE("a complaint is one line, with what is known of its place") {
  const auto text = [](std::uint32_t line, std::string pointer, std::string what) {
    return to_string(Diagnostic{Complaint::meaning, "a.json", line, 7, pointer, what});
  };
  CHECK(text(3, "/tasks/x", "wrong") == "a.json:3:7: /tasks/x: wrong");
  CHECK(text(0, "", "no such file") == "a.json: no such file");
  CHECK(text(1, "", "did you mean p\nq\x1b?") == "a.json:1:7: did you mean p\\u000aq\\u001b?");
}
