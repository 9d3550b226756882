// The arithmetic of device windows, against counting pages one by one.
#include "kernel/mm/mmap_action.hpp"

#include <cerrno>

#include "catch.hpp"

using namespace faultline;

namespace {

// The first frame of the mapping if every page of it lies in the window, page by page.
std::int64_t naive_window(std::uint64_t phys, std::uint64_t size, std::uint64_t pgoff,
                          std::uint64_t vma_pages, std::uint64_t* first) {
  const std::uint64_t begin = phys / PAGE_SIZE;
  const std::uint64_t end = (phys + size + PAGE_SIZE - 1) / PAGE_SIZE;
  if (begin + pgoff > end) return -EINVAL;
  for (std::uint64_t i = 0; i < vma_pages; ++i) {
    if (begin + pgoff + i >= end) return -EINVAL;
  }
  *first = begin + pgoff;
  return 0;
}

}  // namespace

TEST_CASE("windows of device memory are the pages that hold them") {
  for (const std::uint64_t phys : {0x10000ULL, 0x10080ULL, 0x10fffULL}) {
    for (const std::uint64_t size : {0ULL, 1ULL, 0xf80ULL, 0x1000ULL, 0x1001ULL, 0x8000ULL}) {
      for (std::uint64_t pgoff = 0; pgoff < 10; ++pgoff) {
        for (std::uint64_t pages = 1; pages < 10; ++pages) {
          Pfn pfn;
          std::uint64_t first = 0;
          const std::int64_t ours = iomap_window(phys, size, Pgoff(pgoff), pages, &pfn);
          REQUIRE(ours == naive_window(phys, size, pgoff, pages, &first));
          if (ours == 0) REQUIRE(pfn.v == first);
        }
      }
    }
  }
}

TEST_CASE("windows that wrap are none") {
  Pfn pfn;
  CHECK(iomap_window(~0ULL, 2, Pgoff(0), 1, &pfn) == -EINVAL);
  CHECK(iomap_window(0x1000, ~0ULL - 0x800, Pgoff(0), 1, &pfn) == -EINVAL);
  CHECK(iomap_window(0x1000, 0x1000, Pgoff(2), 0, &pfn) == -EINVAL);
}
