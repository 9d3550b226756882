// One walk over all page tables for what DAX files map, one over the maps of sealed files, one over
// the VMAs for direct mappings.
#include "kernel/fs/check_dax.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/bug.hpp"
#include "kernel/fs/dax.hpp"
#include "kernel/fs/mapdirect.hpp"
#include "kernel/fs/xfs/xfs_file.hpp"
#include "kernel/fs/xfs/xfs_ioctl.hpp"
#include "kernel/fs/xfs/xfs_map_direct.hpp"
#include "kernel/fs/xfs/xfs_mount.hpp"
#include "kernel/mm/check_direct.hpp"
#include "kernel/mm/check_mm_parts.hpp"

namespace faultline {

std::string_view dax_rule_name(DaxRule rule) {
  switch (rule) {
    case DaxRule::mapped_entry:
      return "mapped-entry";
    case DaxRule::writable_clean:
      return "writable-clean";
    case DaxRule::zero_writable:
      return "zero-writable";
    case DaxRule::mapped_block:
      return "mapped-block";
    case DaxRule::sealed_map:
      return "sealed-map";
    case DaxRule::direct_count:
      return "direct-count";
    case DaxRule::seal_lost:
      return "seal-lost";
    case DaxRule::seal_left:
      return "seal-left";
    case DaxRule::sealed_size:
      return "sealed-size";
    case DaxRule::direct_page:
      return "direct-page";
    case DaxRule::flags_lost:
      return "flags-lost";
    case DaxRule::seal_shared:
      return "seal-shared";
    case DaxRule::lease_gone:
      return "lease-gone";
  }
  FL_BUG("unknown rule");
}

namespace {

struct AtWork {
  bool any = false;
  bool on_blocks = false;  // or on what maps them
};

AtWork who_is_at_work(const Kernel& k) {
  const LockClasses& cls = k.cls;
  AtWork work;
  for (std::size_t t = 0; t < k.tasks.size(); ++t) {
    const Task& task = k.engine.task(TaskId(static_cast<std::uint32_t>(t)));
    for (const HeldLock& h : k.locks.held(task)) {
      const LockClassId c = h.lock->cls;
      work.any = true;
      work.on_blocks |= c == cls.ptlock || c == cls.ptlock_nested || c == cls.xa_lock ||
                        c == cls.dax_entry || c == cls.invalidate_lock || c == cls.ilock ||
                        c == cls.invalidate_lock_second || c == cls.ilock_second;
      // A write that gets new blocks takes the entries out first, then what has mapped them since.
      const bool io = c == cls.i_rwsem || c == cls.i_rwsem_nondir2;
      work.on_blocks |= io && h.mode == HoldMode::exclusive;
    }
  }
  return work;
}

bool has_dax_files(const Kernel& k) {
  for (const inode& node : k.inodes) {
    if (node.dax && node.xfs) return true;
  }
  return false;
}

class MappingCheck {
 public:
  explicit MappingCheck(DaxLook& look) : look_(look) {}

  void process(const mm_struct& mm) {
    const vm_area_struct* vma = nullptr;
    each_leaf(mm, look_.cost, [&](const Leaf& leaf) {
      if (!vma || vma->vm_end <= leaf.at) vma = find_vma(mm, leaf.at);
      // One that no VMA covers any more is about to be unmapped.
      if (!vma || leaf.at < vma->vm_start || !vma->vm_file) return;
      // A driver's mapping that has taken the file for its own shows the driver's memory.
      if (!vma->vm_ops || !vma->vm_ops->pfn_mkwrite) return;
      const inode& node = *vma->vm_file->f_inode;
      if (leaf.ordinary() && is_direct(*vma)) memory_page(*vma, node, leaf);
      if (node.dax && node.xfs && !leaf.ordinary()) file_page(*vma, node, leaf);
    });
  }

 private:
  void wrong(DaxRule rule, const std::string& what) { look_.broken.push_back({rule, what}); }

  void memory_page(const vm_area_struct& vma, const inode& node, const Leaf& leaf) {
    wrong(DaxRule::direct_page,
          fmt::format("a MAP_DIRECT mapping shows a page of memory, not the file's block, at page "
                      "{} of {}",
                      linear_page_index(vma, leaf.at).v, node.name));
  }

