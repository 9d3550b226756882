// Extents of declared files. They must be whole blocks, disjoint in their file and on their device,
// and fit; which blocks the unplaced ones get is the file system's business.
#include <algorithm>
#include <numeric>
#include <tuple>

#include <fmt/format.h>

#include "base/units.hpp"
#include "scenario/reader.hpp"

namespace faultline {
namespace {

constexpr std::string_view state_words[] = {"written", "unwritten", "delalloc"};

}  // namespace

const PmemSpec* Reader::pmem_of(const FileSpec& file) const {
  if (file.fs.v == no_index || file.fs.v >= scenario_.filesystems.size()) return nullptr;
  const auto* xfs = std::get_if<XfsSpec>(&scenario_.filesystems[file.fs.v].what);
  if (xfs == nullptr || xfs->device.v >= scenario_.devices.size()) return nullptr;
  return std::get_if<PmemSpec>(&scenario_.devices[xfs->device.v].what);
}

void Reader::read_extents(NodeId list, FileSpec& file) {
  std::vector<NodeId> nodes;
  for (const NodeId node : Children(tree_, list)) {
    if (tree_[node].kind != JsonKind::object) continue;
    ExtentSpec extent;
    read_extent(node, file, extent);
    file.extents.push_back(extent);
    nodes.push_back(node);
  }
  std::vector<std::uint32_t> order(nodes.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return std::tie(file.extents[a].at, a) < std::tie(file.extents[b].at, b);
  });
  std::vector<ExtentSpec> sorted;
  std::vector<NodeId> sorted_nodes;
  for (const std::uint32_t index : order) {
    sorted.push_back(file.extents[index]);
    sorted_nodes.push_back(nodes[index]);
  }
  file.extents = std::move(sorted);
  check_overlaps(file, sorted_nodes);
}

void Reader::read_extent(NodeId node, const FileSpec& file, ExtentSpec& extent) {
  const NodeId at = get(node, "at");
  const NodeId length = get(node, "length");
  const NodeId phys = get(node, "phys");
  extent.at = values_.size(at);
  extent.length = values_.size(length);
  extent.state = values_.word(get(node, "state"), state_words, ExtentState::written);
  check_blocks(at, "the start of an extent");
  check_blocks(length, "the length of an extent");
  if (length != no_node && extent.length == 0) {
    wrong(length, [] { return std::string("an extent has at least 4096 bytes"); });
  }
  if (extent.at > largest_file || extent.length > largest_file - extent.at) {
    wrong(node, [] { return std::string("the extent ends beyond the largest file"); });
  }
  if (const NodeId shared = get(node, "shared_with"); shared != no_node) {
    const auto other = named(get(shared, "file"), files_, "file");
    extent.shared_with = FileRef(other.value_or(0));
    extent.shared_at = values_.size(get(shared, "at"));
    if (other) shared_.push_back({shared, file.fs, extent});
  }
  if (extent.state == ExtentState::delalloc) check_delalloc(node, file);
  if (phys == no_node) return;
  extent.phys = values_.size(phys);
  check_blocks(phys, "the place of an extent");
  if (extent.state == ExtentState::delalloc) {
    wrong(phys, [] { return std::string("a delalloc extent has no place on the device yet"); });
  }
  const PmemSpec* pmem = pmem_of(file);
  if (pmem == nullptr) return;
  if (pmem->size == 0) return;  // complained of
  if (*extent.phys > pmem->size || extent.length > pmem->size - *extent.phys) {
    wrong(phys, [&] {
      return fmt::format("the extent lies beyond its device, which has {}", size_text(pmem->size));
    });
  } else {
    physical_.push_back({file.device.v, *extent.phys, extent.length, node});
  }
}

/// Reservations are made for dirty pages of the page cache.
void Reader::check_delalloc(NodeId node, const FileSpec& file) {
  const NodeId state = get(node, "state");
  if (const NodeId shared = get(node, "shared_with"); shared != no_node) {
    wrong(shared, [] { return std::string("a delalloc extent has no blocks to share yet"); });
  }
  if (file.type != FileType::regular) {
    return wrong(state, [] { return std::string("only a regular file has delalloc extents"); });
  }
  if (file.fs.v == no_index || file.fs.v >= scenario_.filesystems.size()) return;
  const auto* const xfs = std::get_if<XfsSpec>(&scenario_.filesystems[file.fs.v].what);
  if (xfs == nullptr) {
    return wrong(state, [] { return std::string("only a file on XFS has delalloc extents"); });
  }
  if (xfs->dax == DaxMode::always && pmem_of(file) != nullptr) {
    wrong(state, [] {
      return std::string(
          "a DAX file has no delayed allocation: its blocks are allocated when it is written; "
          "\"dax\": \"never\" or a block device gives it a page cache");
    });
  }
}

