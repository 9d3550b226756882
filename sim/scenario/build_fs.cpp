// Laying out declared files on declared devices. Extents with `phys` keep their place; those
// without one take the lowest free blocks, in order of declaration. What is left is the free space.
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
#include "scenario/build_drivers.hpp"
#include "scenario/build_files.hpp"
#include "scenario/build_log.hpp"

namespace faultline {

namespace {

using namespace xfs;

// Blocks that are there but not written were asked for with fallocate(2).
bool preallocated(const std::vector<Extent>& extents) {
  const auto unwritten = [](const Extent& e) { return e.state == ExtState::unwritten; };
  return std::any_of(extents.begin(), extents.end(), unwritten);
}

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

Diagnostic complain(const Scenario& scenario, const std::string& pointer, const std::string& what) {
  Diagnostic d;
  d.complaint = Complaint::meaning;
  d.file = scenario.file;
  d.pointer = pointer;
  d.what = what;
  return d;
}

class FsBuilder {
 public:
  FsBuilder(const Scenario& scenario, Kernel& k, std::uint32_t fs, Device device)
      : scenario_(scenario),
        k_(k),
        fs_(fs),
        spec_(std::get<XfsSpec>(scenario.filesystems[fs].what)),
        device_(device) {}

  void build(std::vector<inode*>& inodes, std::vector<Diagnostic>& errors);

 private:
  struct Layout {
    std::vector<Extent> extents;
  };
  Geometry choose_geometry() const;
  bool crosses_headers(const Geometry& geo) const;
  void place_fixed(const Geometry& geo, std::vector<Diagnostic>& errors);
  void place_shared(const Geometry& geo, std::vector<Diagnostic>& errors);
  bool place_free(const Geometry& geo, std::size_t file, BlockLayout& blocks);
  void add_extent(const Geometry& geo, Layout& layout, std::uint64_t off, std::uint64_t block,
                  std::uint64_t count, ExtState state);
  super_block& make_super(const Geometry& geo);
  inode& make_inode(std::size_t file, super_block& sb, Ino ino);
  std::vector<std::size_t> my_files() const;

