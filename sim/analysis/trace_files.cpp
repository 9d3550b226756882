// Finding and unpacking traces.
#include "analysis/trace_files.hpp"

#include <zstd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>

namespace faultline {

namespace fs = std::filesystem;

namespace {

bool is_trace_name(const std::string& name) {
  return name.ends_with(".trace") || name.ends_with(".trace.zst") || name.ends_with(".ftrace.txt");
}

Diagnostic problem(const std::string& path, std::string what) {
  Diagnostic d;
  d.file = path;
  d.what = std::move(what);
  return d;
}

TraceResult unreadable(const std::string& path, std::string what) {
  TraceResult result;
  result.readable = false;
  result.diagnostics.push_back(problem(path, std::move(what)));
  return result;
}

TraceResult read_compressed(std::ifstream& file, const std::string& path, LineSink sink) {
  const std::unique_ptr<ZSTD_DStream, std::size_t (*)(ZSTD_DStream*)> stream(ZSTD_createDStream(),
                                                                             &ZSTD_freeDStream);
  std::string packed(ZSTD_DStreamInSize(), '\0');
  std::string text(ZSTD_DStreamOutSize(), '\0');
  TraceReader reader(path, sink);
  std::size_t left = 0;
  bool wanted = true;
  while (wanted && file) {
    file.read(packed.data(), static_cast<std::streamsize>(packed.size()));
    ZSTD_inBuffer in{packed.data(), static_cast<std::size_t>(file.gcount()), 0};
    while (wanted && in.pos < in.size) {
      ZSTD_outBuffer out{text.data(), text.size(), 0};
      left = ZSTD_decompressStream(stream.get(), &out, &in);
      if (ZSTD_isError(left)) return unreadable(path, "the compressed data are damaged");
      wanted = reader.feed({text.data(), out.pos});
    }
  }
  if (wanted && left != 0) return unreadable(path, "the compressed data end too early");
  return reader.finish();
}

}  // namespace

std::vector<std::string> trace_files(const std::vector<std::string>& paths,
                                     std::vector<Diagnostic>& problems) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    std::error_code error;
    if (!fs::is_directory(path, error)) {
      if (fs::exists(path, error)) {
        files.push_back(path);
      } else {
        problems.push_back(problem(path, "No such file or directory"));
      }
      continue;
    }
    std::vector<std::string> found;
    for (auto it = fs::recursive_directory_iterator(path, error);
         !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
      const std::string name = it->path().string();
      if (it->is_regular_file() && is_trace_name(name)) found.push_back(name);
    }
    if (error) problems.push_back(problem(path, error.message()));
    if (!error && found.empty()) problems.push_back(problem(path, "no trace is in this folder"));
    std::sort(found.begin(), found.end());
    files.insert(files.end(), found.begin(), found.end());
  }
  return files;
}

TraceResult read_any_trace(const std::string& path, LineSink sink) {
  constexpr unsigned char magic[] = {0x28, 0xb5, 0x2f, 0xfd};
  std::ifstream file(path, std::ios::binary);
  unsigned char head[4] = {};
  file.read(reinterpret_cast<char*>(head), sizeof head);
  if (!file || !std::equal(std::begin(head), std::end(head), std::begin(magic))) {
    return read_trace_file(path, sink);
  }
  file.seekg(0);
  return read_compressed(file, path, sink);
}

}  // namespace faultline
