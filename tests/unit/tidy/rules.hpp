// The house rules that a program can check: one function a rule, each from a file to findings.
// check_source runs all that apply to a file by its place in the tree.
#pragma once

#include <string>
#include <vector>

#include "source_text.hpp"

namespace faultline::tidy {

/// Lines over 100 columns, files over 400 lines, no comment at the head, no `#pragma once` in a
/// header, notes of unfinished work.
Findings check_text(const Source& source);

/// Functions over 60 lines.
Findings check_functions(const Source& source);

/// Words that could make two runs differ. `// not in output: REASON` on the line or on the one
/// above allows one.
Findings check_words(const Source& source);

/// What gcc 12 miscompiles: an awaited value as a condition, a braced temporary in an awaited call.
Findings check_awaits(const Source& source);

/// An include of a higher layer, or of a path that is not spelt from sim/.
Findings check_layers(const Source& source);

/// All rules that hold for the file's place.
Findings check_source(const Source& source);

/// The C++ files of a tree that the rules hold for, sorted, relative to `root`.
std::vector<std::string> source_files(const std::string& root);

}  // namespace faultline::tidy
