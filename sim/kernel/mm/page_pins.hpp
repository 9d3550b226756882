// Pages that somebody outside of the page tables uses: a device that transfers to them, a driver
// that has asked for them with pin_user_pages(). Linux 6.12 counts them in the page itself; here
// they are a table beside it, because few pages ever are.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include <faultline/types.hpp>

namespace faultline {

struct Task;

struct PagePins {
  /// How many pins a frame has, by frame; none: not in the table.
  std::map<Pfn, std::uint32_t> counts;
  /// The frame that was pinned as that page of that mm (by id), once for each pin of it.
  std::multimap<std::pair<std::uint32_t, std::uint64_t>, Pfn> by_address;
  /// Who waits until a page of DAX is idle.
  std::vector<Task*> waiters;

  bool any(Pfn first, std::uint64_t pages) const {
    const auto at = counts.lower_bound(first);
    return at != counts.end() && at->first < first + pages;
  }
};

}  // namespace faultline
