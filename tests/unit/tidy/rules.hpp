// The house rules that a program can check: one function a rule, each from a file to findings.
// check_source runs all that apply to a file by its place in the tree.
#pragma once

#include <cstddef>
#include <map>
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

/// A type defined at namespace scope, outside of unnamed namespaces.
struct Definition {
  std::string name;  ///< qualified
  std::string path;
  std::size_t line = 0;
};

std::vector<Definition> definitions(const Source& source);

/// Complains of a type that two files of a program define.
class DefinitionTable {
 public:
  void add(const Source& source, Findings& found);

 private:
  std::map<std::string, Definition> first_;
};

/// All rules that hold for the file's place.
Findings check_source(const Source& source);

/// The C++ files of a tree that the rules hold for, sorted, relative to `root`.
std::vector<std::string> source_files(const std::string& root);

}  // namespace faultline::tidy