  void file_page(const vm_area_struct& vma, const inode& node, const Leaf& leaf) {
    const Pgoff index = linear_page_index(vma, leaf.at);
    const auto where = [&] { return fmt::format("page {} of {}", index.v, node.name); };
    if (node.i_data.i_pages.load(index.v) == 0) {
      wrong(DaxRule::mapped_entry, where() + " is mapped, but i_pages has no entry for it");
    }
    // fsync would neither flush what is stored there nor make the next store fault.
    const bool shared = vma.vm_flags & VM_SHARED;
    const bool entered = node.i_data.i_pages.load(index.v) != 0;
    if (entered && shared && pte_write(leaf.entry) && pte_devmap(leaf.entry) &&
        !node.i_data.i_pages.get_mark(index.v, XaMark::dirty)) {
      wrong(DaxRule::writable_clean, where() + " is mapped writable, but not marked dirty");
    }
    if (!pte_devmap(leaf.entry)) {
      if (pte_write(leaf.entry))
        wrong(DaxRule::zero_writable, where() + " is a writable zero page");
      return;
    }
    const xfs::Extent e = xfs::xfs_bmapi_read(node.xfs->df.map, index.v, leaf.pages());
    const PmemDevice* const device = node.i_sb->s_daxdev;
    const bool real = !xfs::isnullstartblock(e.start) && e.start != xfs::HOLESTARTBLOCK;
    if (real && device) {
      const Paddr at = node.xfs->i_mount->space.geo.device_offset(e.start);
      if (device->pfn(at.v) == leaf.pfn() && e.len >= leaf.pages()) return;
    }
    wrong(DaxRule::mapped_block, fmt::format("{} is mapped to frame {:#x}, which is not its block",
                                             where(), leaf.pfn().v));
  }

