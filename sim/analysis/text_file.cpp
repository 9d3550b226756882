// Opening, unpacking and spooling. stdio and not iostreams, because a directory or an unreadable
// device must give its errno.
#include "analysis/text_file.hpp"

#include <zstd.h>

#include <cerrno>
#include <cstring>
#include <iterator>

namespace faultline {

namespace {

constexpr char zstd_magic[] = {'\x28', '\xb5', '\x2f', '\xfd'};
constexpr std::size_t piece_size = 1 << 20;

class Opener {
 public:
  Opener(const std::string& path, std::optional<Diagnostic>& problem)
      : path_(path), problem_(problem) {}

  TextFile open() {
    TextFile in(std::fopen(path_.c_str(), "rb"));
    if (!in) return fail(std::string("cannot be read: ") + std::strerror(errno));
    std::string head(sizeof zstd_magic, '\0');
    head.resize(std::fread(head.data(), 1, head.size(), in.get()));
    if (std::ferror(in.get())) return fail(std::string("cannot be read: ") + std::strerror(errno));
    const bool packed = head == std::string_view(zstd_magic, sizeof zstd_magic);
    const bool seekable = std::fseek(in.get(), 0, SEEK_SET) == 0;
    if (seekable && !packed) return in;
    if (seekable) head.clear();
    TextFile out(std::tmpfile());
    if (!out) return fail(std::string("no temporary file for it: ") + std::strerror(errno));
    if (!(packed ? unpack(in.get(), head, out.get()) : copy(in.get(), head, out.get()))) return {};
    std::rewind(out.get());
    return out;
  }

 private:
  TextFile fail(std::string what) {
    Diagnostic d;
    d.file = path_;
    d.what = std::move(what);
    problem_ = d;
    return nullptr;
  }

  bool put(std::FILE* out, const char* data, std::size_t size) {
    if (std::fwrite(data, 1, size, out) == size) return true;
    fail(std::string("no temporary file for it: ") + std::strerror(errno));
    return false;
  }

  bool copy(std::FILE* in, std::string piece, std::FILE* out) {
    while (!piece.empty()) {
      if (!put(out, piece.data(), piece.size())) return false;
      piece.resize(piece_size);
      piece.resize(std::fread(piece.data(), 1, piece.size(), in));
    }
    if (std::ferror(in)) fail(std::string("cannot be read: ") + std::strerror(errno));
    return !problem_;
  }

  // `piece`: what was read already.
  bool unpack(std::FILE* in, std::string piece, std::FILE* out) {
    const std::unique_ptr<ZSTD_DStream, std::size_t (*)(ZSTD_DStream*)> stream(ZSTD_createDStream(),
                                                                               &ZSTD_freeDStream);
    std::string text(ZSTD_DStreamOutSize(), '\0');
    std::size_t left = 1;
    for (;;) {
      ZSTD_inBuffer from{piece.data(), piece.size(), 0};
      while (from.pos < from.size) {
        ZSTD_outBuffer to{text.data(), text.size(), 0};
        left = ZSTD_decompressStream(stream.get(), &to, &from);
        if (ZSTD_isError(left)) {
          fail("the compressed data are damaged");
          return false;
        }
        if (!put(out, text.data(), to.pos)) return false;
      }
      piece.resize(piece_size);
      piece.resize(std::fread(piece.data(), 1, piece.size(), in));
      if (piece.empty()) break;
    }
    if (left != 0) fail("the compressed data end too early");
    return left == 0;
  }

  const std::string& path_;
  std::optional<Diagnostic>& problem_;
};

}  // namespace

TextFile open_text(const std::string& path, std::optional<Diagnostic>& problem) {
  return Opener(path, problem).open();
}

bool occurs_in(std::FILE* file, std::string_view word) {
  std::string text;
  bool found = false;
  for (;;) {
    const std::size_t kept = text.size();
    text.resize(kept + piece_size);
    const std::size_t got = std::fread(text.data() + kept, 1, piece_size, file);
    text.resize(kept + got);
    found = memmem(text.data(), text.size(), word.data(), word.size()) != nullptr;
    if (found || got == 0) break;
    if (text.size() >= word.size()) text.erase(0, text.size() - word.size() + 1);
  }
  std::rewind(file);
  return found;
}

}  // namespace faultline
