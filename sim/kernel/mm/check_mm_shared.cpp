// What processes share: the reverse maps of files, references of open files, promised memory.
#include <map>

#include <fmt/format.h>

#include "kernel/fs/iomap_writeback.hpp"
#include "kernel/mm/check_mm_parts.hpp"
#include "kernel/mm/i_mmap.hpp"

namespace faultline {

namespace {

template <class See>
void each_vma(const Kernel& k, std::uint64_t& cost, See see) {
  for (const mm_struct& mm : k.mms) {
    cost += mm.mm_mt.size();
    for (const vm_area_struct* v = find_vma(mm, Vaddr(0)); v; v = find_vma(mm, v->vm_end)) see(*v);
  }
}

// While no mmap is on its way, which would count as one.
void check_writable(const inode& node, std::int64_t writers, MmLook& look) {
  const std::int64_t counted = node.i_data.i_mmap_writable;
  if (counted == writers) return;
  look.broken.push_back({MmRule::writable_mappings, 0,
                         fmt::format("i_mmap_writable of {} is {}, {} mappings may write it",
                                     node.name, counted, writers)});
}

void check_reverse_map(const Kernel& k, const inode& node, std::uint64_t mappings, MmLook& look) {
  const VmaIntervalTree& tree = node.i_data.i_mmap;
  const auto wrong = [&](const std::string& what) {
    look.broken.push_back({MmRule::reverse_map, 0, "the reverse map of " + node.name + " " + what});
  };
  if (tree.size() != mappings) {
    wrong(fmt::format("has {} VMAs, processes map the file {} times", tree.size(), mappings));
  }
  const Pgoff none(0), end(~0ULL);
  Pgoff before(0);
  std::int64_t writers = 0;
  for (const vm_area_struct* vma = tree.iter_first(none, end); vma;
       vma = VmaIntervalTree::iter_next(*vma, none, end)) {
    ++look.cost;
    if (!vma->vm_file || vma->vm_file->f_inode != &node) {
      return wrong(fmt::format("has the VMA {} of another file", range_text(*vma)));
    }
    if (vma->detached || vma->unlinked) {
      return wrong(fmt::format("has the VMA {} that no process has", range_text(*vma)));
    }
    if (vma->vm_pgoff < before) {
      return wrong(fmt::format("has the VMA {} out of order", range_text(*vma)));
    }
    before = vma->vm_pgoff;
    if (is_shared_maywrite(k.profile, vma->vm_flags)) ++writers;
  }
  check_writable(node, writers, look);
}

}  // namespace

void check_reverse_maps(const Kernel& k, MmLook& look) {
  std::map<const inode*, std::uint64_t> mappings;  // looked up only, never gone through
  each_vma(k, look.cost, [&](const vm_area_struct& vma) {
    if (!vma.vm_file) return;
    ++mappings[vma.vm_file->f_inode];
    if (vma.vm_file->f_inode->i_data.i_mmap.contains(vma)) return;
    look.broken.push_back({MmRule::reverse_map, vma.vm_mm->id,
                           fmt::format("the VMA {} is not in the reverse map of {}",
                                       range_text(vma), vma.vm_file->f_inode->name)});
  });
  for (const inode& node : k.inodes) {
    const auto found = mappings.find(&node);
    check_reverse_map(k, node, found == mappings.end() ? 0 : found->second, look);
  }
}

void check_file_references(const Kernel& k, MmLook& look) {
  std::map<const file*, std::uint64_t> users;  // looked up only
  each_vma(k, look.cost, [&](const vm_area_struct& vma) {
    if (vma.vm_file) ++users[vma.vm_file];
  });
  for (const files_struct& table : k.file_tables) {
    for (const file* const open : table.fd) {
      if (open) ++users[open];
    }
  }
  for (const char_device& device : k.char_devices) {
    if (device.inner_file) ++users[device.inner_file];
    if (device.replacement) ++users[device.replacement];
  }
  for (const auto& request : k.completions) {  // asynchronous ones keep their file open
    if (request->filp) ++users[request->filp];
  }
  for (const file& f : k.files) {
    const auto found = users.find(&f);
    const std::uint64_t wanted = found == users.end() ? 0 : found->second;
    if (f.f_count == wanted) continue;
    look.broken.push_back({MmRule::file_references, 0,
                           fmt::format("an open file of {} has {} references, {} use it",
                                       f.f_inode->name, f.f_count, wanted)});
  }
}

// A kernel that loses charges has promised more than is in use, never less.
void check_committed(const Kernel& k, MmLook& look) {
  std::uint64_t mapped = 0;
  each_vma(k, look.cost, [&](const vm_area_struct& vma) {
    if (vma.vm_flags & VM_ACCOUNT) mapped += vma_pages(vma);
  });
  std::uint64_t shared = 0;
  for (const inode& node : k.inodes) shared += node.charged;
  const bool exact = k.profile.prepare_failure_uncharges;
  const std::uint64_t used = mapped + shared;
  if (exact ? k.vm_committed_as == used : k.vm_committed_as >= used) return;
  look.broken.push_back({MmRule::committed_pages, 0,
                         fmt::format("{} pages are promised, mappings have {} and shared memory {}",
                                     k.vm_committed_as, mapped, shared)});
}

}  // namespace faultline
