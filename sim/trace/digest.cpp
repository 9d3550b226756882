// Canonical bytes are gathered in a block before they go into XXH3, whose update has a fixed cost.
#include "trace/digest.hpp"

#include <xxhash.h>

#include <bit>
#include <cstring>

#include "base/bug.hpp"

namespace faultline {
namespace {

constexpr std::size_t block = 16 * 1024;

std::uint64_t little_endian(std::uint64_t word) {
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
  return word;
}

}  // namespace

Digest::Digest(const Tracer& tracer)
    : tracer_(tracer), state_(XXH3_createState()), buffer_(new unsigned char[block]) {
  FL_ASSERT(state_ != nullptr);
  XXH3_128bits_reset(state_);
}

Digest::~Digest() { XXH3_freeState(state_); }

void Digest::on_record(const Record& record) {
  const EventInfo& info = catalogue::info(record.event);
  const std::uint64_t task = local_task(record.task);
  std::array<std::uint64_t, max_args> words;
  for (std::size_t i = 0; i < record.n; ++i) {
    const std::uint64_t word = record.arg[i];
    if ((info.symbol_words >> i) & 1) {
      words[i] = local(word);
    } else if (((info.ip_words >> i) & 1) && (word & ip_symbol_bit)) {
      words[i] = ip_symbol_bit | local(word & 0xffffffff);
    } else {
      words[i] = word;
    }
  }
  put(record.time.v);
  put(std::uint64_t{info.code} << 32 | std::uint64_t{record.cpu.v} << 16 |
      std::uint64_t{static_cast<std::uint8_t>(record.context)} << 8 | record.n);
  put(task);
  for (std::size_t i = 0; i < record.n; ++i) put(words[i]);
  ++records_;
}

std::string Digest::hex() {
  flush();
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state_));
  std::string text;
  for (const unsigned char byte : canonical.digest) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

std::uint64_t Digest::local(std::uint64_t symbol) {
  if (symbol >= symbols_.size()) symbols_.resize(tracer_.symbols().size());
  FL_ASSERT(symbol < symbols_.size());
  if (symbols_[symbol] == 0) {
    symbols_[symbol] = ++used_symbols_;
    put_text(tracer_.symbols().text(SymbolId(static_cast<std::uint32_t>(symbol))));
  }
  return symbols_[symbol] - 1;
}

std::uint64_t Digest::local_task(TaskId task) {
  if (task.v >= tasks_.size()) tasks_.resize(std::size_t{task.v} + 1);
  if (tasks_[task.v] == 0) {
    tasks_[task.v] = ++used_tasks_;
    const TaskName& name = tracer_.tasks().name(task);
    put(static_cast<std::uint64_t>(std::int64_t{name.pid}));
    put_text(name.comm);
  }
  return tasks_[task.v] - 1;
}

void Digest::put(std::uint64_t word) {
  if (fill_ + sizeof(word) > block) flush();
  word = little_endian(word);
  std::memcpy(buffer_.get() + fill_, &word, sizeof(word));
  fill_ += sizeof(word);
}

void Digest::put_text(std::string_view text) {
  put(text.size());
  flush();
  XXH3_128bits_update(state_, text.data(), text.size());
}

void Digest::flush() {
  XXH3_128bits_update(state_, buffer_.get(), fill_);
  fill_ = 0;
}

}  // namespace faultline
