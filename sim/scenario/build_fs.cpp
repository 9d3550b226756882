// Making the file systems and inodes that a scenario declares. Where the blocks of files lie is
// decided in file_placement.cpp; what is left is the free space.
#include "scenario/build_fs.hpp"

#include <algorithm>

#include "kernel/fs/inode.hpp"
#include "kernel/fs/super.hpp"
#include "kernel/fs/xfs/xfs_aops.hpp"
#include "kernel/fs/xfs/xfs_file.hpp"
#include "kernel/fs/xfs/xfs_ioctl.hpp"
#include "kernel/fs/xfs/xfs_mount.hpp"
#include "scenario/block_layout.hpp"
#include "scenario/build_cache.hpp"
#include "scenario/build_delalloc.hpp"
#include "scenario/build_drivers.hpp"
#include "scenario/build_files.hpp"
#include "scenario/build_log.hpp"
#include "scenario/file_placement.hpp"

namespace faultline {

namespace {

using namespace xfs;

constexpr std::uint64_t first_user_inode =
    0x83;  // after the root directory and the realtime inodes
constexpr std::uint32_t pmem_major = 259;
constexpr std::uint32_t virtblk_major = 254;

// What a file system is on; both where a file may come to use the other way.
struct Device {
  PmemDevice* pmem = nullptr;
  BlockDevice* block = nullptr;
  std::uint64_t size() const { return pmem ? pmem->size() : block->size(); }
};

// Blocks that are there but not written were asked for with fallocate(2).
bool preallocated(const std::vector<Extent>& extents) {
  const auto unwritten = [](const Extent& e) { return e.state == ExtState::unwritten; };
  return std::any_of(extents.begin(), extents.end(), unwritten);
}

class FsBuilder {
 public:
  FsBuilder(const Scenario& scenario, Kernel& k, std::uint32_t fs, Device device)
      : scenario_(scenario),
        k_(k),
        fs_(fs),
        spec_(std::get<XfsSpec>(scenario.filesystems[fs].what)),
        device_(device),
        placement_(scenario, FsRef(fs)) {}

  void build(std::vector<inode*>& inodes, std::vector<Diagnostic>& errors);

 private:
  Geometry choose_geometry() const;
  void check_lengths(const Geometry& geo, std::vector<Diagnostic>& errors) const;
  super_block& make_super(const Geometry& geo);
  inode& make_inode(std::size_t file, super_block& sb, Ino ino);

