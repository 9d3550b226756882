// "did you mean ...?": finds, among known words, the one a person most likely wanted to write.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace faultline {

/// The known word nearest to `word`, or an empty string when none is near. Near: at most a third of
/// its letters (at least one) inserted, deleted, changed or swapped with their neighbour; case does
/// not count. The first of equally near ones. Looks at the first 4096 candidates only.
std::string nearest_word(std::string_view word, std::span<const std::string> known);
std::string nearest_word(std::string_view word, std::span<const std::string_view> known);

/// "; did you mean NEAREST?" or an empty string.
std::string did_you_mean(std::string_view word, std::span<const std::string> known);
std::string did_you_mean(std::string_view word, std::span<const std::string_view> known);

}  // namespace faultline
