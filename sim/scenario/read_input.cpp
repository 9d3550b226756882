// Files and standard input, with a reason when they cannot be read. Uses POSIX calls because
// streams do not tell a directory from an empty file.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <cstring>

#include "scenario/json_parser.hpp"
#include "scenario/load.hpp"

namespace faultline {
namespace {

Diagnostic unreadable(const std::string& path, std::string what) {
  return {Complaint::input, path == "-" ? "standard input" : path, 0, 0, {}, std::move(what)};
}

std::variant<std::string, Diagnostic> read_all(int fd, const std::string& path) {
  struct stat info{};
  if (fstat(fd, &info) == 0 && S_ISDIR(info.st_mode)) {
    return unreadable(path, "is a directory, not a scenario");
  }
  std::string text;
  if (S_ISREG(info.st_mode) && info.st_size > 0 &&
      static_cast<std::uint64_t>(info.st_size) <= largest_text) {
    text.reserve(static_cast<std::size_t>(info.st_size) + 1);
  }
  std::vector<char> chunk(1 << 20);
  for (;;) {
    const ssize_t got = read(fd, chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return unreadable(path, std::string("cannot be read: ") + std::strerror(errno));
    if (got == 0) return text;
    if (text.size() + static_cast<std::size_t>(got) > largest_text) {
      return unreadable(path, "is larger than 4 GiB");
    }
    text.append(chunk.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace

std::variant<std::string, Diagnostic> read_input(const std::string& path) {
  if (path == "-") return read_all(STDIN_FILENO, path);
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    if (errno == ENOENT) return unreadable(path, "no such file");
    return unreadable(path, std::string("cannot be opened: ") + std::strerror(errno));
  }
  auto result = read_all(fd, path);
  close(fd);
  return result;
}

}  // namespace faultline
