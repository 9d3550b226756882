// Questions about the end of a run: the blocks of a file, entries of page tables, what a file
// holds, where a mapping was made.
#include "kernel/fs/xfs/xfs_mount.hpp"
#include "scenario/build_cache.hpp"
#include "scenario/world.hpp"

namespace faultline {

std::vector<FinalExtent> World::extents(FileRef file) const {
  std::vector<FinalExtent> out;
  const inode& node = *inodes_[file.v];
  if (!node.xfs) return out;
  const auto add = [&](const xfs::Extent& e) {
    FinalExtent extent{e.off << PAGE_SHIFT, std::uint64_t{e.len} << PAGE_SHIFT,
                       ExtentState::delalloc, 0};
    if (!e.delalloc()) {
      const bool written = e.state == xfs::ExtState::written;
      extent.state = written ? ExtentState::written : ExtentState::unwritten;
      extent.phys = node.xfs->i_mount->space.geo.device_offset(e.start).v;
    }
    out.push_back(extent);
  };
  if (power_cut_) {
    for (const FsAfterCut& fs : power_cut_->filesystems) {
      const auto found = fs.recovered.inodes.find(node.i_ino);
      if (fs.sb != node.i_sb || found == fs.recovered.inodes.end()) continue;
      for (const auto& [off, extent] : found->second.extents) add(extent);
    }
    return out;
  }
  const auto& map = node.xfs->df.map;
  for (auto at = map.first(); const auto e = map.get(at); map.next(at)) {
    add(*e);
  }
  return out;
}

FinalPte World::pte(ProcessRef process, std::uint64_t address) const {
  FinalPte out;
  const mm_struct* const mm = processes_[process.v].mm;
  if (!mm || power_cut_) return out;  // never forked, or gone
  const EntryAt at = mm->pgtables->lookup(Vaddr(address));
  const std::uint64_t word = *at.entry;
  if (!(word & PTE_P)) return out;
  out.leaf = at.level == PtLevel::pud   ? LeafSize::pud
             : at.level == PtLevel::pmd ? LeafSize::pmd
                                        : LeafSize::page;
  if (word & PTE_RW) {
    out.state = PteState::rw;
  } else if ((word & PTE_SPECIAL) && !(word & PTE_DEVMAP)) {
    out.state = PteState::special;
  } else {
    out.state = PteState::ro;
  }
  return out;
}

std::uint64_t World::content(FileRef file, std::uint64_t at) const {
  const inode& node = *inodes_[file.v];
  std::uint64_t value = 0;
  if (!node.xfs) return value;
  if (power_cut_) return contents_after(*power_cut_, node, at).front();
  for (unsigned i = 0; i < 8; ++i) {
    std::byte cached{};
    if (cached_byte(*kernel_, node, at + i, &cached)) {
      value |= std::to_integer<std::uint64_t>(cached) << (8 * i);
      continue;
    }
    const std::uint64_t off = (at + i) >> PAGE_SHIFT;
    const xfs::Extent e = xfs::xfs_bmapi_read(node.xfs->df.map, off, 1);
    const bool real = e.start != xfs::HOLESTARTBLOCK && !e.delalloc();
    const bool has_data = real && e.state == xfs::ExtState::written;
    if (!has_data) continue;
    std::array<std::byte, 1> byte{};
    const Paddr where = node.xfs->i_mount->space.geo.device_offset(e.start);
    const LineContent& device =
        node.i_sb->s_bdev ? node.i_sb->s_bdev->content() : node.i_sb->s_daxdev->content();
    device.read(where.v + ((at + i) & ~PAGE_MASK), byte);
    value |= std::to_integer<std::uint64_t>(byte[0]) << (8 * i);
  }
  return value;
}

std::optional<std::uint64_t> World::address(const AddressRef& ref) const {
  if (ref.is_number()) return ref.offset;
  const StepResult& r = results_[ref.step.task.v][ref.step.index];
  if (r.state != StepState::done || r.failed) return std::nullopt;
  return static_cast<std::uint64_t>(r.result) + ref.offset;
}

}  // namespace faultline
