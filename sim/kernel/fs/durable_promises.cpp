// Promises as disjoint ranges of blocks per file. See the header.
#include "kernel/fs/durable_promises.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "kernel/fs/xfs/xfs_file.hpp"
#include "kernel/fs/xfs/xfs_log_recover.hpp"
#include "kernel/fs/xfs/xfs_mount.hpp"
#include "kernel/mm/memory.hpp"
#include "kernel/mm/vma.hpp"

namespace faultline {

namespace {

constexpr std::uint64_t line_size = LineContent::LINE;

const char* what_was_done(PromiseKind kind) {
  switch (kind) {
    case PromiseKind::map_sync:
      return "flushed and fenced through a MAP_SYNC mapping";
    case PromiseKind::map_direct:
      return "flushed and fenced through a MAP_DIRECT mapping";
    case PromiseKind::fsync:
      return "there when an fsync of it began, which succeeded";
  }
  return "";
}

// The real, written blocks of a map that meet [off, end), cut to it.
template <class Visit>
void each_written(const xfs::ExtentMap& map, std::uint64_t off, std::uint64_t end, Visit&& visit) {
  for (auto at = map.lookup(off); const auto e = map.get(at); map.next(at)) {
    if (e->off >= end) return;
    if (e->delalloc() || e->state != xfs::ExtState::written) continue;
    const std::uint64_t first = std::max(e->off, off);
    const auto len = static_cast<xfs::ExtLen>(std::min(e->end(), end) - first);
    visit(xfs::Extent{first, e->start + (first - e->off), len, e->state});
  }
}

std::optional<PromiseKind> promise_of(const vm_area_struct& vma, Vaddr at) {
  const bool shared_file = vma.vm_file && (vma.vm_flags & VM_SHARED);
  if (!shared_file || !vma.vm_file->f_inode->dax || !vma.vm_file->f_inode->xfs) return {};
  // Only an entry that a store may use was made with what MAP_SYNC does for it.
  const EntryAt entry = vma.vm_mm->pgtables->lookup(at);
  const bool writable = (*entry.entry & PTE_P) && (*entry.entry & PTE_RW);
  if (!writable) return {};
  if (vma.vm_flags & VM_SYNC) return PromiseKind::map_sync;
  if (xfs::v4_13::is_direct_mapping(vma)) return PromiseKind::map_direct;
  return {};
}

// A line that the program has made durable, as far as it can.
void promise_line(Kernel& k, const DurablePromises::FlushedLine& line) {
  each_written(line.node->xfs->df.map, line.off, line.off + 1, [&](const xfs::Extent& e) {
    const std::uint64_t size = std::min(line.end, line.node->i_size);
    k.promises->add(*line.node, e.off, {e.len, e.start, size, line.kind});
  });
}

// What of a promised block a recovered file does not have; "" if it is as promised.
std::string missing(const xfs::MetaState& recovered, const inode& node, const xfs::Extent& block,
                    std::uint64_t size) {
  const xfs::Extent found = xfs::recovered_block(recovered, node.i_ino, block.off);
  if (found.len == 0) return "is a hole";
  if (found.state != xfs::ExtState::written) return "is unwritten and reads as zeroes";
  if (found.start != block.start) return "is another block";
  const std::uint64_t has = recovered.inodes.at(node.i_ino).size;
  const std::uint64_t wanted = std::min(size, node.xfs->i_disk_size);
  if (has < wanted && has < (block.end() << PAGE_SHIFT)) {
    return fmt::format("lies behind the end of the file, whose size is {:#x}", has);
  }
  return {};
}

}  // namespace

void DurablePromises::drop(const inode& node, std::uint64_t off, std::uint64_t len) {
  auto& ranges = by_inode[node.index];
  const std::uint64_t end = off + len;
  auto at = ranges.upper_bound(off);
  if (at != ranges.begin()) --at;
  while (at != ranges.end() && at->first < end) {
    const std::uint64_t first = at->first;
    const DurablePromise old = at->second;
    const std::uint64_t last = first + old.len;
    if (last <= off) {
      ++at;
      continue;
    }
    at = ranges.erase(at);
    if (first < off) ranges[first] = {off - first, old.start, old.size, old.kind};
    if (end < last) ranges[end] = {last - end, old.start + (end - first), old.size, old.kind};
  }
}

void DurablePromises::add(const inode& node, std::uint64_t off, const DurablePromise& promise) {
  drop(node, off, promise.len);
  by_inode[node.index][off] = promise;
}

void note_committed(Kernel& k, const xfs::xfs_mount& mp, const xfs::RedoRecord& record) {
  const bool cuts = record.kind == xfs::RedoKind::size;
  if (!cuts && record.kind != xfs::RedoKind::extent_del) return;
  for (const inode& node : k.inodes) {
    if (!node.xfs || node.xfs->i_mount != &mp || node.i_ino != record.ino) continue;
    if (!cuts) return k.promises->drop(node, record.off, record.len);
    for (auto& [off, promise] : k.promises->by_inode[node.index]) {
      promise.size = std::min(promise.size, record.a);
    }
  }
}

void note_user_flush(Kernel& k, Vaddr at, Paddr phys, std::uint64_t length, bool waits) {
  const vm_area_struct* const vma = find_vma(*k.current().mm, at);
  PmemDevice* const device = k.pmem_of(Pfn(phys.v >> PAGE_SHIFT));
  if (!vma || at < vma->vm_start || !device) return;
  const auto kind = promise_of(*vma, at);
  if (!kind) return;
  const std::uint64_t in_page = at.v & ~PAGE_MASK;
  const std::uint64_t off = linear_page_index(*vma, at).v;
  const std::uint64_t base = device->offset(phys) - in_page;
  for (std::uint64_t b = in_page / line_size * line_size; b < in_page + length; b += line_size) {
    if (device->content().durable(base + b, line_size)) continue;
    const std::uint64_t end = (off << PAGE_SHIFT) + b + line_size;
    const DurablePromises::FlushedLine flushed{vma->vm_file->f_inode, off, end, *kind};
    if (waits) {
      promise_line(k, flushed);
    } else {
      k.promises->flushed[k.engine.current().cpu.v].push_back(flushed);
    }
  }
}

void note_user_fence(Kernel& k) {
  auto& flushed = k.promises->flushed[k.engine.current().cpu.v];
  for (const DurablePromises::FlushedLine& line : flushed) promise_line(k, line);
  flushed.clear();
}

FsyncBegin note_fsync_begin(const inode& node, std::uint64_t start, std::uint64_t end) {
  FsyncBegin begin;
  begin.size = node.i_size;
  if (!node.dax || !node.xfs || node.i_size == 0) return begin;
  const std::uint64_t last = std::min(end, node.i_size - 1) >> PAGE_SHIFT;
  each_written(node.xfs->df.map, start >> PAGE_SHIFT, last + 1,
               [&](const xfs::Extent& e) { begin.blocks.push_back(e); });
  return begin;
}

void note_fsync_done(Kernel& k, const inode& node, const FsyncBegin& begin) {
  for (const xfs::Extent& e : begin.blocks) {
    k.promises->add(node, e.off, {e.len, e.start, begin.size, PromiseKind::fsync});
  }
}

std::vector<std::string> broken_promises(const Kernel& k, const super_block& sb,
                                         const xfs::MetaState& recovered) {
  std::vector<std::string> out;
  if (!k.promises) return out;
  for (const inode& node : k.inodes) {
    const auto found = k.promises->by_inode.find(node.index);
    if (node.i_sb != &sb || found == k.promises->by_inode.end() || node.i_nlink == 0) continue;
    std::set<PromiseKind> told;
    for (const auto& [off, promise] : found->second) {
      if (told.contains(promise.kind)) continue;
      const std::uint64_t delta = promise.start.v - off;
      // A change that is not committed yet has taken blocks from the map already.
      each_written(node.xfs->df.map, off, off + promise.len, [&](const xfs::Extent& e) {
        if (e.start.v - e.off != delta || told.contains(promise.kind)) return;
        for (std::uint64_t i = 0; i < e.len; ++i) {
          const xfs::Extent block{e.off + i, e.start + i, 1, e.state};
          const std::string lost = missing(recovered, node, block, promise.size);
          if (lost.empty()) continue;
          out.push_back(fmt::format("what was {} at {:#x} of {} {}", what_was_done(promise.kind),
                                    block.off << PAGE_SHIFT, node.name, lost));
          told.insert(promise.kind);
          return;
        }
      });
    }
  }
  return out;
}

}  // namespace faultline
