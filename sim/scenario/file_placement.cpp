// See the header. Extents of a pattern that follow each other in the file must not do so on the
// device, or they would be one: a free block is left between them, and where there is no room for
// that, every other extent comes first.
#include "scenario/file_placement.hpp"

#include <algorithm>

#include "kernel/fs/xfs/xfs_bmap_fork.hpp"
#include "scenario/build_files.hpp"

namespace faultline {

using namespace xfs;

namespace {

// Cuts at the ends of allocation groups and at the longest length of a record.
void add_extent(const Geometry& geo, std::vector<Extent>& to, std::uint64_t off,
                std::uint64_t block, std::uint64_t count, ExtState state) {
  while (count != 0) {
    const std::uint64_t in_ag = geo.agblocks - block % geo.agblocks;
    const std::uint64_t n = std::min({count, in_ag, std::uint64_t{max_extlen}});
    const FsBlock start = geo.fsb(static_cast<AgNumber>(block / geo.agblocks),
                                  static_cast<AgBlock>(block % geo.agblocks));
    to.push_back({off, start, static_cast<ExtLen>(n), state});
    off += n;
    block += n;
    count -= n;
  }
}

ExtState state_of(ExtentState state) {
  return state == ExtentState::unwritten ? ExtState::unwritten : ExtState::written;
}

}  // namespace

Diagnostic placement_complaint(const Scenario& scenario, const std::string& pointer,
                               const std::string& what) {
  Diagnostic d;
  d.complaint = Complaint::meaning;
  d.file = scenario.file;
  d.pointer = pointer;
  d.what = what;
  return d;
}

FilePlacement::FilePlacement(const Scenario& scenario, FsRef fs)
    : scenario_(scenario),
      fs_(fs),
      layouts_(scenario.files.size()),
      reflink_(scenario.files.size()) {}

std::vector<std::size_t> FilePlacement::files() const {
  std::vector<std::size_t> files;
  for (std::size_t f = 0; f < scenario_.files.size(); ++f) {
    if (lies_on(scenario_.files[f], fs_)) files.push_back(f);
  }
  return files;
}

bool FilePlacement::crosses_headers(const Geometry& geo) const {
  for (const std::size_t f : files()) {
    for (const ExtentSpec& e : scenario_.files[f].extents) {
      if (!e.phys) continue;
      const std::uint64_t first = *e.phys >> block_log;
      const std::uint64_t last = first + (e.length >> block_log) - 1;
      const std::uint64_t ag_start = last / geo.agblocks * geo.agblocks;
      if (first / geo.agblocks != last / geo.agblocks || first < ag_start + geo.prealloc_blocks()) {
        return true;
      }
    }
  }
  return false;
}

void FilePlacement::place_fixed(const Geometry& geo, std::vector<Diagnostic>& errors) {
  for (const std::size_t f : files()) {
    const FileSpec& file = scenario_.files[f];
    for (std::size_t i = 0; i < file.extents.size(); ++i) {
      const ExtentSpec& e = file.extents[i];
      if (!e.phys) continue;
      const std::uint64_t block = *e.phys >> block_log;
      const std::uint64_t ag_start = block / geo.agblocks * geo.agblocks;
      if (block - ag_start < geo.prealloc_blocks()) {
        errors.push_back(placement_complaint(
            scenario_, "/files/" + file.name + "/extents/" + std::to_string(i) + "/phys",
            "the extent lies on the file system's own blocks; an allocation group's data begin " +
                std::to_string(geo.prealloc_blocks() * PAGE_SIZE) + " bytes after its start"));
        continue;
      }
      add_extent(geo, layouts_[f], e.at >> block_log, block, e.length >> block_log,
                 state_of(e.state));
    }
  }
}

void FilePlacement::place_shared(const Geometry& geo, std::vector<Diagnostic>& errors) {
  for (const std::size_t f : files()) {
    const FileSpec& file = scenario_.files[f];
    for (std::size_t i = 0; i < file.extents.size(); ++i) {
      const ExtentSpec& e = file.extents[i];
      if (e.shared_with == no_file) continue;
      std::uint64_t found = 0;
      const std::uint64_t first = e.shared_at >> block_log;
      const std::uint64_t end = first + (e.length >> block_log);
      const std::vector<Extent> theirs = layouts_[e.shared_with.v];
      for (const Extent& t : theirs) {
        const std::uint64_t from = std::max(first, t.off), to = std::min(end, t.end());
        if (from >= to) continue;
        const Extent mine{(e.at >> block_log) + (from - first), t.start + (from - t.off),
                          static_cast<ExtLen>(to - from), t.state};
        layouts_[f].push_back(mine);
        shared_.push_back(mine);
        found += to - from;
      }
      reflink_[f] = reflink_[e.shared_with.v] = true;
      const bool ours = lies_on(scenario_.files[e.shared_with.v], fs_);
      if (geo.reflink && ours && found == end - first) continue;
      errors.push_back(placement_complaint(
          scenario_, "/files/" + file.name + "/extents/" + std::to_string(i) + "/shared_with",
          "the other file must have blocks for all of the range, on the same file system, which "
          "must be made with reflink"));
    }
  }
}

void FilePlacement::mark_used(const Geometry& geo, BlockLayout& blocks) const {
  for (const std::vector<Extent>& extents : layouts_) {
    for (const Extent& e : extents) blocks.use(geo, e);
  }
}

// Whether everything fits with a free block between any two extents of a pattern. A part of the
// device is left for what the file system itself needs.
bool FilePlacement::crowded(const Geometry& geo, const BlockLayout& blocks) const {
  constexpr std::uint64_t own_share = 64;
  std::uint64_t wanted = geo.dblocks / own_share;
  for (const std::size_t f : files()) {
    const FileSpec& file = scenario_.files[f];
    for (const ExtentSpec& e : file.extents) {
      if (!e.phys && e.shared_with == no_file) wanted += e.length >> block_log;
    }
    if (!file.pattern) continue;
    const ExtentPattern& p = *file.pattern;
    wanted += p.count * ((p.length >> block_log) + (p.every == p.length ? 1 : 0));
    wanted += bmbt_blocks_needed(geo, p.count);
  }
  return wanted > blocks.free_blocks();
}

bool FilePlacement::place(const Geometry& geo, std::size_t f, const ExtentSpec& e,
                          BlockLayout& blocks) {
  std::uint64_t off = e.at >> block_log;
  std::uint64_t left = e.length >> block_log;
  while (left != 0) {
    const BlockRange got = blocks.take(left);
    if (got.count == 0) return false;
    add_extent(geo, layouts_[f], off, got.first, got.count, state_of(e.state));
    off += got.count;
    left -= got.count;
  }
  return true;
}

bool FilePlacement::place_pattern(const Geometry& geo, std::size_t f, BlockLayout& blocks) {
  const ExtentPattern& p = *scenario_.files[f].pattern;
  const bool adjacent = p.every == p.length;
  const auto place_one = [&](std::uint64_t i) {
    ExtentSpec e;
    e.at = i * p.every;
    e.length = p.length;
    e.state = p.state;
    return place(geo, f, e, blocks);
  };
  if (adjacent && crowded_) {
    // The last odd one and the first even one do not follow each other either.
    for (const std::uint64_t first : {1, 0}) {
      for (std::uint64_t i = first; i < p.count; i += 2) {
        if (!place_one(i)) return false;
      }
    }
    return true;
  }
  for (std::uint64_t i = 0; i < p.count; ++i) {
    if (!place_one(i)) return false;
    if (adjacent) blocks.skip(1);
  }
  return true;
}

bool FilePlacement::place_free(const Geometry& geo, BlockLayout& blocks) {
  crowded_ = crowded(geo, blocks);
  for (const std::size_t f : files()) {
    const FileSpec& file = scenario_.files[f];
    for (const ExtentSpec& e : file.extents) {
      if (e.phys || e.shared_with != no_file || e.state == ExtentState::delalloc) continue;
      if (!place(geo, f, e, blocks)) return false;
    }
    const bool reserved = file.pattern && file.pattern->state == ExtentState::delalloc;
    if (file.pattern && !reserved && !place_pattern(geo, f, blocks)) return false;
  }
  return true;
}

bool FilePlacement::place_tree(const Geometry& geo, std::size_t f, BlockLayout& blocks,
                               std::vector<FsBlock>& tree) {
  std::vector<Extent>& extents = layouts_[f];
  std::sort(extents.begin(), extents.end(),
            [](const Extent& a, const Extent& b) { return a.off < b.off; });
  for (std::uint64_t n = bmbt_blocks_needed(geo, extents.size()); n > 0; --n) {
    const BlockRange got = blocks.take(1);
    if (got.count != 1) return false;
    tree.push_back(BlockLayout::fsblock(geo, got.first));
  }
  return true;
}

}  // namespace faultline
