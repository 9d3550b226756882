// What is wrong with something a user wrote, and where. Every part of Faultline that reads input
// returns these; the command line prints them, one a line, and ends with exit code 2.
#pragma once

#include <cstdint>
#include <string>

namespace faultline {

/// What sort of complaint it is: `syntax` the text is not JSON; `shape` a key, type or word is not
/// of the format (the schema says the same); `meaning` well-formed, but makes no sense together;
/// `not_built` part of the format that this version cannot play yet; `input` the file itself.
enum class Complaint : std::uint8_t { syntax, shape, meaning, not_built, input };

struct Diagnostic {
  Complaint complaint = Complaint::input;
  std::string file;          ///< as the user named it; "--set KEY=VALUE" for an override
  std::uint32_t line = 0;    ///< from 1; 0: the file as a whole
  std::uint32_t column = 0;  ///< from 1, in bytes
  std::string pointer;       ///< JSON pointer; "" is the whole document
  std::string what;          ///< a sentence without its full stop, hint included
};

/// "FILE:LINE:COL: /pointer: what is wrong; did you mean ...?", without what is not there. One
/// line: control characters print as \uXXXX.
std::string to_string(const Diagnostic& diagnostic);

}  // namespace faultline
