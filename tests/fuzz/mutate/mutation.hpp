// Turns seeds into nearly valid inputs. Input N depends on the seeds and on N alone; the first ones
// are the seeds themselves. Words and numbers that often break readers are put in beside random
// damage.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.hpp"

namespace faultline::fuzz {

class Mutator {
 public:
  /// `seeds` must not be empty.
  explicit Mutator(std::vector<std::string> seeds) : seeds_(std::move(seeds)) {}

  std::string input(std::uint64_t round) const;

 private:
  void mutate(std::string& text, Rng& rng) const;

  std::vector<std::string> seeds_;
};

}  // namespace faultline::fuzz
