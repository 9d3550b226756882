// Timing of a pmem device in integer nanoseconds. A request waits for its channel, then takes the
// latency of its first line, then streams the rest at the slower of the device's bandwidth and what
// one core can move; the channel stays busy for the request's bytes at the device's bandwidth.
#include "machine/pmem.hpp"

#include <algorithm>

#include "base/bug.hpp"

namespace faultline {

namespace {
constexpr std::uint64_t LINE = LineContent::LINE;
constexpr std::uint64_t SECTOR = 512;
constexpr std::uint64_t lines_of(std::uint64_t bytes) { return (bytes + LINE - 1) / LINE; }
}  // namespace

PmemDevice::PmemDevice(Pfn first, std::uint64_t size, const Costs& costs, Domain domain)
    : first_(first), content_(size, domain), costs_(costs) {
  FL_ASSERT(size % PAGE_SIZE == 0);
}

// Random accesses cost the medium whole internal units; sequential ones share them.
std::uint64_t PmemDevice::occupied(std::uint64_t bytes, Pattern pattern) const {
  const std::uint64_t unit =
      pattern == Pattern::random ? std::max<std::uint64_t>(costs_.pmem_granule, LINE) : LINE;
  if (bytes <= unit) return bytes == 0 ? 0 : unit;
  return (bytes + unit - 1) / unit * unit;
}

Nanos PmemDevice::access(Nanos now, Nanos& busy, Nanos latency, std::uint64_t bytes,
                         std::uint64_t occupied, std::uint64_t bandwidth, Nanos line) const {
  if (bytes == 0) return Nanos(0);
  const Nanos start = std::max(now, busy);
  busy = start + transfer_time(occupied, bandwidth);
  const std::uint64_t rest = lines_of(bytes) - 1;
  if (rest == 0) return (start - now) + latency;
  const Nanos stream = std::max(transfer_time(rest * LINE, bandwidth), line * rest);
  return (start - now) + latency + stream;
}

Nanos PmemDevice::read(Nanos now, std::uint64_t bytes, Pattern pattern) {
  const Nanos latency = pattern == Pattern::random ? costs_.pmem_read_rand : costs_.pmem_read_seq;
  return access(now, read_busy_, latency, bytes, occupied(bytes, pattern), costs_.pmem_read_bw,
                costs_.pmem_stream_read_line);
}

Nanos PmemDevice::write(Nanos now, std::uint64_t bytes, Pattern pattern) {
  return access(now, write_busy_, costs_.pmem_store_flush, bytes, occupied(bytes, pattern),
                costs_.pmem_write_bw, costs_.pmem_stream_write_line);
}

Nanos PmemDevice::write_nt(Nanos now, std::uint64_t bytes, Pattern pattern) {
  return access(now, write_busy_, costs_.pmem_ntstore, bytes, occupied(bytes, pattern),
                costs_.pmem_write_bw, costs_.pmem_stream_write_line);
}

Nanos PmemDevice::write_back(Nanos now, std::uint64_t lines) {
  if (lines == 0) return Nanos(0);
  const Nanos start = std::max(now, write_busy_);
  const Nanos transfer = transfer_time(lines * LINE, costs_.pmem_write_bw);
  write_busy_ = start + transfer;
  // Write-backs overlap: one fixed cost, then the device's bandwidth decides.
  return (start - now) + costs_.cacheline_writeback + transfer;
}

Nanos PmemDevice::zero(Nanos now, std::uint64_t bytes) {
  if (bytes == 0) return Nanos(0);
  const Nanos start = std::max(now, write_busy_);
  write_busy_ = start + transfer_time(bytes, costs_.pmem_write_bw);
  return (start - now) + transfer_time(bytes, costs_.pmem_zero_bw);
}

void PmemDevice::poison(std::uint64_t at, std::uint64_t length) {
  if (length == 0 || at >= size()) return;
  poison_.add(at / LINE * LINE, lines_of(at + std::min(length, size() - at)) * LINE);
}

void PmemDevice::clear_poison(std::uint64_t at, std::uint64_t length) {
  // Only lines written as a whole are healed.
  if (poison_.empty() || at >= size()) return;
  poison_.remove(lines_of(at) * LINE, (at + std::min(length, size() - at)) / LINE * LINE);
}

std::optional<std::uint64_t> PmemDevice::poisoned(std::uint64_t at, std::uint64_t length) const {
  return poison_.first(at, length);
}

void PmemDevice::note_bad_blocks(std::uint64_t at, std::uint64_t length) {
  if (length == 0 || at >= size()) return;
  const std::uint64_t end = at + std::min(length, size() - at);
  bad_blocks_.add(at / SECTOR * SECTOR, (end + SECTOR - 1) / SECTOR * SECTOR);
}

void PmemDevice::clear_bad_blocks(std::uint64_t at, std::uint64_t length) {
  if (at >= size()) return;
  const std::uint64_t start = (at + SECTOR - 1) / SECTOR * SECTOR;
  const std::uint64_t end = (at + std::min(length, size() - at)) / SECTOR * SECTOR;
  poison_.remove(start, end);
  bad_blocks_.remove(start, end);
}

}  // namespace faultline
