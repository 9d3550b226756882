// Reading, comparing and writing golden traces; large ones are kept compressed.
#include "cli/golden.hpp"

#include <fmt/format.h>
#include <zstd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <vector>

#include "cli/output_file.hpp"

namespace faultline {

namespace {

std::optional<std::string> read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::optional<std::string> decompress(const std::string& bytes) {
  const auto size = ZSTD_getFrameContentSize(bytes.data(), bytes.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN || size > (1ULL << 32)) {
    return std::nullopt;
  }
  std::string text(size, '\0');
  const std::size_t n = ZSTD_decompress(text.data(), text.size(), bytes.data(), bytes.size());
  if (ZSTD_isError(n) || n != text.size()) return std::nullopt;
  return text;
}

std::string compress(const std::string& text) {
  std::string bytes(ZSTD_compressBound(text.size()), '\0');
  const std::size_t n = ZSTD_compress(bytes.data(), bytes.size(), text.data(), text.size(), 19);
  bytes.resize(n);
  return bytes;
}

std::string first_difference(const std::string& golden, const std::string& trace) {
  std::size_t line = 1;
  std::size_t begin = 0;
  std::size_t i = 0;
  while (i < golden.size() && i < trace.size() && golden[i] == trace[i]) {
    if (golden[i] == '\n') {
      ++line;
      begin = i + 1;
    }
    ++i;
  }
  const auto rest = [begin](const std::string& s) {
    return s.substr(begin, s.find('\n', begin) - begin);
  };
  return fmt::format("line {}:\n  golden: {}\n  now:    {}", line, rest(golden), rest(trace));
}

}  // namespace

GoldenResult compare_golden(const std::string& path, const std::string& trace, bool update) {
  const std::string stem =
      path.substr(0, path.size() - std::filesystem::path(path).extension().string().size());
  std::optional<std::string> golden;
  std::string name = stem + ".trace.zst";
  if (const auto bytes = read_bytes(name)) {
    golden = decompress(*bytes);
    if (!golden && !update) return {GoldenState::unreadable, name + ": damaged"};
  } else {
    golden = read_bytes(stem + ".trace");
    if (golden) name = stem + ".trace";
  }
  if (golden && *golden == trace) return {GoldenState::same, {}};
  if (update) {
    const bool plain = golden && name == stem + ".trace";
    const bool written =
        write_file(plain ? name : stem + ".trace.zst", plain ? trace : compress(trace));
    return {written ? GoldenState::updated : GoldenState::unreadable, name + ": not written"};
  }
  if (!golden) return {GoldenState::missing, stem + ".trace.zst: missing; --update writes it"};
  return {GoldenState::differs, name + " differs in " + first_difference(*golden, trace)};
}

}  // namespace faultline
