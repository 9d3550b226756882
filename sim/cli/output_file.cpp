// Whole files or none.
#include "cli/output_file.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

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

// The same file now, or the same once it is made.
bool same_file(const std::string& a, const std::string& b) {
  if (a == "-" || b == "-") return a == b;
  if (is_special(a) || is_special(b)) return false;
  std::error_code error;
  if (std::filesystem::equivalent(a, b, error)) return true;
  const auto whole = [&](const std::string& path) {
    return std::filesystem::weakly_canonical(std::filesystem::absolute(path, error), error);
  };
  const auto path = whole(a);
  return !path.empty() && path == whole(b);
}

}  // namespace

bool outputs_are_apart(const std::vector<NamedFile>& outputs,
                       const std::vector<NamedFile>& inputs) {
  const auto clash = [](const NamedFile& out, const NamedFile& other) {
    if (out.path.empty() || other.path.empty() || !same_file(out.path, other.path)) return false;
    std::fprintf(stderr, "%s %s: this is also %s\n", out.use.c_str(), out.path.c_str(),
                 other.use.c_str());
    return true;
  };
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    for (const NamedFile& input : inputs) {
      if (outputs[i].path != "-" && clash(outputs[i], input)) return false;
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (clash(outputs[i], outputs[j])) return false;
    }
  }
  return true;
}

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
