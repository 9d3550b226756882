// What of the scenario format this version can play. The format is larger than what is built, so
// that scenarios written for a later version are told so by name instead of "unknown key".
#pragma once

#include <span>
#include <string_view>

namespace faultline {

/// `sort` is what kind of thing it is, as messages say it ("verb"), `word` its name in the format.
struct Support {
  std::string_view sort;
  std::string_view word;
  bool built;
};

/// The one table. What is not in it is built.
std::span<const Support> support_table();

bool is_built(std::string_view sort, std::string_view word);

}  // namespace faultline
