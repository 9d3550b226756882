// A block device's timing, by arithmetic, and copies between memories.
#include "machine/block_device.hpp"

#include "catch.hpp"

using namespace faultline;

namespace {
Costs costs_of(std::uint64_t latency, std::uint64_t bandwidth, std::uint64_t depth) {
  Costs costs = zero_costs();
  costs.block_latency = Nanos(latency);
  costs.block_bw = bandwidth;
  costs.block_queue_depth = depth;
  return costs;
}
}  // namespace

TEST_CASE("block device: a lone request takes latency and transfer") {
  BlockDevice device(1 << 20, costs_of(20000, 3000, 4));
  CHECK(device.submit(Nanos(100), 3000).v == 100 + 20000 + 1000);
}

TEST_CASE("block device: latencies overlap, transfers do not") {
  BlockDevice device(1 << 20, costs_of(20000, 1000, 4));
  CHECK(device.submit(Nanos(0), 1000).v == 21000);
  CHECK(device.submit(Nanos(0), 1000).v == 22000);
}

TEST_CASE("block device: a full queue makes the next request wait") {
  BlockDevice device(1 << 20, costs_of(10000, 0, 2));
  CHECK(device.submit(Nanos(0), 4096).v == 10000);
  CHECK(device.submit(Nanos(0), 4096).v == 10000);
  CHECK(device.submit(Nanos(0), 4096).v == 20000);
}

TEST_CASE("copy_content: uniform and other bytes arrive, uniform ones cost no records") {
  LineContent from(1 << 16, Domain::adr);
  LineContent to(1 << 16, Domain::adr);
  from.fill(0, 4096, 0x1122334455667788);
  from.store_pattern(4096 + 64, 8, 0xabcdef);
  copy_content(to, 8192, from, 0, 4096);
  CHECK(to.read_u64(8192 + 4088) == 0x1122334455667788);
  CHECK(to.records() == 0);
  copy_content(to, 16384, from, 4096, 4096);
  CHECK(to.read_u64(16384 + 64) == 0xabcdef);
  CHECK(to.read_u64(16384 + 72) == 0);
}
