// A C++ source file as the tidy rules see it: the text itself, and two copies of the same length
// in which literals, or literals and comments and preprocessor lines, are blanked. So a rule can
// search code without being fooled by a word in a string, and positions mean the same in all three.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace faultline::tidy {

struct Source {
  std::string path;   ///< relative to the top of the tree, with `/`
  std::string text;   ///< as in the file
  std::string prose;  ///< string and character literals blanked
  std::string code;   ///< comments and preprocessor lines blanked too
};

/// What a rule complains of. `line` counts from 1; 0 means the whole file.
struct Finding {
  std::string path;
  std::size_t line = 0;
  std::string rule;
  std::string text;
};

using Findings = std::vector<Finding>;

Source make_source(std::string path, std::string text);

/// Line (from 1) of a position in any of the three texts.
std::size_t line_at(const Source& source, std::size_t position);

/// The lines of a text, without their ends; a last line without `\n` counts.
std::vector<std::string_view> lines_of(std::string_view text);

bool is_word_char(char c);

/// Positions of `word` in `code` where it is a whole identifier.
std::vector<std::size_t> find_word(std::string_view code, std::string_view word);

/// The position just after the bracket that closes the one at `open`; the end if there is none.
std::size_t skip_brackets(std::string_view code, std::size_t open);

}  // namespace faultline::tidy
