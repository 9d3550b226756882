// The door to scenarios: JSON text in, a checked Scenario out, or everything that is wrong with it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <faultline/scenario.hpp>

#include "base/diagnostic.hpp"

namespace faultline {

// Limits of declarations. Arguments of system calls have none.
inline constexpr std::uint64_t largest_device = 64ULL << 40;     ///< bytes
inline constexpr std::uint64_t largest_file = (1ULL << 63) - 1;  ///< bytes, as Linux has it
inline constexpr std::uint64_t most_steps = 10'000'000;
inline constexpr std::uint64_t most_tasks = 65'536;
inline constexpr std::uint64_t most_files = 1'000'000;
inline constexpr std::uint64_t most_devices = 1'024;
inline constexpr std::uint64_t longest_duration = 1'000'000'000'000'000'000;  ///< ns, 31 years

enum class KnobType : std::uint8_t { boolean, integer, size, duration, word };

/// What a profile lets be set.
struct KnobSpec {
  std::string_view name;
  KnobType type;
  std::span<const std::string_view> words{};  ///< of type word
  std::uint64_t min = 0, max = ~0ULL;         ///< of the numbers
};

/// Words that only other layers know. An empty list of events or functions is not checked against.
struct Vocabulary {
  std::span<const KnobSpec> knobs{};
  std::span<const std::string_view> events{};     ///< that a trace can hold
  std::span<const std::string_view> functions{};  ///< that `inject` can make fail
};

/// `--set KEY=VALUE`. A key with a leading "/" is a JSON pointer into the scenario, where missing
/// objects are made and "-" appends to a list; any other is a knob. The value is JSON if it parses
/// as JSON and a string if not.
struct Override {
  std::string key;
  std::string value;
};

struct LoadInput {
  std::string text;
  std::string file;  ///< the name for messages; "-" is standard input
  std::vector<Override> overrides{};
  Vocabulary vocabulary{};
};

using LoadResult = std::variant<Scenario, std::vector<Diagnostic>>;

/// Reads and checks a scenario. The diagnostics are sorted by position and never empty; at most a
/// hundred, and one more that says how many were left out.
LoadResult load_scenario(LoadInput input);

/// The bytes of a file, or of standard input for "-"; a Diagnostic when it is missing, a directory,
/// unreadable or larger than 4 GiB.
std::variant<std::string, Diagnostic> read_input(const std::string& path);

}  // namespace faultline
