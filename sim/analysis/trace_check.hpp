// Reads along with whoever takes a trace's text line by line himself, and says of one of ours what
// every other reader says: a line that is none, another format, a wrong count of records. Text of
// another program is left alone.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostic.hpp"
#include "trace/text_reader.hpp"

namespace faultline {

class TraceCheck {
 public:
  /// `file` is for messages only.
  explicit TraceCheck(std::string file);

  /// The next piece of the text.
  void feed(std::string_view piece) { reader_.feed(piece); }

  /// After the last piece: false, and why in `problems`, when nothing may be said of this trace.
  bool finish(std::vector<Diagnostic>& problems);

 private:
  TraceReader reader_;
};

}  // namespace faultline
