// Devices and the file systems on them, with the limits of both.
#include <algorithm>

#include <fmt/format.h>

#include "base/suggest.hpp"
#include "base/units.hpp"
#include "scenario/reader.hpp"

namespace faultline {
namespace {

constexpr std::string_view dax_words[] = {"always", "never", "inode"};

// XFS_AG_MIN_BYTES (fs/xfs/libxfs/xfs_fs.h): no allocation group is smaller.
constexpr std::uint64_t smallest_ag = 16ULL << 20;

}  // namespace

std::optional<std::uint32_t> Reader::named(NodeId node, const NameTable& table,
                                           std::string_view sort) {
  const std::string_view name = values_.text(node);
  if (name.empty()) return std::nullopt;
  const auto found = table.find(name);
  if (found) return found;
  wrong(node, [&] {
    const std::span<const std::string_view> known(table.names);
    return fmt::format("unknown {} {}{}", sort, json_quote(name), did_you_mean(name, known));
  });
  return std::nullopt;
}

void Reader::read_devices(NodeId devices) {
  for (const NodeId node : Children(tree_, devices)) {
    DeviceSpec device;
    device.name = tree_.key(node);
    if (const NodeId pmem = get(node, "pmem"); pmem != no_node) {
      read_pmem(pmem, device);
    } else if (const NodeId block = get(node, "block"); block != no_node) {
      read_block(block, device);
    } else {
      device.what = read_char(get(node, "char"));
    }
    scenario_.devices.push_back(std::move(device));
  }
  check_stacking(devices);
}

/// Complains about the size of a device that cannot be.
void Reader::check_device_size(NodeId node) {
  if (node == no_node) return;
  const std::uint64_t size = values_.size(node);
  if (size == 0) {
    wrong(node, [] { return std::string("a device has at least 4096 bytes"); });
  } else if (size > largest_device) {
    wrong(node, [&] {
      return fmt::format("{} is too large: a device has at most {}", size_text(size),
                         size_text(largest_device));
    });
  } else {
    check_blocks(node, "the size of a device");
  }
}

void Reader::read_block(NodeId node, DeviceSpec& device) {
  const NodeId size = get(node, "size");
  check_device_size(size);
  device.what = BlockSpec{values_.size(size), std::string(values_.text(get(node, "preset")))};
}

void Reader::read_pmem(NodeId node, DeviceSpec& device) {
  PmemSpec pmem;
  const NodeId size = get(node, "size");
  pmem.size = values_.size(size);
  pmem.preset = values_.text(get(node, "preset"));
  check_device_size(size);
  for (const NodeId each : Children(tree_, get(node, "poison"))) {
    const ByteRange range{values_.size(get(each, "at")), values_.size(get(each, "length"))};
    if (pmem.size != 0 && (range.at > pmem.size || range.length > pmem.size - range.at)) {
      wrong(each, [&] {
        return fmt::format("lies beyond the device, which has {}", size_text(pmem.size));
      });
    }
    const NodeId known = get(each, "known");
    const bool latent = known != no_node && !values_.truth(known, true);
    (latent ? pmem.latent_poison : pmem.poison).push_back(range);
  }
  device.what = std::move(pmem);
}

bool Reader::check_blocks(NodeId node, std::string_view what) {
  if (node == no_node || values_.size(node) % PAGE_SIZE == 0) return true;
  wrong(node, [&] { return fmt::format("{} is a multiple of 4096 bytes", what); });
  return false;
}

void Reader::read_filesystems(NodeId filesystems) {
  for (const NodeId node : Children(tree_, filesystems)) {
    FilesystemSpec fs;
    fs.name = tree_.key(node);
    fs.what = TmpfsSpec{};
    if (const NodeId xfs = get(node, "xfs"); xfs != no_node) read_xfs(xfs, fs);
    scenario_.filesystems.push_back(std::move(fs));
  }
}

/// A stripe unit is whole blocks, a width whole units; without a width there is one disk.
void Reader::check_stripe(NodeId node, XfsSpec& xfs) {
  const NodeId sunit = get(node, "sunit");
  const NodeId swidth = get(node, "swidth");
  check_blocks(sunit, "a stripe unit");
  if (swidth != no_node && xfs.sunit == 0) {
    wrong(swidth, [] { return std::string("a stripe width needs \"sunit\", the stripe unit"); });
  } else if (swidth != no_node && (xfs.swidth == 0 || xfs.swidth % xfs.sunit != 0)) {
    wrong(swidth, [&] {
      return fmt::format("a stripe width is a multiple of the stripe unit, {}",
                         size_text(xfs.sunit));
    });
  } else if (swidth == no_node) {
    xfs.swidth = xfs.sunit;
  }
}

void Reader::read_xfs(NodeId node, FilesystemSpec& fs) {
  XfsSpec xfs;
  const NodeId device = get(node, "device");
  const auto index = named(device, devices_, "device");
  xfs.device = DeviceRef(index.value_or(0));
  xfs.dax = values_.word(get(node, "dax"), dax_words, xfs.dax);
  xfs.reflink = values_.truth(get(node, "reflink"), xfs.reflink);
  xfs.relatime = values_.truth(get(node, "relatime"), xfs.relatime);
  xfs.agcount = static_cast<std::uint32_t>(values_.size(get(node, "agcount")));
  xfs.sunit = values_.size(get(node, "sunit"));
  xfs.swidth = values_.size(get(node, "swidth"));
  const NodeId log_size = get(node, "log_size");
  if (log_size != no_node) xfs.log_size = values_.size(log_size);
  check_blocks(log_size, "the size of a log");
  check_stripe(node, xfs);
  if (index) {
    for (const FilesystemSpec& other : scenario_.filesystems) {
      const auto* its = std::get_if<XfsSpec>(&other.what);
      if (its == nullptr || its->device != xfs.device) continue;
      wrong(device, [&] {
        return fmt::format("{} already holds {}", json_quote(values_.text(device)),
                           json_quote(other.name));
      });
    }
    const auto& what = scenario_.devices[*index].what;
    const auto* pmem = std::get_if<PmemSpec>(&what);
    const auto* block = std::get_if<BlockSpec>(&what);
    const std::uint64_t size = pmem ? pmem->size : block ? block->size : 0;
    const std::uint64_t least = smallest_ag * std::max<std::uint64_t>(xfs.agcount, 1);
    if (std::holds_alternative<CharSpec>(what)) {
      wrong(device, [] { return std::string("no file system fits on a character device"); });
    } else if (size != 0 && size < least) {  // 0: complained of where the device is
      wrong(device, [&] {
        return fmt::format("XFS needs {} here (16MiB for each allocation group), the device has {}",
                           size_text(least), size_text(size));
      });
    }
  }
  fs.what = xfs;
}

}  // namespace faultline
