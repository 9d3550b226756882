// The words that a scenario may use and only other layers know, collected from them: knobs of the
// kernel's profiles, names of events, functions that can be made to fail.
#pragma once

#include <string_view>
#include <vector>

#include "scenario/load.hpp"

namespace faultline {

class KnownWords {
 public:
  KnownWords();
  KnownWords(const KnownWords&) = delete;
  KnownWords& operator=(const KnownWords&) = delete;

  /// For LoadInput; valid as long as this object.
  Vocabulary vocabulary() const;

 private:
  std::vector<std::vector<std::string_view>> words_;
  std::vector<KnobSpec> knobs_;
  std::vector<std::string_view> events_;
};

}  // namespace faultline
