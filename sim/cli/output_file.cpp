// Whole files or none.
#include "cli/output_file.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace faultline {

namespace {

bool complain(const std::string& path) {
  std::fprintf(stderr, "%s: %s\n", path.c_str(), std::strerror(errno));
  return false;
}

bool put(std::FILE* file, std::string_view text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  return std::fflush(file) == 0 && written;
}

// A device or a pipe is written directly: it cannot be replaced by a file.
bool is_special(const std::string& path) {
  struct stat st{};
  return stat(path.c_str(), &st) == 0 && !S_ISREG(st.st_mode);
}

}  // namespace

bool write_stdout(std::string_view text) { return put(stdout, text) || complain("stdout"); }

bool write_file(const std::string& path, std::string_view text) {
  if (path == "-") return write_stdout(text);
  const bool direct = is_special(path);
  const std::string target = direct ? path : path + ".tmp" + std::to_string(getpid());
  std::FILE* const file = std::fopen(target.c_str(), "w");
  if (!file) return complain(path);
  bool ok = put(file, text) || complain(path);
  if (std::fclose(file) != 0 && ok) ok = complain(path);
  if (direct) return ok;
  if (ok && std::rename(target.c_str(), path.c_str()) != 0) ok = complain(path);
  if (!ok) std::remove(target.c_str());
  return ok;
}

}  // namespace faultline