  DaxLook& look_;
};

std::vector<xfs::Extent> blocks_of(const inode& node) {
  std::vector<xfs::Extent> out;
  const xfs::ExtentMap& map = node.xfs->df.map;
  for (auto at = map.first(); const auto e = map.get(at); map.next(at)) {
    xfs::Extent extent = *e;
    if (extent.delalloc()) continue;        // no blocks yet
    extent.state = xfs::ExtState::written;  // what it holds may change, where it lies may not
    const bool joins =
        !out.empty() && xfs::contiguous(out.back(), extent) && out.back().end() == extent.off;
    if (joins) {
      out.back().len += extent.len;
    } else {
      out.push_back(extent);
    }
  }
  return out;
}

bool is_sealed(const inode& node) {
  return node.i_flags && (node.i_flags->peek() & S_IOMAP_SEALED);
}

bool has_sealed_files(const Kernel& k) {
  for (const inode& node : k.inodes) {
    if (node.xfs && is_sealed(node)) return true;
  }
  return false;
}

void check_sealed_maps(const Kernel& k, DaxHistory& history, DaxLook& look) {
  for (const inode& node : k.inodes) {
    if (!node.xfs) continue;
    if (!is_sealed(node)) {
      history.sealed.erase(node.index);
      continue;
    }
    std::vector<xfs::Extent> now = blocks_of(node);
    look.cost += node.xfs->df.map.size();
    const DaxHistory::Sealed first{now, node.i_size};
    const DaxHistory::Sealed& before = history.sealed.try_emplace(node.index, first).first->second;
    if (before.blocks != now) {
      look.broken.push_back(
          {DaxRule::sealed_map, "the block map of " + node.name + " has changed under its seal"});
    }
    if (before.size != node.i_size) {
      look.broken.push_back({DaxRule::sealed_size,
                             fmt::format("the size of {} has changed under its seal: {}, was {}",
                                         node.name, node.i_size, before.size)});
    }
  }
}

std::int64_t direct_leases(const Kernel& k, const inode& node) {
  const auto has = [&](const std::unique_ptr<map_direct_state>& mds) {
    if (!node.i_flctx) return false;
    const auto& leases = node.i_flctx->flc_lease;
    return std::any_of(leases.begin(), leases.end(),
                       [&](const file_lock& fl) { return fl.fl_owner == mds->owner; });
  };
  return std::count_if(k.map_directs.begin(), k.map_directs.end(), has);
}

// Profiles whose direct mappings hold a lease.
void check_leases(const Kernel& k, DaxLook& look) {
  for (const inode& node : k.inodes) {
    if (!node.xfs || !node.xfs->i_mapdcount) continue;
    const std::int64_t counted = node.xfs->i_mapdcount->peek();
    const std::int64_t leases = direct_leases(k, node);
    if (counted == leases) continue;
    look.broken.push_back(
        {DaxRule::direct_count, fmt::format("i_mapdcount of {} is {}, leases of direct mappings {}",
                                            node.name, counted, leases)});
  }
}

bool maps_any_page(const vm_area_struct& vma) {
  for (Vaddr at = vma.vm_start; at < vma.vm_end; at = at + PAGE_SIZE) {
    if (*vma.vm_mm->pgtables->lookup(at).entry & PTE_P) return true;
  }
  return false;
}

void check_dead_leases(const Kernel& k, DaxLook& look) {
  for (const mm_struct& mm : k.mms) {
    for (const vm_area_struct* v = find_vma(mm, Vaddr(0)); v; v = find_vma(mm, v->vm_end)) {
      if (!xfs::v4_13::is_leased_mapping(*v)) continue;
      const map_direct_state& mds = *k.map_directs[v->vm_private_data - 1];
      if (mds.valid || !maps_any_page(*v)) continue;
      look.broken.push_back(
          {DaxRule::lease_gone, "a direct mapping of " + mds.mds_inode->name +
                                    " has lost its lease, but its pages are mapped still"});
    }
  }
}

void check_direct_mappings(const Kernel& k, DaxLook& look) {
  if (k.profile.map_direct == MapDirect::lease) {
    check_leases(k, look);
    return;
  }
  std::map<const inode*, std::int64_t> direct;  // looked up only
  for (const mm_struct& mm : k.mms) {
    if (being_torn_down(k, mm)) return;
    look.cost += mm.mm_mt.size();
    for (const vm_area_struct* v = find_vma(mm, Vaddr(0)); v; v = find_vma(mm, v->vm_end)) {
      if (v->vm_file && is_direct(*v)) ++direct[v->vm_file->f_inode];
    }
  }
  for (const inode& node : k.inodes) {
    if (!node.xfs || !node.xfs->i_mapdcount) continue;
    const auto found = direct.find(&node);
    const std::int64_t mappings = found == direct.end() ? 0 : found->second;
    const std::int64_t counted = node.xfs->i_mapdcount->peek();
    if (counted != mappings) {
      look.broken.push_back(
          {DaxRule::direct_count, fmt::format("i_mapdcount of {} is {}, direct mappings are {}",
                                              node.name, counted, mappings)});
    }
    if (mappings != 0 && !is_sealed(node)) {
      look.broken.push_back({DaxRule::seal_lost, node.name + " has direct mappings, but no seal"});
    }
  }
}

// Two words say the same, and of i_flags a whole update may be lost.
void check_flags(const inode& node, std::vector<BrokenDaxRule>& broken) {
  constexpr std::pair<std::uint32_t, std::uint32_t> same[] = {{xfs::FS_XFLAG_SYNC, S_SYNC},
                                                              {xfs::FS_XFLAG_NOATIME, S_NOATIME}};
  if (!node.xfs || !node.i_flags) return;
  for (const auto& [xflag, flag] : same) {
    const bool wanted = node.xfs->xflags & xflag;
    const bool set = node.i_flags->peek() & flag;
    if (wanted == set) continue;
    broken.push_back({DaxRule::flags_lost,
                      fmt::format("{} {} its flag {:#x}, but not so in i_flags: of two who write "
                                  "that word one was lost",
                                  node.name, wanted ? "has" : "does not have", xflag)});
  }
}

}  // namespace

std::vector<BrokenDaxRule> check_seals(const Kernel& k) {
  DaxLook look;
  check_direct_mappings(k, look);
  std::erase_if(look.broken, [](const BrokenDaxRule& b) { return b.rule != DaxRule::seal_lost; });
  for (const inode& node : k.inodes) {
    const bool counted = node.xfs && node.xfs->i_mapdcount && node.xfs->i_mapdcount->peek() != 0;
    check_flags(node, look.broken);
    if (is_sealed(node) && has_lease(node, FL_LAYOUT)) {
      look.broken.push_back(
          {DaxRule::seal_shared, node.name + " is sealed, but a client has a layout of it"});
    }
    if (!is_sealed(node) || counted) continue;
    look.broken.push_back({DaxRule::seal_left, node.name + " is sealed, but nobody maps it so"});
  }
  check_dead_leases(k, look);
  return look.broken;
}

DaxLook check_dax(const Kernel& k, DaxHistory& history) {
  DaxLook look;
  const bool sealed = has_sealed_files(k);
  if (!sealed && !has_dax_files(k)) {
    history.sealed.clear();
    return look;
  }
  const AtWork work = who_is_at_work(k);
  if (work.on_blocks) return look;
  MappingCheck mappings(look);
  for (const mm_struct& mm : k.mms) mappings.process(mm);
  check_sealed_maps(k, history, look);
  if (!work.any) check_direct_mappings(k, look);
  return look;
}

}  // namespace faultline
