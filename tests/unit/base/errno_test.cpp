// Error names against those of the C library of the machine that runs the test (x86-64 Linux).
#include <cstring>
#include <string>

#include <faultline/errno.hpp>

#include "catch.hpp"

using namespace faultline;

TEST_CASE("every errno has the name the C library gives it") {
  for (int number = 1; number <= errno_max; ++number) {
    const char* theirs = strerrorname_np(number);
    CAPTURE(number);
    CHECK(std::string(errno_name(number)) == (theirs == nullptr ? "" : theirs));
    if (theirs != nullptr) CHECK(errno_from_name(theirs) == number);
  }
  CHECK(strerrorname_np(errno_max + 1) == nullptr);
}

TEST_CASE("numbers and names that are not errors") {
  CHECK(errno_name(0) == "0");
  CHECK(errno_name(-1).empty());
  CHECK(errno_name(134).empty());
  CHECK(errno_name(41).empty());
  CHECK_FALSE(errno_from_name(""));
  CHECK_FALSE(errno_from_name("0"));
  CHECK_FALSE(errno_from_name("EBOGUS"));
  CHECK_FALSE(errno_from_name("enoent"));
  CHECK(errno_from_name("EWOULDBLOCK") == EWOULDBLOCK);
  CHECK(errno_from_name("EDEADLOCK") == EDEADLOCK);
  CHECK(errno_from_name("ENOTSUP") == ENOTSUP);
}
