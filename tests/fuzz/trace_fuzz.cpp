// Fuzz target: the trace text reader. Any bytes must be read without a crash, and the size of the
// pieces in which they come must not change what is understood.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "trace/text_reader.hpp"

namespace {

using faultline::TraceLine;

// All that a callback saw, as one number (FNV-1a).
struct Digest {
  std::uint64_t hash = 0xcbf29ce484222325;
  std::uint64_t lines = 0;

  void add(std::string_view text) {
    for (const unsigned char c : text) hash = (hash ^ c) * 0x100000001b3;
    add(text.size());
  }
  void add(std::uint64_t number) {
    for (int i = 0; i < 64; i += 8) hash = (hash ^ ((number >> i) & 0xff)) * 0x100000001b3;
  }
  void operator()(const TraceLine& line) {
    ++lines;
    add(line.line);
    add(line.task);
    add(line.flags);
    add(line.event);
    add(line.body);
    add(line.time_ns);
    add(line.lost);
    add(static_cast<std::uint64_t>(line.cpu));
    for (const auto& field : line.fields) {
      add(field.name);
      add(field.text);
      add(field.value);
    }
  }
};

struct Reading {
  faultline::TraceResult result;
  Digest digest;
};

Reading read_in_pieces(std::string_view text, std::size_t piece) {
  Reading reading;
  faultline::TraceReader reader("fuzz", faultline::line_sink(reading.digest));
  for (std::size_t at = 0; at < text.size(); at += piece) {
    if (!reader.feed(text.substr(at, piece))) break;
  }
  reading.result = reader.finish();
  return reading;
}

void demand(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "trace_fuzz: %s\n", what);
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto whole = read_in_pieces(text, size + 1);
  const auto pieces = read_in_pieces(text, 1 + size % 61);
  const auto& a = whole.result;
  const auto& b = pieces.result;
  demand(whole.digest.hash == pieces.digest.hash, "the size of the pieces changed the lines");
  demand(a.readable == b.readable && a.malformed == b.malformed, "... or what is malformed");
  demand(a.info.complete == b.info.complete, "... or whether the trace is complete");
  demand(a.diagnostics.size() == b.diagnostics.size(), "... or the complaints");
  demand(a.diagnostics.size() <= faultline::TraceResult::max_diagnostics, "too many complaints");
  demand(whole.digest.lines == 0 || a.readable || a.malformed > 0 || !a.diagnostics.empty(),
         "unreadable without a reason");
  return 0;
}