void Reader::check_overlaps(const FileSpec& file, const std::vector<NodeId>& nodes) {
  const auto end = [&](std::size_t i) { return file.extents[i].at + file.extents[i].length; };
  std::size_t farthest = 0;  // of those before, the one that ends last
  for (std::size_t i = 1; i < nodes.size(); ++i) {
    if (file.extents[i].at < end(farthest)) {
      wrong(std::max(nodes[i], nodes[farthest]), [&] {
        const NodeId other = std::min(nodes[i], nodes[farthest]);
        return fmt::format("the extent overlaps that at line {}", tree_.line(other));
      });
    }
    if (end(i) > end(farthest)) farthest = i;
  }
}

void Reader::read_pattern(NodeId node, FileSpec& file) {
  if (node == no_node) return;
  ExtentPattern pattern;
  const NodeId every = get(node, "every");
  const NodeId length = get(node, "length");
  pattern.every = values_.size(every);
  pattern.length = values_.size(length);
  pattern.count = values_.size(get(node, "count"));
  pattern.state = values_.word(get(node, "state"), state_words, ExtentState::written);
  check_blocks(every, "the distance of extents");
  check_blocks(length, "the length of an extent");
  if (every == no_node || length == no_node) return;
  if (pattern.length == 0) {
    return wrong(length, [] { return std::string("an extent has at least 4096 bytes"); });
  }
  if (pattern.length > pattern.every) {
    return wrong(length, [&] {
      return fmt::format("the extents overlap: {} long, one every {}", size_text(pattern.length),
                         size_text(pattern.every));
    });
  }
  std::uint64_t end = 0;
  if (__builtin_mul_overflow(pattern.every, pattern.count, &end) || end > largest_file) {
    return wrong(node, [] { return std::string("the pattern ends beyond the largest file"); });
  }
  if (pattern.state == ExtentState::delalloc) check_delalloc(node, file);
  file.pattern = pattern;
}

/// An extent can only have blocks that another file has, and where that may be.
void Reader::check_shared() {
  for (const Shared& each : shared_) {
    if (each.fs.v >= scenario_.filesystems.size()) continue;  // complained of
    const auto* xfs = std::get_if<XfsSpec>(&scenario_.filesystems[each.fs.v].what);
    if (xfs == nullptr) continue;  // it has no blocks at all
    const FileSpec& other = scenario_.files[each.extent.shared_with.v];
    const std::uint64_t begin = each.extent.shared_at;
    const std::uint64_t end = begin + each.extent.length;
    std::uint64_t found = 0;
    for (const ExtentSpec& theirs : other.extents) {
      const std::uint64_t from = std::max(begin, theirs.at);
      const std::uint64_t to = std::min(end, theirs.at + theirs.length);
      if (from < to && theirs.state != ExtentState::delalloc) found += to - from;
    }
    // A pattern is measured when it is laid out.
    const bool covered = other.pattern || found == each.extent.length;
    if (xfs->reflink && other.fs == each.fs && covered) continue;
    wrong(each.node, [&] {
      return fmt::format(
          "{} must have blocks for all of the range, on the same file system, which "
          "must be made with reflink",
          json_quote(other.name));
    });
  }
}

/// Extents with a place must not share it; all together must fit on the device.
void Reader::check_space() {
  std::sort(physical_.begin(), physical_.end(), [](const Physical& a, const Physical& b) {
    return std::tie(a.device, a.at, a.node) < std::tie(b.device, b.at, b.node);
  });
  std::size_t farthest = 0;
  for (std::size_t i = 1; i < physical_.size(); ++i) {
    const Physical& before = physical_[farthest];
    const Physical& here = physical_[i];
    const bool same = here.device == before.device;
    if (same && here.at < before.at + before.length) {
      wrong(std::max(here.node, before.node), [&] {
        const NodeId other = std::min(here.node, before.node);
        return fmt::format("the extent overlaps, on the device, that at line {}",
                           tree_.line(other));
      });
    }
    if (!same || here.at + here.length > before.at + before.length) farthest = i;
  }
  std::vector<std::uint64_t> used(scenario_.devices.size());
  const NodeId files = get(tree_.root, "files");
  std::size_t index = 0;
  for (const NodeId node : Children(tree_, files)) {
    const FileSpec& file = scenario_.files[index++];
    const PmemSpec* pmem = pmem_of(file);
    if (pmem == nullptr) continue;
    std::uint64_t& sum = used[file.device.v];
    const bool fitted = sum <= pmem->size;
    for (const ExtentSpec& extent : file.extents) {
      if (extent.shared_with == no_file) sum = std::min(sum + extent.length, 2 * largest_device);
    }
    if (file.pattern) {
      sum = std::min(sum + file.pattern->length * file.pattern->count, 2 * largest_device);
    }
    if (!fitted || sum <= pmem->size || pmem->size == 0) continue;
    wrong(get(node, "extents"), [&] {
      return fmt::format("the extents of the files need more than the device has, {}",
                         size_text(pmem->size));
    });
  }
}

}  // namespace faultline
