// A buffered line reader with byte positions; see the header.
#include "analysis/views_lines.hpp"

#include <cerrno>
#include <cstring>
#include <utility>

namespace faultline {

LineReader::LineReader(std::string path)
    : path_(std::move(path)), file_(open_text(path_, problem_)), buffer_(2 * max_line) {
  at_end_ = !file_;
}

void LineReader::fail(int error) {
  Diagnostic problem;
  problem.file = path_;
  problem.what = std::string("cannot be read: ") + std::strerror(error);
  problem_ = problem;
  at_end_ = true;
}

bool LineReader::refill() {
  if (at_end_) return false;
  std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
  const auto got = std::fread(buffer_.data() + end_, 1, buffer_.size() - end_, file_.get());
  if (got == 0) {
    if (std::ferror(file_.get())) fail(errno);
    at_end_ = true;
  }
  end_ += got;
  return got > 0;
}

std::optional<std::string_view> LineReader::next() {
  std::size_t searched = 0;
  while (true) {
    const char* from = buffer_.data() + begin_;
    const std::size_t have = end_ - begin_;
    const auto* newline =
        static_cast<const char*>(std::memchr(from + searched, '\n', have - searched));
    if (!newline && have < max_line) {
      searched = have;
      if (refill()) continue;
      if (have == 0 || problem_) return std::nullopt;
      from = buffer_.data() + begin_;
    }
    std::size_t length = newline ? static_cast<std::size_t>(newline - from) : have;
    const bool whole = newline && length <= max_line;
    if (length > max_line) length = max_line;
    offset_ = position_;
    const std::size_t step = length + (whole ? 1 : 0);
    begin_ += step;
    position_ += step;
    raw_ = std::string_view(from, step);
    return raw_.substr(0, length);
  }
}

void LineReader::seek(std::uint64_t offset) {
  if (!file_ || problem_) return;
  if (fseeko(file_.get(), static_cast<off_t>(offset), SEEK_SET) != 0) return fail(errno);
  begin_ = end_ = 0;
  position_ = offset;
  at_end_ = false;
}

}  // namespace faultline
