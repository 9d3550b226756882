// A DAX persistent-memory device: what it holds (LineContent), how long an access takes, who waits
// for its bandwidth, and which lines are poisoned. One read and one write channel per device: an
// access occupies its channel for its bytes, rounded up to the medium's internal unit, and those
// that come later queue. drivers/nvdimm/pmem.c (6.12) is the driver above it. Left out: wear
// levelling, the write-combining buffer, per-DIMM interleaving, rare slow writes.
#pragma once

#include <cstdint>
#include <faultline/types.hpp>
#include <optional>

#include "machine/byte_ranges.hpp"
#include "machine/line_content.hpp"
#include "machine/presets.hpp"

namespace faultline {

enum class Pattern : std::uint8_t { random, sequential };

/// Offsets are bytes from the start of the device.
class PmemDevice {
 public:
  /// `first` is the frame that FrameAllocator::add_device gave; `size` a multiple of 4 KiB.
  PmemDevice(Pfn first, std::uint64_t size, const Costs& costs, Domain domain = Domain::adr);

  Pfn first_pfn() const { return first_; }
  std::uint64_t size() const { return content_.size(); }
  bool contains(Pfn pfn) const { return pfn.v - first_.v < size() >> PAGE_SHIFT; }
  /// Offset of an address that the device contains.
  std::uint64_t offset(Paddr pa) const { return pa.v - (first_.v << PAGE_SHIFT); }
  Pfn pfn(std::uint64_t offset) const { return first_ + (offset >> PAGE_SHIFT); }

  LineContent& content() { return content_; }
  const LineContent& content() const { return content_; }

  /// Time from `now` until a load of `bytes` has its data: queueing, latency of the first line,
  /// then the slower of the device and one core. Occupies the read channel. 0 bytes cost nothing.
  Nanos read(Nanos now, std::uint64_t bytes, Pattern pattern);
  /// Time until `bytes` that a core wrote through the cache and flushed are accepted.
  Nanos write(Nanos now, std::uint64_t bytes, Pattern pattern);
  /// The same for non-temporal stores.
  Nanos write_nt(Nanos now, std::uint64_t bytes, Pattern pattern);
  /// Time to write back `lines` dirty cache lines (clwb): a fixed cost each and their bandwidth.
  Nanos write_back(Nanos now, std::uint64_t lines);
  /// Time to zero `bytes` (one block or a range) with non-temporal stores.
  Nanos zero(Nanos now, std::uint64_t bytes);
  Nanos read_busy_until() const { return read_busy_; }
  Nanos write_busy_until() const { return write_busy_; }

  /// Poison: reading such a line is a machine check, writing all of it heals it. Lines of 64 bytes.
  void poison(std::uint64_t at, std::uint64_t length);
  void clear_poison(std::uint64_t at, std::uint64_t length);
  /// First poisoned offset in [at, at+length).
  std::optional<std::uint64_t> poisoned(std::uint64_t at, std::uint64_t length) const;
  bool has_poison() const { return !poison_.empty(); }

  /// Bad blocks: the sectors of 512 bytes that the driver knows to have poison (struct badblocks).
  /// It finds them when it scans the device at boot, and when a machine check tells of one.
  void note_bad_blocks(std::uint64_t at, std::uint64_t length);
  /// pmem_clear_poison(), pmem_clear_bb(): whole sectors of [at, at+length) are healed and good.
  void clear_bad_blocks(std::uint64_t at, std::uint64_t length);
  /// First bad byte in [at, at+length).
  std::optional<std::uint64_t> bad_block(std::uint64_t at, std::uint64_t length) const {
    return bad_blocks_.first(at, length);
  }

 private:
  std::uint64_t occupied(std::uint64_t bytes, Pattern pattern) const;
  Nanos access(Nanos now, Nanos& busy, Nanos latency, std::uint64_t bytes, std::uint64_t occupied,
               std::uint64_t bandwidth, Nanos line) const;

  Pfn first_;
  LineContent content_;
  Costs costs_;
  Nanos read_busy_{}, write_busy_{};
  ByteRanges poison_;      // whole lines
  ByteRanges bad_blocks_;  // whole sectors
};

}  // namespace faultline