  const Scenario& scenario_;
  Kernel& k_;
  std::uint32_t fs_;
  const XfsSpec& spec_;
  Device device_;
  FilePlacement placement_;
};

// As mkfs would, unless a declared extent then lies on the headers of a later group: one group
// holds up to 1 TiB, so that a scenario may place its extents freely.
Geometry FsBuilder::choose_geometry() const {
  GeometryChoice choice;
  choice.device_bytes = device_.size();
  choice.agcount = spec_.agcount;
  choice.reflink = spec_.reflink;
  choice.dsunit = static_cast<ExtLen>(spec_.sunit >> block_log);
  choice.dswidth = static_cast<ExtLen>(spec_.swidth >> block_log);
  Geometry geo = make_geometry(choice);
  if (spec_.agcount == 0 && placement_.crosses_headers(geo)) {
    choice.agcount = 1;
    geo = make_geometry(choice);
  }
  return geo;
}

// Hints and stripe units that the kernel or mkfs would not take.
void FsBuilder::check_lengths(const Geometry& geo, std::vector<Diagnostic>& errors) const {
  const std::uint64_t most = std::min<std::uint64_t>(geo.agblocks / 2, max_extlen);
  for (const std::size_t f : placement_.files()) {
    const FileSpec& file = scenario_.files[f];
    if (file.extsize >> block_log <= most) continue;
    errors.push_back(
        placement_complaint(scenario_, "/files/" + file.name + "/extsize",
                            "an extent-size hint is at most half an allocation group, here " +
                                std::to_string(most << block_log) + " bytes"));
  }
  if (spec_.sunit >> block_log > geo.agblocks) {
    errors.push_back(placement_complaint(
        scenario_, "/filesystems/" + scenario_.filesystems[fs_].name + "/xfs/sunit",
        "a stripe unit is not larger than an allocation group"));
  }
}

super_block& FsBuilder::make_super(const Geometry& geo) {
  super_block& sb = k_.supers.emplace_back();
  sb.name = scenario_.filesystems[fs_].name;
  sb.id = fs_;
  sb.s_dev = make_dev(device_.pmem ? pmem_major : virtblk_major, fs_);
  sb.s_daxdev = device_.pmem;
  sb.s_bdev = device_.block;
  sb.relatime = spec_.relatime;
  init_super_locks(k_, sb);
  sb.mount = std::make_unique<xfs_mount>();
  sb.mount->m_super = &sb;
  sb.mount->m_dalign = static_cast<ExtLen>(spec_.sunit >> block_log);
  sb.mount->m_swidth = static_cast<ExtLen>(spec_.swidth >> block_log);
  init_log(k_, *sb.mount, geo, spec_);
  init_lock(sb.mount->m_perags_lock, k_.locks, k_.cls.xa_lock, lock_id(LockOwner::perags, fs_));
  return sb;
}

inode& FsBuilder::make_inode(std::size_t f, super_block& sb, Ino ino) {
  const FileSpec& file = scenario_.files[f];
  inode& node = k_.inodes.emplace_back();
  const auto index = static_cast<std::uint32_t>(f);
  node.i_ino = ino;
  node.index = index;
  node.name = file.name;
  node.type = file.type == FileType::directory ? InodeType::directory : InodeType::regular;
  node.i_mode = file.mode;
  node.i_uid = file.uid;
  node.i_size = file.size;
  node.append = file.flags & file_append;
  node.immutable = file.flags & file_immutable;
  node.noexec = file.flags & file_noexec;
  const bool directory = node.type == InodeType::directory;
  // A device without memory behind it mounts without DAX, whatever was asked for.
  node.dax = device_.pmem && !directory && spec_.dax == DaxMode::always;
  node.i_fop = directory ? &xfs_dir_file_operations : &xfs_file_operations_of(k_.profile);
  init_inode_locks(k_, node);
  if (!node.dax && !directory) node.i_data.a_ops = &xfs_address_space_operations;
  node.i_atime = time_of(k_, file.atime);
  node.i_mtime = node.i_ctime = time_of(k_, file.mtime);
  node.i_sb = &sb;
  node.xfs = std::make_unique<xfs_inode>();
  node.xfs->i_mount = sb.mount.get();
  node.xfs->i_disk_size = file.size;
  node.xfs->extsize = file.extsize >> block_log;
  node.xfs->df.ino = ino;
  node.xfs->cow.ino = ino;
  node.xfs->cow.in_core = true;
  node.xfs->reflink = placement_.reflink(f);
  node.xfs->xflags = (node.immutable ? FS_XFLAG_IMMUTABLE : 0) |
                     (node.append ? FS_XFLAG_APPEND : 0) |
                     (file.extsize != 0 ? FS_XFLAG_EXTSIZE : 0) |
                     (preallocated(placement_.extents(f)) ? FS_XFLAG_PREALLOC : 0);
  node.i_flags->set_locked((node.immutable ? S_IMMUTABLE : 0) | (node.append ? S_APPEND : 0) |
                           (node.dax ? S_DAX : 0));
  init_lock(node.xfs->i_lock, k_.locks, k_.cls.ilock, lock_id(LockOwner::inode, index, 2));
  node.xfs->i_mapdcount.emplace(k_.engine, 0);
  return node;
}

void FsBuilder::build(std::vector<inode*>& inodes, std::vector<Diagnostic>& errors) {
  const std::string pointer = "/filesystems/" + scenario_.filesystems[fs_].name;
  const Geometry geo = choose_geometry();
  if (auto wrong = log_size_error(geo, spec_.log_size)) {
    errors.push_back(placement_complaint(scenario_, pointer + "/xfs/log_size", *wrong));
  }
  check_lengths(geo, errors);
  placement_.place_fixed(geo, errors);
  if (!errors.empty()) return;
  BlockLayout blocks(geo);
  placement_.mark_used(geo, blocks);
  blocks.settle();
  const std::vector<std::size_t> files = placement_.files();
  const bool inodes_fit = blocks.reserve_inodes(files.size() + (first_user_inode & 63));
  bool fits = inodes_fit && placement_.place_free(geo, blocks);
  if (fits) placement_.place_shared(geo, errors);
  if (!errors.empty()) return;
  std::vector<std::vector<FsBlock>> trees(files.size());
  for (std::size_t i = 0; fits && i < files.size(); ++i) {
    fits = placement_.place_tree(geo, files[i], blocks, trees[i]);
  }
  if (fits) {
    super_block& sb = make_super(geo);
    MadeSpace made = make_fs_space(geo, blocks.free_lists(), BulkFill::default_);
    fits = made.fits;
    sb.mount->space = std::move(made.fs);
    sb.mount->fdblocks = made.fdblocks;
    for (const Extent& e : placement_.shared()) {
      sb.mount->space.ags[geo.agno(e.start)].refcounts.increase(geo.agbno(e.start), e.len);
    }
    for (std::size_t i = 0; i < files.size(); ++i) {
      inode& node = make_inode(files[i], sb, Ino(first_user_inode + i));
      load_fork(geo, node.xfs->df, placement_.extents(files[i]), trees[i]);
      inodes[files[i]] = &node;
      if (!declare_delalloc(scenario_.files[files[i]], node)) fits = false;
      declare_cache(k_, scenario_.files[files[i]], node);
    }
  }
  if (!fits) {
    errors.push_back(
        placement_complaint(scenario_, pointer,
                            "the declared extents and the file system's own blocks do not fit "
                            "on the device"));
  }
}

}  // namespace

std::vector<Diagnostic> build_filesystems(const Scenario& scenario, Kernel& k,
                                          std::vector<inode*>& inodes) {
  std::vector<Diagnostic> errors;
  const std::vector<char_device*> char_devices = build_char_devices(scenario, k);
  std::vector<Device> devices;
  const auto costs_of = [&](const std::string& own) {
    const std::string& preset = own.empty() ? scenario.machine.preset : own;
    return k.engine.timed() ? make_costs(find_preset(preset).value_or(DEFAULT_PRESET)) : k.costs;
  };
  for (const DeviceSpec& spec : scenario.devices) {
    if (const auto* const block = std::get_if<BlockSpec>(&spec.what)) {
      devices.push_back({nullptr, &k.block.emplace_back(block->size, costs_of(block->preset))});
      continue;
    }
    if (std::holds_alternative<CharSpec>(spec.what)) {
      devices.push_back({});
      continue;
    }
    const auto& pmem = std::get<PmemSpec>(spec.what);
    const Costs costs = costs_of(pmem.preset);
    const Pfn first = k.frames.add_device(pmem.size >> PAGE_SHIFT);
    PmemDevice& device = k.pmem.emplace_back(first, pmem.size, costs);
    for (const ByteRange& bad : pmem.poison) {
      device.poison(bad.at, bad.length);
      device.note_bad_blocks(bad.at, bad.length);
    }
    for (const ByteRange& bad : pmem.latent_poison) device.poison(bad.at, bad.length);
    devices.push_back({&device, nullptr});
  }
  inodes.assign(scenario.files.size(), nullptr);
  for (std::uint32_t fs = 0; fs < scenario.filesystems.size(); ++fs) {
    const auto* const spec = std::get_if<XfsSpec>(&scenario.filesystems[fs].what);
    if (!spec) continue;  // tmpfs: build_other_files
    Device device = devices[spec->device.v];
    // What may change on a live inode needs both ways to the device.
    const bool may_switch = k.profile.dax_flag_switch == DaxFlagSwitch::live;
    if (device.pmem && (spec->dax != DaxMode::always || may_switch)) {
      // Without DAX it is a block device whose driver copies at once (drivers/nvdimm/pmem.c).
      Costs costs = costs_of("");
      costs.block_latency = Nanos{};
      costs.block_bw = costs.pmem_read_bw;
      device.block = &k.block.emplace_back(device.pmem->content(), costs);
      if (spec->dax == DaxMode::never) device.pmem = nullptr;
    }
    FsBuilder(scenario, k, fs, device).build(inodes, errors);
  }
  if (!errors.empty()) return errors;
  build_other_files(scenario, k, char_devices, inodes);
  connect_char_devices(scenario, k, char_devices, inodes);
  return errors;
}

}  // namespace faultline
