// Inodes without blocks. Their operations decide what mmap says of them.
#include "scenario/build_files.hpp"

#include <algorithm>

#include "kernel/drivers/dax/device.hpp"
#include "kernel/fs/inode.hpp"
#include "kernel/fs/super.hpp"
#include "kernel/mm/filemap.hpp"
#include "kernel/mm/shmem.hpp"
#include "scenario/build_drivers.hpp"

namespace faultline {

namespace {

const file_operations no_mmap_fops{};  // pipes and directories of tmpfs

constexpr std::uint32_t tmpfs_major = 0;

const file_operations* operations_of_file(const FileSpec& file,
                                          const std::vector<char_device*>& devices) {
  switch (file.type) {
    case FileType::regular:
      return &shmem_file_operations;
    case FileType::directory:
    case FileType::pipe:
      return &no_mmap_fops;
    case FileType::character:
      return &operations_of(*devices[file.device.v]);
  }
  return nullptr;
}

InodeType type_of(FileType type) {
  switch (type) {
    case FileType::regular:
      return InodeType::regular;
    case FileType::directory:
      return InodeType::directory;
    case FileType::character:
      return InodeType::character;
    case FileType::pipe:
      return InodeType::pipe;
  }
  return InodeType::regular;
}

// tmpfs has no log; it cannot be frozen, but who changes a time holds it off all the same.
super_block& tmpfs_super(const Scenario& scenario, Kernel& k, std::uint32_t fs) {
  for (super_block& sb : k.supers) {
    if (sb.id == fs) return sb;
  }
  super_block& sb = k.supers.emplace_back();
  sb.name = scenario.filesystems[fs].name;
  sb.id = fs;
  sb.s_dev = make_dev(tmpfs_major, fs);
  init_super_locks(k, sb);
  return sb;
}

// Pages that a tmpfs file has: always single ones, and never clean, for they have no other place.
void declare_shmem_pages(Kernel& k, const FileSpec& spec, inode& node) {
  for (const CachedRange& range : spec.cached) {
    const std::uint64_t file_end = (node.i_size + PAGE_SIZE - 1) >> PAGE_SHIFT;
    const std::uint64_t end = std::min((range.at + range.length) >> PAGE_SHIFT, file_end);
    for (std::uint64_t index = range.at >> PAGE_SHIFT; index < end; ++index) {
      if (filemap_get_folio(k, node.i_data, index)) continue;
      folio* const f = filemap_declare_folio(k, node.i_data, index, 0);
      if (!f) return;
      f->swapbacked = f->dirty = true;
      k.dram.zero(f->pfn.v << PAGE_SHIFT, PAGE_SIZE);
    }
  }
}

}  // namespace

Nanos time_of(const Kernel& k, const FileTime& t) {
  switch (t.kind) {
    case FileTime::Kind::stale:
      return Nanos(1);
    case FileTime::Kind::fresh:
      return k.coarse_time();
    case FileTime::Kind::at:
      return Nanos(t.ns);
  }
  return Nanos{};
}

void build_other_files(const Scenario& scenario, Kernel& k,
                       const std::vector<char_device*>& devices, std::vector<inode*>& inodes) {
  for (std::size_t f = 0; f < scenario.files.size(); ++f) {
    if (inodes[f]) continue;
    const FileSpec& spec = scenario.files[f];
    inode& node = k.inodes.emplace_back();
    node.index = static_cast<std::uint32_t>(f);
    node.i_ino = Ino(f + 1);
    node.name = spec.name;
    node.type = type_of(spec.type);
    node.i_mode = spec.mode;
    node.i_size = spec.size;
    node.append = spec.flags & file_append;
    node.immutable = spec.flags & file_immutable;
    const bool pipe = spec.type == FileType::pipe;
    node.noexec = (spec.flags & file_noexec) || (pipe && k.profile.pipes_noexec);
    node.i_fop = operations_of_file(spec, devices);
    if (spec.type == FileType::character) node.i_cdev = devices[spec.device.v];
    if (node.i_cdev && node.i_cdev->what->preset == DriverPreset::device_dax) {
      node.dax = true;
      node.blocksize = dev_dax_align(*node.i_cdev->what);
    }
    node.i_atime = time_of(k, spec.atime);
    node.i_mtime = node.i_ctime = time_of(k, spec.mtime);
    if (spec.type == FileType::regular || spec.type == FileType::directory) {
      node.i_sb = &tmpfs_super(scenario, k, spec.fs.v);
    }
    init_inode_locks(k, node);
    if (spec.type == FileType::regular) declare_shmem_pages(k, spec, node);
    inodes[f] = &node;
  }
}

}  // namespace faultline
