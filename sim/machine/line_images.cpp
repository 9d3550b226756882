// What of the lines survives a power cut, and what reads see of them. A cut leaves of each line its
// durable state or a newer one, each line for itself: the hardware writes lines back in any order.
#include <algorithm>
#include <cstring>

#include "base/bug.hpp"
#include "machine/line_content.hpp"

namespace faultline {

LineContent::Words LineContent::after_crash(std::uint64_t line) const {
  for (std::uint32_t i = first_of(line); i != 0; i = next_of(i)) {
    if (State(rec(i).state) == State::durable) return expand(line, rec(i));
  }
  Words words;
  words.fill(fill_.at(line));
  return words;
}

void LineContent::crash_line(std::uint64_t line) {
  for (std::uint32_t i = first_of(line); i != 0;) {
    const std::uint32_t next = next_of(i);
    if (State(rec(i).state) != State::durable) remove(line, i);
    i = next;
  }
}

// Lines of pages that have records; the visitor may drop them.
template <class Visit>
void LineContent::each_used_line(Visit&& visit) const {
  for (std::uint64_t area = 0; area < areas_.size(); ++area) {
    for (std::uint64_t page = area << 18; areas_[area] && page < (area + 1) << 18; ++page) {
      if (!areas_[area]->region[(page >> 9) & 511]) {
        page |= 511;
        continue;
      }
      if (slot_value(page) == 0) continue;
      for (std::uint64_t line = page * 64; line < (page + 1) * 64; ++line) visit(line);
    }
  }
}

void LineContent::crash() {
  each_used_line([this](std::uint64_t line) { crash_line(line); });
  for (auto& lines : flushed_) lines.clear();
}

std::uint32_t LineContent::newer_states(std::uint64_t line) const {
  std::uint32_t n = 0;
  for (std::uint32_t i = first_of(line); i != 0; i = next_of(i)) {
    if (State(rec(i).state) != State::durable) ++n;
  }
  return n;
}

std::vector<PendingLine> LineContent::pending() const {
  std::vector<PendingLine> out;
  if (live_ == 0) return out;
  each_used_line([&](std::uint64_t line) {
    if (const std::uint32_t newer = newer_states(line); newer != 0) out.push_back({line, newer});
  });
  return out;
}

LineContent::Words LineContent::in_image(std::uint64_t line, const CrashImage& image) const {
  if (image.kind == CrashImage::Kind::newest) return newest(line);
  if (image.kind == CrashImage::Kind::durable || line != image.line) return after_crash(line);
  // Lists are newest first.
  const std::uint32_t newer = newer_states(line);
  if (image.newer > newer) return newest(line);
  std::uint32_t i = first_of(line);
  for (std::uint32_t n = newer; n > image.newer; --n) i = next_of(i);
  return expand(line, rec(i));
}

void LineContent::write_back(std::uint64_t at, std::uint64_t length) {
  check_range(at, length);
  if (length == 0 || live_ == 0) return;
  for (std::uint64_t line = at / LINE; line <= (at + length - 1) / LINE; ++line) {
    if (slot_value(line / 64) == 0) {
      line |= 63;
      continue;
    }
    const std::uint32_t i = first_of(line);
    if (i == 0 || State(rec(i).state) == State::durable) continue;
    while (const std::uint32_t older = next_of(i)) remove(line, older);
    rec(i).state = unsigned(State::durable);
    if (Kind(rec(i).kind) == Kind::word && rec(i).value == fill_.at(line)) remove(line, i);
  }
}

template <class Get>
void LineContent::copy_out(std::uint64_t at, std::span<std::byte> out, Get&& get) const {
  check_range(at, out.size());
  for (std::uint64_t done = 0; done < out.size();) {
    const std::uint64_t line = (at + done) / LINE, offset = (at + done) % LINE;
    const std::uint64_t n = std::min<std::uint64_t>(out.size() - done, LINE - offset);
    const Words words = get(line);
    std::memcpy(out.data() + done, reinterpret_cast<const std::byte*>(words.data()) + offset, n);
    done += n;
  }
}

void LineContent::read(std::uint64_t at, std::span<std::byte> out) const {
  copy_out(at, out, [this](std::uint64_t line) { return newest(line); });
}

void LineContent::read_durable(std::uint64_t at, std::span<std::byte> out) const {
  copy_out(at, out, [this](std::uint64_t line) { return after_crash(line); });
}

void LineContent::read_image(std::uint64_t at, std::span<std::byte> out,
                             const CrashImage& image) const {
  copy_out(at, out, [&](std::uint64_t line) { return in_image(line, image); });
}

bool LineContent::durable(std::uint64_t at, std::uint64_t length) const {
  check_range(at, length);
  for (std::uint64_t line = at / LINE; length != 0 && line <= (at + length - 1) / LINE; ++line) {
    if (slot_value(line / 64) == 0) {
      line |= 63;
      continue;
    }
    const std::uint32_t i = first_of(line);
    if (i != 0 && State(rec(i).state) != State::durable) return false;
  }
  return true;
}

}  // namespace faultline
