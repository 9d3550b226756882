// Content and durability of lines. Every record is the state of a whole line at one moment: the
// pending one is what loads see, each flushed one is what some CPU's fence will make durable, the
// durable one survives a crash. Newer states contain the older ones, so a fence drops all that came
// before.
#include "machine/line_content.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/bug.hpp"

namespace faultline {

static_assert(std::endian::native == std::endian::little, "words are copied as bytes");

LineContent::LineContent(std::uint64_t size, Domain domain) : size_(size), domain_(domain) {
  FL_ASSERT(size <= 1ULL << 50);
  areas_.resize((size + (1ULL << 30) - 1) >> 30);
}

void LineContent::check_range(std::uint64_t at, std::uint64_t length) const {
  FL_ASSERT(at <= size_ && length <= size_ - at);
}

LineContent::Words LineContent::expand(std::uint64_t line, const Record& record) const {
  Words words;
  switch (Kind(record.kind)) {
    case Kind::word:
      words.fill(fill_.at(line));
      words[record.word] = record.value;
      break;
    case Kind::uniform:
      words.fill(record.value);
      break;
    case Kind::full:
      words = full_[record.value];
      break;
  }
  return words;
}

LineContent::Words LineContent::newest(std::uint64_t line) const {
  if (const std::uint32_t i = first_of(line); i != 0) return expand(line, rec(i));
  Words words;
  words.fill(fill_.at(line));
  return words;
}

LineContent::Record LineContent::encode(std::uint64_t line, const Words& words, State state) {
  Record record{};
  record.state = unsigned(state);
  const std::uint64_t ground = fill_.at(line);
  unsigned differ = 0, at = 0;
  for (unsigned i = 0; i < words.size(); ++i) {
    if (words[i] != ground) ++differ, at = i;
  }
  if (differ <= 1) {
    record.kind = unsigned(Kind::word);
    record.word = at;
    record.value = words[at];
  } else if (std::all_of(words.begin(), words.end(), [&](auto w) { return w == words[0]; })) {
    record.kind = unsigned(Kind::uniform);
    record.value = words[0];
  } else {
    record.kind = unsigned(Kind::full);
    if (free_full_.empty()) {
      record.value = full_.size();
      full_.push_back(words);
    } else {
      record.value = free_full_.back();
      free_full_.pop_back();
      full_[record.value] = words;
    }
  }
  return record;
}

// Makes `words` the newest content: as pending over what there is, or as the only, durable state.
void LineContent::put(std::uint64_t line, const Words& words, State state) {
  if (state == State::durable) {
    drop_line(line);
    const std::uint64_t ground = fill_.at(line);
    if (std::all_of(words.begin(), words.end(), [&](auto w) { return w == ground; })) return;
  } else if (const std::uint32_t i = first_of(line);
             i != 0 && State(rec(i).state) == State::pending) {
    if (Kind(rec(i).kind) == Kind::full) free_full_.push_back(std::uint32_t(rec(i).value));
    Record record = encode(line, words, state);
    record.line = rec(i).line;
    record.next = rec(i).next;
    rec(i) = record;
    return;
  }
  add(line, encode(line, words, state));
}

// Rewrites [at, at+length) line by line; change_bytes(bytes in the line, first address, count).
template <class Change>
void LineContent::change(std::uint64_t at, std::uint64_t length, State state,
                         Change&& change_bytes) {
  check_range(at, length);
  const std::uint64_t end = at + length;
  while (at < end) {
    const std::uint64_t line = at / LINE;
    const std::uint64_t count = std::min(end, (line + 1) * LINE) - at;
    Words words = newest(line);
    change_bytes(reinterpret_cast<std::byte*>(words.data()) + at % LINE, at, count);
    put(line, words, state);
    at += count;
  }
}

void LineContent::store(std::uint64_t at, std::span<const std::byte> bytes) {
  const State state = domain_ == Domain::eadr ? State::durable : State::pending;
  change(at, bytes.size(), state, [&](std::byte* to, std::uint64_t address, std::uint64_t n) {
    std::memcpy(to, bytes.data() + (address - at), n);
  });
}

void LineContent::store_pattern(std::uint64_t at, std::uint64_t length, std::uint64_t value) {
  const State state = domain_ == Domain::eadr ? State::durable : State::pending;
  if (length == 8 && at % 8 == 0 && state == State::pending && first_of(at / LINE) == 0) {
    // The common store: one word of a line that has no state yet.
    check_range(at, length);
    if (value == fill_.at(at / LINE)) return;  // what it reads, and what a crash leaves, stay
    Record record{};
    record.state = unsigned(state);
    record.kind = unsigned(Kind::word);
    record.word = unsigned(at % LINE / 8);
    record.value = value;
    add(at / LINE, record);
    return;
  }
  change(at, length, state, [&](std::byte* to, std::uint64_t address, std::uint64_t n) {
    for (std::uint64_t i = 0; i < n; ++i) {
      to[i] = std::byte(value >> ((address + i - at) % 8 * 8));
    }
  });
}

void LineContent::persist(std::uint64_t at, std::span<const std::byte> bytes) {
  change(at, bytes.size(), State::durable,
         [&](std::byte* to, std::uint64_t address, std::uint64_t n) {
           std::memcpy(to, bytes.data() + (address - at), n);
         });
}

void LineContent::ntstore(std::uint32_t owner, std::uint64_t at, std::span<const std::byte> bytes) {
  store(at, bytes);
  flush(owner, at, bytes.size());
}

void LineContent::flush(std::uint32_t owner, std::uint64_t at, std::uint64_t length) {
  check_range(at, length);
  FL_ASSERT(owner < MAX_OWNERS);
  if (length == 0 || live_ == 0) return;
  for (std::uint64_t line = at / LINE; line <= (at + length - 1) / LINE; ++line) {
    // A page without records needs no look at its lines: flushing a large clean range is cheap.
    if (slot_value(line / 64) == 0) {
      line |= 63;
      continue;
    }
    flush_line(owner, line);
  }
}

void LineContent::flush_line(std::uint32_t owner, std::uint64_t line) {
  const std::uint32_t newest = first_of(line);
  if (newest == 0 || State(rec(newest).state) == State::durable) return;
  // An older flush of the same CPU may arrive though this one does not: it stays a state of the
  // line.
  bool listed = false;
  for (std::uint32_t i = next_of(newest); i != 0; i = next_of(i)) {
    listed |= State(rec(i).state) == State::flushed && rec(i).owner == owner;
  }
  if (State(rec(newest).state) == State::pending) {
    rec(newest).state = unsigned(State::flushed);
    rec(newest).owner = owner;
  } else if (rec(newest).owner != owner) {
    // On its way already for another CPU: this one's fence waits for it as well.
    Record copy = encode(line, expand(line, rec(newest)), State::flushed);
    copy.owner = owner;
    add(line, copy);
  } else {
    return;
  }
  if (listed) return;
  if (flushed_.size() <= owner) flushed_.resize(owner + 1);
  flushed_[owner].push_back(line);
}

void LineContent::fence(std::uint32_t owner) {
  if (owner >= flushed_.size()) return;
  for (const std::uint64_t line : flushed_[owner]) settle(owner, line);
  flushed_[owner].clear();
}

void LineContent::settle(std::uint32_t owner, std::uint64_t line) {
  std::uint32_t i = first_of(line);
  while (i != 0 && !(State(rec(i).state) == State::flushed && rec(i).owner == owner))
    i = next_of(i);
  if (i == 0) return;  // replaced by a fill meanwhile
  while (const std::uint32_t older = next_of(i)) remove(line, older);
  rec(i).state = unsigned(State::durable);
  if (Kind(rec(i).kind) == Kind::word && rec(i).value == fill_.at(line)) remove(line, i);
}

void LineContent::fill(std::uint64_t at, std::uint64_t length, std::uint64_t value) {
  check_range(at, length);
  const auto part = [&](std::uint64_t from, std::uint64_t to) {
    change(from, to - from, State::durable,
           [&](std::byte* out, std::uint64_t address, std::uint64_t n) {
             for (std::uint64_t i = 0; i < n; ++i) {
               out[i] = std::byte(value >> ((address + i) % 8 * 8));
             }
           });
  };
  const std::uint64_t end = at + length;
  const std::uint64_t first = (at + LINE - 1) / LINE, last = end / LINE;
  if (first >= last) return part(at, end);
  part(at, first * LINE);
  part(last * LINE, end);
  std::uint64_t line = first;
  for (; line < last && line % 64 != 0; ++line) drop_line(line);
  if (const std::uint64_t pages_end = last / 64; pages_end > line / 64) {
    drop_pages(line / 64, pages_end);
    line = pages_end * 64;
  }
  for (; line < last; ++line) drop_line(line);
  fill_.set(first, last, value);
}

std::uint64_t LineContent::read_u64(std::uint64_t at) const {
  std::uint64_t value;
  read(at, std::as_writable_bytes(std::span(&value, 1)));
  return value;
}

std::uint64_t LineContent::host_bytes() const {
  std::uint64_t bytes = areas_.size() * sizeof(areas_[0]) + fill_.host_bytes();
  for (const auto& area : areas_) {
    if (area) bytes += sizeof(Area) + area->used * sizeof(Region);
  }
  bytes += std::uint64_t(next_record_) * sizeof(Record);
  bytes += dense_.capacity() * sizeof(Dense) + full_.capacity() * sizeof(Words);
  for (const auto& lines : flushed_) bytes += lines.capacity() * sizeof(lines[0]);
  return bytes;
}

}  // namespace faultline
