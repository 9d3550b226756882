// The less frequent half of the paging-structure caches: hits outside of the newest entry, and what
// drops entries.
#include "machine/walk_cache.hpp"

namespace faultline {

std::uint64_t* WalkCache::find_older(Cache& cache, std::uint64_t tag) {
  Entry* const ways = cache.ways.data();
  const unsigned size = cache.size;
  // Most searches find nothing, as after a page fault: so all ways, without a branch for each.
  unsigned found = size;
  for (unsigned way = 0; way < size; ++way) found = ways[way].tag == tag ? way : found;
  if (found == size) return nullptr;
  ways[found].used = ++clock_;
  cache.newest = found;
  return ways[found].entries;
}

// An empty way, else the one that was used longest ago. The newest one is used without its time
// being noted, so it is never the victim while there are others.
unsigned WalkCache::victim(const Cache& cache) {
  unsigned oldest = cache.newest == 0 && cache.size > 1 ? 1 : 0;
  for (unsigned way = 0; way < cache.size; ++way) {
    if (cache.ways[way].tag == 0) return way;
    if (way == cache.newest) continue;
    if (cache.ways[way].used < cache.ways[oldest].used) oldest = way;
  }
  return oldest;
}

void WalkCache::forget(std::uint32_t mm_id, Vaddr va) {
  for (unsigned level = 0; level < caches_.size(); ++level) {
    Cache& cache = caches_[level];
    if (cache.live == 0) continue;
    const std::uint64_t tag = tag_of(mm_id, va, PtLevel(level));
    unsigned way = cache.newest;
    if (cache.ways[way].tag != tag) {
      if (cache.absent(tag)) continue;
      for (way = 0; way < cache.size && cache.ways[way].tag != tag;) ++way;
    }
    if (way < cache.size) drop(cache, way);
  }
}

void WalkCache::flush(std::uint32_t mm_id) {
  for (Cache& cache : caches_) {
    for (unsigned way = 0; cache.live != 0 && way < cache.size; ++way) {
      const std::uint64_t tag = cache.ways[way].tag;
      if (tag != 0 && tag >> TAG_SHIFT == mm_id) drop(cache, way);
    }
  }
}

void WalkCache::flush_all() {
  for (Cache& cache : caches_) {
    if (cache.live == 0) continue;
    for (Entry& entry : cache.ways) entry.tag = 0;
    cache.counts = {};
    cache.live = cache.vacant = 0;
  }
}

}  // namespace faultline
