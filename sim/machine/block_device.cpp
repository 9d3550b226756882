// Timing of a block device in integer nanoseconds: latencies of requests in the queue overlap,
// their transfers do not.
#include "machine/block_device.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/bug.hpp"

namespace faultline {

BlockDevice::BlockDevice(std::uint64_t size, const Costs& costs)
    : own_(std::make_unique<LineContent>(size, Domain::eadr)),
      content_(own_.get()),
      latency_(costs.block_latency),
      bandwidth_(costs.block_bw),
      slots_(std::max<std::uint64_t>(costs.block_queue_depth, 1)) {
  FL_ASSERT(size % PAGE_SIZE == 0);
}

BlockDevice::BlockDevice(LineContent& shared, const Costs& costs)
    : content_(&shared),
      latency_(costs.block_latency),
      bandwidth_(costs.block_bw),
      slots_(std::max<std::uint64_t>(costs.block_queue_depth, 1)) {}

Nanos BlockDevice::submit(Nanos now, std::uint64_t bytes) {
  Nanos& slot = *std::min_element(slots_.begin(), slots_.end());
  const Nanos start = std::max(now, slot);
  busy_until_ = std::max(busy_until_, start + latency_) + transfer_time(bytes, bandwidth_);
  slot = busy_until_;
  return slot;
}

void copy_content(LineContent& to, std::uint64_t to_at, const LineContent& from,
                  std::uint64_t from_at, std::uint64_t length) {
  std::array<std::byte, PAGE_SIZE> buffer;
  while (length != 0) {
    const std::uint64_t n = std::min<std::uint64_t>(length, buffer.size());
    const std::span<std::byte> bytes(buffer.data(), n);
    from.read(from_at, bytes);
    const bool uniform = n > 8 && std::memcmp(buffer.data(), buffer.data() + 8, n - 8) == 0;
    if (uniform && n % 8 == 0 && to_at % 8 == 0) {
      std::uint64_t word = 0;
      std::memcpy(&word, buffer.data(), sizeof word);
      to.fill(to_at, n, word);
    } else {
      to.store(to_at, bytes);
    }
    to_at += n;
    from_at += n;
    length -= n;
  }
}

}  // namespace faultline