  const Scenario& scenario_;
  Kernel& k_;
  std::uint32_t fs_;
  const XfsSpec& spec_;
  Device device_;
  std::vector<Layout> layouts_;  // by file index of the scenario; only ours are used
  std::vector<Extent> shared_;   // blocks with one user more than the file that declares them
  std::vector<bool> reflink_;    // by file index
};

std::vector<std::size_t> FsBuilder::my_files() const {
  std::vector<std::size_t> files;
  for (std::size_t f = 0; f < scenario_.files.size(); ++f) {
    if (lies_on(scenario_.files[f], FsRef(fs_))) files.push_back(f);
  }
  return files;
}

// Whether a declared extent lies on the headers of some allocation group.
bool FsBuilder::crosses_headers(const Geometry& geo) const {
  for (const std::size_t f : my_files()) {
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

// As mkfs would, unless a declared extent then lies on the headers of a later group: one group
// holds up to 1 TiB, so that a scenario may place its extents freely.
Geometry FsBuilder::choose_geometry() const {
  GeometryChoice choice;
  choice.device_bytes = device_.size();
  choice.agcount = spec_.agcount;
  choice.reflink = spec_.reflink;
  Geometry geo = make_geometry(choice);
  if (spec_.agcount == 0 && crosses_headers(geo)) {
    choice.agcount = 1;
    geo = make_geometry(choice);
  }
  return geo;
}

// Cuts at the ends of allocation groups and at the longest length of a record.
void FsBuilder::add_extent(const Geometry& geo, Layout& layout, std::uint64_t off,
                           std::uint64_t block, std::uint64_t count, ExtState state) {
  while (count != 0) {
    const std::uint64_t in_ag = geo.agblocks - block % geo.agblocks;
    const std::uint64_t n = std::min({count, in_ag, std::uint64_t{max_extlen}});
    const FsBlock start = geo.fsb(static_cast<AgNumber>(block / geo.agblocks),
                                  static_cast<AgBlock>(block % geo.agblocks));
    layout.extents.push_back({off, start, static_cast<ExtLen>(n), state});
    off += n;
    block += n;
    count -= n;
  }
}

ExtState state_of(ExtentState state) {
  return state == ExtentState::unwritten ? ExtState::unwritten : ExtState::written;
}

void FsBuilder::place_fixed(const Geometry& geo, std::vector<Diagnostic>& errors) {
  for (const std::size_t f : my_files()) {
    const FileSpec& file = scenario_.files[f];
    for (std::size_t i = 0; i < file.extents.size(); ++i) {
      const ExtentSpec& e = file.extents[i];
      if (!e.phys) continue;
      const std::uint64_t block = *e.phys >> block_log;
      const std::uint64_t ag_start = block / geo.agblocks * geo.agblocks;
      if (block - ag_start < geo.prealloc_blocks()) {
        errors.push_back(complain(
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

// Extents that another file has given blocks to: the same blocks, with one user more.
void FsBuilder::place_shared(const Geometry& geo, std::vector<Diagnostic>& errors) {
  for (const std::size_t f : my_files()) {
    const FileSpec& file = scenario_.files[f];
    for (std::size_t i = 0; i < file.extents.size(); ++i) {
      const ExtentSpec& e = file.extents[i];
      if (e.shared_with == no_file) continue;
      std::uint64_t found = 0;
      const std::uint64_t first = e.shared_at >> block_log;
      const std::uint64_t end = first + (e.length >> block_log);
      const std::vector<Extent> theirs = layouts_[e.shared_with.v].extents;
      for (const Extent& t : theirs) {
        const std::uint64_t from = std::max(first, t.off), to = std::min(end, t.end());
        if (from >= to) continue;
        const Extent mine{(e.at >> block_log) + (from - first), t.start + (from - t.off),
                          static_cast<ExtLen>(to - from), t.state};
        layouts_[f].extents.push_back(mine);
        shared_.push_back(mine);
        found += to - from;
      }
      reflink_[f] = reflink_[e.shared_with.v] = true;
      const bool ours = lies_on(scenario_.files[e.shared_with.v], FsRef(fs_));
      if (geo.reflink && ours && found == end - first) continue;
      errors.push_back(complain(
          scenario_, "/files/" + file.name + "/extents/" + std::to_string(i) + "/shared_with",
          "the other file must have blocks for all of the range, on the same file system, which "
          "must be made with reflink"));
    }
  }
}

bool FsBuilder::place_free(const Geometry& geo, std::size_t f, BlockLayout& blocks) {
  const FileSpec& file = scenario_.files[f];
  Layout& layout = layouts_[f];
  for (const ExtentSpec& e : file.extents) {
    if (e.phys || e.shared_with != no_file) continue;
    std::uint64_t off = e.at >> block_log;
    std::uint64_t left = e.length >> block_log;
    while (left != 0) {
      const BlockRange got = blocks.take(left);
      if (got.count == 0) return false;
      add_extent(geo, layout, off, got.first, got.count, state_of(e.state));
      off += got.count;
      left -= got.count;
    }
  }
  if (!file.pattern) return true;
  const ExtentPattern& p = *file.pattern;
  // Extents that follow each other in the file must not do so on the device, or they would be one.
  const bool gap = p.every == p.length;
  for (std::uint64_t i = 0; i < p.count; ++i) {
    std::uint64_t off = i * p.every >> block_log;
    std::uint64_t left = p.length >> block_log;
    while (left != 0) {
      const BlockRange got = blocks.take(left);
      if (got.count == 0) return false;
      add_extent(geo, layout, off, got.first, got.count, state_of(p.state));
      off += got.count;
      left -= got.count;
    }
    if (gap) blocks.skip(1);
  }
  return true;
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
  init_log(k_, *sb.mount, geo, spec_.log_size);
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
  node.xfs->reflink = reflink_[f];
  node.xfs->xflags = (node.immutable ? FS_XFLAG_IMMUTABLE : 0) |
                     (node.append ? FS_XFLAG_APPEND : 0) |
                     (file.extsize != 0 ? FS_XFLAG_EXTSIZE : 0) |
                     (preallocated(layouts_[f].extents) ? FS_XFLAG_PREALLOC : 0);
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
    errors.push_back(complain(scenario_, pointer + "/xfs/log_size", *wrong));
  }
  layouts_.resize(scenario_.files.size());
  reflink_.resize(scenario_.files.size());
  place_fixed(geo, errors);
  if (!errors.empty()) return;

  BlockLayout blocks(geo);
  for (const Layout& layout : layouts_) {
    for (const Extent& e : layout.extents) blocks.use(geo, e);
  }
  blocks.settle();
  const std::vector<std::size_t> files = my_files();
  const bool inodes_fit = blocks.reserve_inodes(files.size() + (first_user_inode & 63));
  std::vector<std::vector<FsBlock>> trees(files.size());
  bool fits = inodes_fit;
  for (std::size_t i = 0; fits && i < files.size(); ++i) fits = place_free(geo, files[i], blocks);
  if (fits) place_shared(geo, errors);
  if (!errors.empty()) return;
  for (std::size_t i = 0; fits && i < files.size(); ++i) {
    auto& extents = layouts_[files[i]].extents;
    std::sort(extents.begin(), extents.end(),
              [](const Extent& a, const Extent& b) { return a.off < b.off; });
    for (std::uint64_t n = bmbt_blocks_needed(geo, extents.size()); fits && n > 0; --n) {
      const BlockRange got = blocks.take(1);
      fits = got.count == 1;
      if (fits) trees[i].push_back(BlockLayout::fsblock(geo, got.first));
    }
  }
  if (fits) {
    super_block& sb = make_super(geo);
    MadeSpace made = make_fs_space(geo, blocks.free_lists(), BulkFill::default_);
    fits = made.fits;
    sb.mount->space = std::move(made.fs);
    sb.mount->fdblocks = made.fdblocks;
    for (const Extent& e : shared_) {
      sb.mount->space.ags[geo.agno(e.start)].refcounts.increase(geo.agbno(e.start), e.len);
    }
    for (std::size_t i = 0; i < files.size(); ++i) {
      inode& node = make_inode(files[i], sb, Ino(first_user_inode + i));
      load_fork(geo, node.xfs->df, layouts_[files[i]].extents, trees[i]);
      inodes[files[i]] = &node;
      declare_cache(k_, scenario_.files[files[i]], node);
    }
  }
  if (!fits) {
    errors.push_back(complain(scenario_, pointer,
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
