// Texts that are not JSON: each has its own message and position, none crashes the parser.
#include <string>

#include "base/rng.hpp"
#include "scenario/json_parser.hpp"
#include "unit/scenario/load_helper.hpp"

using namespace faultline;
using namespace faultline::test;

TEST_CASE("texts that are no documents") {
  CHECK(complaints("") == Lines{"s.json:1:1: is empty"});
  CHECK(complaints(" \n\t") == Lines{"s.json:1:1: holds nothing but white space"});
  CHECK(complaints("{}x") == Lines{"s.json:1:3: something follows the end of the document"});
  CHECK(complaints("hello") == Lines{"s.json:1:1: expected a value"});
  CHECK(complaints("// no\n{}") ==
        Lines{"s.json:1:1: expected a value; JSON has no comments (use \"doc\")"});
  CHECK(complaints("[]") == Lines{"s.json:1:1: must be a scenario (an object), not a list"});
  CHECK(complaints("7") == Lines{"s.json:1:1: must be a scenario (an object), not an integer"});
}

TEST_CASE("truncated documents say what is open") {
  CHECK(complaints("{\"tasks\":\n  {\"a\": {\"steps\": [") ==
        Lines{"s.json:2:20: /tasks/a/steps: the text ends inside the list opened at "
              "line 2, column 19"});
  CHECK(complaints("{\"a\": 1") ==
        Lines{"s.json:1:8: the text ends inside the object opened at line 1, column 1"});
  CHECK(complaints("{\"a") == Lines{"s.json:1:4: the text ends inside a string"});
  CHECK(complaints("{\"a\\") == Lines{"s.json:1:5: the text ends inside a string"});
  CHECK(complaints("{\"a\"") ==
        Lines{"s.json:1:5: the text ends inside the object opened at line 1, column 1"});
}

TEST_CASE("slips of the pen") {
  CHECK(complaints("{\"a\": 1,}") == Lines{"s.json:1:9: a comma before '}'"});
  CHECK(complaints("[1,]") == Lines{"s.json:1:4: a comma before ']'"});
  CHECK(complaints("{\"a\" 1}") == Lines{"s.json:1:6: expected ':' after a key"});
  CHECK(complaints("{a: 1}") == Lines{"s.json:1:2: expected a key in double quotes"});
  CHECK(complaints("{\"a\": 'b'}") == Lines{"s.json:1:7: strings stand in double quotes"});
  CHECK(complaints("{\"a\": 1 \"b\": 2}") ==
        Lines{"s.json:1:9: expected ',' or '}' in the object opened at line 1, column 1"});
  CHECK(complaints("{\"a\": 0x10}") ==
        Lines{"s.json:1:7: a hexadecimal number is written as a string, \"0x...\""});
  CHECK(complaints("{\"a\": 012}") == Lines{"s.json:1:7: a number must not begin with 0"});
  CHECK(complaints("{\"a\": -}") == Lines{"s.json:1:7: expected digits after '-'"});
  CHECK(complaints("{\"a\": 1.}") == Lines{"s.json:1:9: expected digits after '.'"});
  CHECK(complaints("{\"a\": \"\\x\"}") == Lines{"s.json:1:9: unknown escape in a string"});
  CHECK(complaints("{\"a\": \"\\ud800\"}") == Lines{"s.json:1:9: half of a surrogate pair"});
  CHECK(complaints("{\"a\": \"x\ny\"}") ==
        Lines{"s.json:1:9: control character in a string (a missing quote?)"});
}

TEST_CASE("invalid UTF-8 is refused where it stands") {
  for (const char* bad : {"\x80", "\xc0\xaf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                          "\xf5", "\xc3", "\xe2\x82"}) {
    CHECK(complaints("{\"doc\": [\"" + std::string(bad) + "\"]}") ==
          Lines{"s.json:1:11: /doc: invalid UTF-8"});
  }
  CHECK(complaints("\xff{}") == Lines{"s.json:1:1: invalid UTF-8"});
  CHECK(good("\xef\xbb\xbf{\"format\": 1, \"doc\": [\"\xc3\xa9 \xf0\x9f\x90\xa7 \\u00e9 "
             "\\ud83d\\udc27\"], \"tasks\": {\"t\": {\"steps\": []}}}")
            .doc ==
        std::vector<std::string>{"\xc3\xa9 \xf0\x9f\x90\xa7 \xc3\xa9 \xf0\x9f\x90\xa7"});
}

TEST_CASE("nesting is bounded") {
  const std::string deep(100'000, '[');
  CHECK(complaints(deep).size() == 1);
  CHECK(complaints(deep).front().find("nested deeper than 64 levels") != std::string::npos);
  std::string fits = std::string(64, '[') + std::string(64, ']');
  CHECK(complaints(fits) == Lines{"s.json:1:1: must be a scenario (an object), not a list"});
}

TEST_CASE("a key that is there twice is refused, and all of them at once") {
  CHECK(complaints("{\"format\": 1,\n \"tasks\": {\"t\": {\"steps\": []}},\n \"format\": 1,\n"
                   " \"format\": 2}") ==
        Lines{"s.json:3:2: /format: the key \"format\" is here twice; it first stands at line 1",
              "s.json:4:2: /format: the key \"format\" is here twice; it first stands at line 1",
              "s.json:4:12: /format: must be 1, not 2"});
}

TEST_CASE("every prefix and every changed byte of a scenario loads or is refused, no more") {
  const std::string text = with_steps(
      R"({"id": "fd", "open": {"file": "f", "flags": ["O_RDWR"]}},
         {"id": "m", "mmap": {"fd": "fd", "length": "1MiB", "prot": ["READ"]}, "after": []},
         {"repeat": {"times": 3, "steps": [{"load": {"at": "m+4KiB"}, "expect": {"errno": 0}}]}})");
  CHECK(complaints(text).empty());
  for (std::size_t length = 0; length < text.size(); ++length) {
    CHECK_FALSE(complaints(text.substr(0, length)).empty());
  }
  Rng rng(4);
  std::size_t refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string changed = text;
    for (std::uint64_t n = 1 + rng.below(3); n > 0; --n) {
      changed[rng.below(changed.size())] = static_cast<char>(rng.below(256));
    }
    refused += complaints(changed).empty() ? 0 : 1;
  }
  CHECK(refused > 10'000);
}
