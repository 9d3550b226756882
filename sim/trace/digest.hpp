// A sink that reduces a run to 128 bits: XXH3 over the canonical bytes of its records. Canonical
// means: all numbers little-endian; an event is its catalogue code (a hash of its name, so that new
// rows do not change old digests); a symbol or task is its number in order of first use in the
// digest, whose text went in before that first use.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "trace/tracer.hpp"

struct XXH3_state_s;

namespace faultline {

/// Digest of a run's records; add it to the tracer with EventMask::all().
class Digest {
 public:
  /// `tracer` gives the texts and must outlive this.
  explicit Digest(const Tracer& tracer);
  ~Digest();
  Digest(const Digest&) = delete;
  Digest& operator=(const Digest&) = delete;

  void on_record(const Record& record);

  /// Digest of all records so far as 32 hex digits. More records may follow.
  std::string hex();

  /// Records taken so far.
  std::uint64_t records() const { return records_; }

 private:
  void put(std::uint64_t word);
  void put_text(std::string_view text);
  void flush();
  std::uint64_t local(std::uint64_t symbol);
  std::uint64_t local_task(TaskId task);

  const Tracer& tracer_;
  XXH3_state_s* state_;
  std::vector<std::uint32_t> symbols_;  ///< by SymbolId: 1 + number in order of use, 0 not used
  std::vector<std::uint32_t> tasks_;    ///< by TaskId, the same
  std::uint32_t used_symbols_ = 0;
  std::uint32_t used_tasks_ = 0;
  std::unique_ptr<unsigned char[]> buffer_;
  std::size_t fill_ = 0;
  std::uint64_t records_ = 0;
};

}  // namespace faultline
