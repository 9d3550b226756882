// Inodes without blocks. Their operations decide what mmap says of them.
#include "scenario/build_files.hpp"

#include "kernel/fs/inode.hpp"
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

// tmpfs has no log and no freeze levels of interest; only relatime and the number are looked at.
super_block& tmpfs_super(const Scenario& scenario, Kernel& k, std::uint32_t fs) {
  for (super_block& sb : k.supers) {
    if (sb.id == fs) return sb;
  }
  super_block& sb = k.supers.emplace_back();
  sb.name = scenario.filesystems[fs].name;
  sb.id = fs;
  sb.s_dev = make_dev(tmpfs_major, fs);
  return sb;
}

}  // namespace

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
    node.noexec = spec.flags & file_noexec;
    node.i_fop = operations_of_file(spec, devices);
    if (spec.type == FileType::character) node.i_cdev = devices[spec.device.v];
    node.i_atime = node.i_mtime = node.i_ctime = k.coarse_time();
    if (spec.type == FileType::regular || spec.type == FileType::directory) {
      node.i_sb = &tmpfs_super(scenario, k, spec.fs.v);
    }
    init_inode_locks(k, node);
    inodes[f] = &node;
  }
}

}  // namespace faultline
