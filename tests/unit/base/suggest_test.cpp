// did-you-mean, and the interner.
#include <map>
#include <string>
#include <vector>

#include "base/interner.hpp"
#include "base/rng.hpp"
#include "base/suggest.hpp"
#include "catch.hpp"

using namespace faultline;

TEST_CASE("the nearest word is found, a far one is not") {
  const std::vector<std::string> known = {"mmap", "munmap", "mremap", "mprotect", "load", "lock"};
  CHECK(nearest_word("mmpa", known) == "mmap");
  CHECK(nearest_word("munmpa", known) == "munmap");
  CHECK(nearest_word("MPROTECT", known) == "mprotect");
  CHECK(nearest_word("protect", known) == "mprotect");
  CHECK(nearest_word("laod", known) == "load");
  CHECK(nearest_word("bogus", known).empty());
  CHECK(nearest_word("", known).empty());
  CHECK(nearest_word(std::string(10'000, 'm'), known).empty());
  CHECK(did_you_mean("mmpa", known) == "; did you mean mmap?");
  CHECK(did_you_mean("bogus", known).empty());
}

TEST_CASE("of equally near words the first is taken") {
  const std::vector<std::string> known = {"cat", "bat"};
  CHECK(nearest_word("rat", known) == "cat");
}

TEST_CASE("a suggestion shares something with what was written") {
  const std::vector<std::string> known = {"at", "is"};
  CHECK(nearest_word("q", known).empty());
}

TEST_CASE("the interner agrees with a map") {
  Interner interner;
  std::map<std::string, std::uint32_t> model{{"", 0}};
  Rng rng(3);
  for (int round = 0; round < 50'000; ++round) {
    const std::string text = std::to_string(rng.below(5'000));
    const auto [entry, is_new] = model.emplace(text, static_cast<std::uint32_t>(model.size()));
    if (is_new) REQUIRE(interner.find(text) == Interner::none);
    REQUIRE(interner.intern(text) == entry->second);
    REQUIRE(interner.find(text) == entry->second);
    REQUIRE(interner.view(entry->second) == text);
  }
  CHECK(interner.size() == model.size());
  CHECK(interner.intern("") == 0);
}
