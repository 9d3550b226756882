// Looks at devices and logs. See the header.
#include "kernel/fs/power_cut.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <span>

#include "kernel/fs/durable_promises.hpp"
#include "kernel/fs/xfs/xfs_log_recover.hpp"
#include "kernel/fs/xfs/xfs_mount.hpp"

namespace faultline {

namespace {

constexpr std::uint64_t line_size = LineContent::LINE;

const LineContent& content_of(const super_block& sb) {
  return sb.s_bdev ? sb.s_bdev->content() : sb.s_daxdev->content();
}

// Which file has a block of the device, by the first byte of each extent.
struct Owner {
  std::uint64_t length;
  const inode* node;
  std::uint64_t off;  ///< bytes
};
using Owners = std::map<std::uint64_t, Owner>;

Owners owners_of(const Kernel& k, const FsAfterCut& fs) {
  Owners owners;
  const xfs::Geometry& geo = fs.sb->mount->space.geo;
  for (const inode& node : k.inodes) {
    const auto found = fs.recovered.inodes.find(node.i_ino);
    if (node.i_sb != fs.sb || found == fs.recovered.inodes.end()) continue;
    for (const auto& [off, e] : found->second.extents) {
      if (e.state != xfs::ExtState::written) continue;
      owners[geo.device_offset(e.start).v] = {std::uint64_t{e.len} << PAGE_SHIFT, &node,
                                              off << PAGE_SHIFT};
    }
  }
  return owners;
}

std::uint64_t word_of(const LineContent& content, std::uint64_t at, const CrashImage& image) {
  std::uint64_t value = 0;
  content.read_image(at, std::as_writable_bytes(std::span(&value, 1)), image);
  return value;
}

// The first word of the line in which its states differ, and what it is in each of them.
CutLine describe(const LineContent& content, const PendingLine& line, const Owners& owners) {
  CutLine out;
  const std::uint64_t start = line.line * line_size;
  std::uint64_t at = start;
  for (std::uint64_t word = start; word < start + line_size; word += 8) {
    std::set<std::uint64_t> seen{word_of(content, word, {CrashImage::Kind::durable})};
    for (std::uint32_t n = 1; n <= line.newer; ++n) {
      seen.insert(word_of(content, word, {CrashImage::Kind::one_line, line.line, n}));
    }
    if (seen.size() > 1) {
      at = word;
      break;
    }
  }
  out.values.push_back(word_of(content, at, {CrashImage::Kind::durable}));
  for (std::uint32_t n = 1; n <= line.newer; ++n) {
    out.values.push_back(word_of(content, at, {CrashImage::Kind::one_line, line.line, n}));
  }
  out.at = at;
  auto owner = owners.upper_bound(at);
  if (owner == owners.begin()) return out;
  --owner;
  if (at - owner->first >= owner->second.length) return out;
  out.file = owner->second.node->name;
  out.at = owner->second.off + (at - owner->first);
  return out;
}

void add_lines(const LineContent& content, const Owners& owners, PowerCut& cut) {
  std::uint64_t single = 0;
  for (const PendingLine& line : content.pending()) {
    ++cut.pending_lines;
    single += line.newer;
    if (cut.lines.size() < PowerCut::kept_lines) {
      cut.lines.push_back(describe(content, line, owners));
    }
  }
  // Nothing and everything; with a single state pending, that one alone is everything.
  if (single != 0) cut.images += single == 1 ? 1 : 1 + single;
}

}  // namespace

void prepare_power_cuts(Kernel& k) {
  k.promises = std::make_unique<DurablePromises>();
  for (super_block& sb : k.supers) {
    if (sb.mount) sb.mount->log.set_initial(xfs::meta_state_of(k, *sb.mount));
  }
}

PowerCut look_at_power_cut(const Kernel& k) {
  PowerCut cut;
  for (const super_block& sb : k.supers) {
    if (!sb.mount) continue;
    FsAfterCut& fs = cut.filesystems.emplace_back();
    fs.sb = &sb;
    fs.recovered = sb.mount->log.crash_state();
    fs.lost_records = sb.mount->log.volatile_records();
    fs.wrong = xfs::check_recovered(*sb.mount, fs.recovered);
    fs.promises = broken_promises(k, sb, fs.recovered);
    add_lines(content_of(sb), owners_of(k, fs), cut);
  }
  return cut;
}

std::vector<std::uint64_t> contents_after(const PowerCut& cut, const inode& node,
                                          std::uint64_t at) {
  const auto fs = std::find_if(cut.filesystems.begin(), cut.filesystems.end(),
                               [&](const FsAfterCut& f) { return f.sb == node.i_sb; });
  if (fs == cut.filesystems.end()) return {0};
  const LineContent& content = content_of(*fs->sb);
  const xfs::Geometry& geo = fs->sb->mount->space.geo;
  const auto inode_at = fs->recovered.inodes.find(node.i_ino);
  const std::uint64_t size = inode_at == fs->recovered.inodes.end() ? 0 : inode_at->second.size;
  std::array<std::optional<std::uint64_t>, 8> where;  // of each byte on the device
  std::set<std::uint64_t> lines;
  for (unsigned i = 0; i < 8; ++i) {
    const auto block = xfs::recovered_block(fs->recovered, node.i_ino, (at + i) >> PAGE_SHIFT);
    if (at + i >= size || block.len == 0 || block.state != xfs::ExtState::written) continue;
    where[i] = geo.device_offset(block.start).v + ((at + i) & ~PAGE_MASK);
    lines.insert(*where[i] / line_size);
  }
  const auto value_in = [&](const CrashImage& image) {
    std::uint64_t value = 0;
    for (unsigned i = 0; i < 8; ++i) {
      std::array<std::byte, 1> byte{};
      if (where[i]) content.read_image(*where[i], byte, image);
      value |= std::to_integer<std::uint64_t>(byte[0]) << (8 * i);
    }
    return value;
  };
  std::vector<std::uint64_t> values{value_in({CrashImage::Kind::durable}),
                                    value_in({CrashImage::Kind::newest})};
  for (const std::uint64_t line : lines) {
    for (std::uint32_t n = 1; n <= content.newer_states(line); ++n) {
      values.push_back(value_in({CrashImage::Kind::one_line, line, n}));
    }
  }
  return values;
}

}  // namespace faultline
