// Frames: order, alignment, references, exhaustion.
#include "machine/frames.hpp"

#include <set>

#include "catch.hpp"

using namespace faultline;

TEST_CASE("frames come in order, huge ones aligned, and the gap is used first") {
  FrameAllocator f(64 * PMD_SIZE);
  CHECK(f.alloc() == Pfn(0x100));
  CHECK(f.alloc() == Pfn(0x101));
  CHECK(f.alloc_huge() == Pfn(0x200));
  CHECK(f.alloc() == Pfn(0x102));
  CHECK(f.used() == 3 + 512);
  CHECK(f.put(Pfn(0x101)));
  CHECK(f.alloc() == Pfn(0x101));
  CHECK(f.put(Pfn(0x200)));
  CHECK(f.alloc_huge() == Pfn(0x200));
}

TEST_CASE("a frame is given back with its last reference") {
  FrameAllocator f(PMD_SIZE);
  const Pfn p = *f.alloc();
  CHECK(f.count(p) == 1);
  f.get(p);
  f.get(p);
  CHECK(f.count(p) == 3);
  CHECK_FALSE(f.put(p));
  CHECK_FALSE(f.put(p));
  CHECK(f.count(p) == 1);
  CHECK(f.put(p));
  CHECK(f.used() == 0);
}

TEST_CASE("DRAM ends, tables and frames do not meet, devices lie above") {
  FrameAllocator f(2 * PMD_SIZE);  // frames 0x100 .. 0x3ff
  CHECK(f.top() == Pfn(0x400));
  CHECK(f.claim_top(0x100));
  std::set<std::uint64_t> seen;
  while (const auto p = f.alloc()) {
    CHECK(p->v >= 0x100);
    CHECK(p->v < 0x300);
    CHECK(seen.insert(p->v).second);
  }
  CHECK(seen.size() == 0x200);
  CHECK_FALSE(f.claim_top(1));
  CHECK_FALSE(f.alloc_huge());
  const Pfn a = f.add_device(10), b = f.add_device(1ULL << 28);
  CHECK(a == Pfn(0x8000));
  CHECK(b == Pfn(0x10000));
  CHECK_FALSE(f.is_dram(a));
  CHECK(f.add_device(1) == Pfn(0x10000 + (1ULL << 28)));
}

TEST_CASE("any frame of a huge one stands for the whole") {
  FrameAllocator f(64 * PMD_SIZE);
  const Pfn huge = *f.alloc_huge();
  f.get(huge, 511);
  CHECK(f.count(huge + 7) == 512);
  CHECK(f.in_huge(huge + 511));
  CHECK_FALSE(f.in_huge(huge + 512));
  for (std::uint64_t i = 1; i < 512; ++i) CHECK_FALSE(f.put(huge + i));
  CHECK(f.put(huge + 3));
  CHECK_FALSE(f.in_huge(huge));
  CHECK(f.used() == 0);
}
