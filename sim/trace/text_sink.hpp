// Where trace text goes: a file, a descriptor, or a string. Remembers the first error and drops
// what follows, so that the caller learns of a full disk at close: nothing is lost silently.
#pragma once

#include <string>
#include <string_view>

namespace faultline {

/// An unbuffered byte sink; its one user, TextWriter, hands it big blocks.
class TextSink {
 public:
  /// Creates or truncates the file `path`; look at error() for whether that worked.
  static TextSink to_file(const std::string& path);
  /// Writes to an open descriptor, which stays the caller's: close() does not close it.
  static TextSink to_fd(int fd);
  /// Appends to `*text`, which must outlive the sink.
  static TextSink to_memory(std::string* text);

  TextSink(TextSink&& other) noexcept;
  TextSink& operator=(TextSink&&) = delete;
  ~TextSink();

  /// Takes all of `text`, unless an error came before.
  void write(std::string_view text);

  /// Closes what the sink opened. Returns the first errno met, 0 when every byte was taken.
  int close();

  /// The first errno met so far, 0 for none.
  int error() const { return error_; }

 private:
  TextSink() = default;

  int fd_ = -1;
  bool owned_ = false;
  std::string* text_ = nullptr;
  int error_ = 0;
};

}  // namespace faultline
