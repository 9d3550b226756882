// Reads a text file line by line with a bounded buffer, so that a trace of any size can be read,
// and knows at which byte each line began, so that it can be read again. The file may be compressed
// or a pipe. A line longer than `max_line` is cut there: no trace has such lines, but a file that
// is no text may.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/text_file.hpp"
#include "base/diagnostic.hpp"

namespace faultline {

class LineReader {
 public:
  static constexpr std::size_t max_line = 1 << 20;

  explicit LineReader(std::string path);

  /// The next line without its newline, valid until the next call; nothing at the end of the file
  /// or when it cannot be read.
  std::optional<std::string_view> next();

  /// The same line with its newline: without one it is the file's last, and cut off, or the
  /// beginning of one that is too long.
  std::string_view raw() const { return raw_; }

  /// The byte at which the line that next() returned last begins.
  std::uint64_t offset() const { return offset_; }

  /// Goes to a byte that offset() once gave.
  void seek(std::uint64_t offset);

  /// Why the file could not be read, if so.
  const std::optional<Diagnostic>& problem() const { return problem_; }

 private:
  bool refill();
  void fail(int error);

  std::string path_;
  std::optional<Diagnostic> problem_;
  TextFile file_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;  // unread bytes are [begin_, end_)
  std::size_t end_ = 0;
  std::uint64_t position_ = 0;  // of buffer_[begin_] in the file
  std::uint64_t offset_ = 0;
  std::string_view raw_;
  bool at_end_ = false;
};

}  // namespace faultline
