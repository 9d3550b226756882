// A block device: what it holds, and when a request to it is complete. Requests take a slot of its
// queue each, wait for the fixed latency of the medium and share its bandwidth. Stands for a device
// under Linux' multi-queue block layer (block/blk-mq.c, 6.12) without schedulers, merging, plugging
// or a volatile write cache: what is complete is durable.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <faultline/types.hpp>

#include "machine/line_content.hpp"
#include "machine/presets.hpp"

namespace faultline {

/// Offsets are bytes from the start of the device.
class BlockDevice {
 public:
  /// `size` is a multiple of 4 KiB. Latency, bandwidth and queue depth are those of `costs`.
  BlockDevice(std::uint64_t size, const Costs& costs);
  /// The same memory as another device's, which must outlive this one.
  BlockDevice(LineContent& shared, const Costs& costs);

  std::uint64_t size() const { return content_->size(); }
  LineContent& content() { return *content_; }
  const LineContent& content() const { return *content_; }

  /// Without latency the device is memory: who submits a request does the copying.
  bool synchronous() const { return latency_.v == 0; }
  /// A request for `bytes`, submitted at `now`: the time at which it is complete. With all slots of
  /// the queue taken it begins when the first of them is free.
  Nanos submit(Nanos now, std::uint64_t bytes);

 private:
  std::unique_ptr<LineContent> own_;
  LineContent* content_;
  Nanos latency_;
  std::uint64_t bandwidth_;
  Nanos busy_until_{};        // the medium transfers until then
  std::vector<Nanos> slots_;  // when each slot of the queue is free
};

/// Copies `length` bytes of newest content; what repeats one 8-byte word costs no memory. Both
/// offsets are multiples of 8.
void copy_content(LineContent& to, std::uint64_t to_at, const LineContent& from,
                  std::uint64_t from_at, std::uint64_t length);

}  // namespace faultline
