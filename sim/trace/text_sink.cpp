// write(2) until all is written; EINTR is not an error.
#include "trace/text_sink.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace faultline {

TextSink TextSink::to_file(const std::string& path) {
  TextSink sink;
  do {
    sink.fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  } while (sink.fd_ < 0 && errno == EINTR);
  if (sink.fd_ < 0) sink.error_ = errno;
  sink.owned_ = true;
  return sink;
}

TextSink TextSink::to_fd(int fd) {
  TextSink sink;
  sink.fd_ = fd;
  return sink;
}

TextSink TextSink::to_memory(std::string* text) {
  TextSink sink;
  sink.text_ = text;
  return sink;
}

TextSink::TextSink(TextSink&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      owned_(other.owned_),
      text_(std::exchange(other.text_, nullptr)),
      error_(other.error_) {}

TextSink::~TextSink() { close(); }

void TextSink::write(std::string_view text) {
  if (text_ != nullptr) {
    text_->append(text);
    return;
  }
  while (error_ == 0 && !text.empty()) {
    const auto n = ::write(fd_, text.data(), text.size());
    if (n > 0) {
      text.remove_prefix(static_cast<std::size_t>(n));
    } else if (n == 0) {
      error_ = EIO;  // no progress and no reason given: never loop on it
    } else if (errno != EINTR) {
      error_ = errno;
    }
  }
}

int TextSink::close() {
  if (owned_ && fd_ >= 0 && ::close(fd_) != 0 && error_ == 0) error_ = errno;
  fd_ = -1;
  owned_ = false;
  return error_;
}

}  // namespace faultline
