// The memory of a process as exec leaves it: see the header. The places are those that the test
// program of the reference traces has: linked at 4 MiB, with nothing randomised.
#include "scenario/build_image.hpp"

#include "kernel/fs/inode.hpp"
#include "kernel/mm/memory.hpp"
#include "kernel/mm/rmap.hpp"
#include "kernel/mm/shmem.hpp"
#include "kernel/mm/vma.hpp"

namespace faultline {

namespace {

constexpr vm_flags_t may_all = VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC;
constexpr vm_flags_t may_read = VM_READ | may_all;
constexpr Vaddr text_start{0x400000}, code_start{0x401000}, rodata_start{0x480000},
    relro_start{0x4a9000}, data_start{0x4ad000}, bss_start{0x4b0000}, heap_end{0x52c000};
constexpr Vaddr vvar_start{0x7ffff7ff9000}, vdso_start{0x7ffff7ffd000}, vdso_end{0x7ffff7fff000};
constexpr Vaddr stack_start{0x7ffffffde000}, stack_end{0x7ffffffff000};
constexpr Vaddr touched_stack{0x7ffffffee000};  // what a C library has written by then
constexpr Vaddr touched_heap{0x50b000};
constexpr Vaddr thread_id{0x509650};  // in the thread's descriptor, on the heap

// Of the vdso: nothing of it is ever faulted in but the page of the clock.
const vm_operations_struct special_mapping_vmops{};

bool touch(Kernel& k, vm_area_struct& vma, Vaddr from, Vaddr to) {
  place_anon_vma(k, vma);
  for (Vaddr at = from; at < to; at += PAGE_SIZE) {
    if (!place_anon_page(k, vma, at)) return false;
  }
  return true;
}

bool build_stack(Kernel& k, mm_struct& mm, Vaddr start, Vaddr end, Vaddr touched) {
  if (find_vma_intersection(mm, start, end)) return false;
  vm_area_struct& vma =
      place_vma(k, mm, start, end, may_read | VM_WRITE | VM_GROWSDOWN | VM_ACCOUNT);
  k.vm_committed_as += vma_pages(vma);
  return touch(k, vma, touched, end);
}

file& program_file(Kernel& k) {
  for (file& open : k.files) {
    if (open.f_inode->name == "(program)") return open;
  }
  inode& node = k.inodes.emplace_back();
  node.index = static_cast<std::uint32_t>(k.inodes.size() - 1);
  node.i_ino = Ino(k.inodes.size());
  node.name = "(program)";
  node.i_size = data_start - text_start + (bss_start - data_start);
  node.i_fop = &shmem_file_operations;
  node.i_atime = node.i_mtime = node.i_ctime = k.coarse_time();
  init_inode_locks(k, node);
  file& open = k.files.emplace_back();
  open.f_inode = &node;
  open.f_op = node.i_fop;
  open.f_mode = FMODE_READ;
  return open;
}

vm_area_struct& map_program(Kernel& k, mm_struct& mm, Vaddr start, Vaddr end, vm_flags_t flags) {
  file& program = program_file(k);
  vm_area_struct& vma = place_vma(k, mm, start, end, flags);
  vma.vm_file = &program;
  ++program.f_count;
  vma.vm_pgoff = Pgoff((start - text_start) >> PAGE_SHIFT);
  vma.vm_ops = &shmem_vm_ops;
  program.f_inode->i_data.i_mmap.insert(vma);
  if (flags & VM_ACCOUNT) k.vm_committed_as += vma_pages(vma);
  return vma;
}

bool build_vdso(Kernel& k, mm_struct& mm) {
  const vm_flags_t of_pfns = VM_READ | VM_MAYREAD | VM_IO | VM_DONTDUMP | VM_PFNMAP;
  constexpr std::uint64_t clock_pages = 2;
  const Vaddr clock_start = vdso_start - clock_pages * PAGE_SIZE;
  const Vaddr vvar_end = k.profile.vvar_vclock ? clock_start : vdso_start;
  place_vma(k, mm, vvar_start, vvar_end, of_pfns).vm_ops = &special_mapping_vmops;
  if (k.profile.vvar_vclock) {
    place_vma(k, mm, clock_start, vdso_start, of_pfns).vm_ops = &special_mapping_vmops;
  }
  place_vma(k, mm, vdso_start, vdso_end, may_read | VM_EXEC).vm_ops = &special_mapping_vmops;
  const pte_ptr slot = place_tables(k, mm, vvar_start);
  const std::optional<Pfn> page = slot ? k.frames.alloc() : std::nullopt;
  if (page) set_pte(slot, pte_mkspecial(pfn_pte(*page, PAGE_READONLY)));
  return page.has_value();
}

bool build_static(Kernel& k, mm_struct& mm) {
  map_program(k, mm, text_start, code_start, may_read);
  map_program(k, mm, code_start, rodata_start, may_read | VM_EXEC);
  map_program(k, mm, rodata_start, relro_start, may_read);
  vm_area_struct& relro = map_program(k, mm, relro_start, data_start, may_read | VM_ACCOUNT);
  vm_area_struct& data =
      map_program(k, mm, data_start, bss_start, may_read | VM_WRITE | VM_ACCOUNT);
  vm_area_struct& bss = place_vma(k, mm, bss_start, heap_end, may_read | VM_WRITE | VM_ACCOUNT);
  k.vm_committed_as += vma_pages(bss);
  mm.set_child_tid = thread_id;
  return touch(k, relro, relro_start, data_start) && touch(k, data, data_start, bss_start) &&
         touch(k, bss, bss_start, touched_heap) && build_vdso(k, mm);
}

}  // namespace

bool build_image(const TaskSpec& spec, Kernel& k, mm_struct& mm) {
  // One image a process, whichever of its threads declares it.
  if (spec.static_image && mm.set_child_tid.v == 0 && !build_static(k, mm)) return false;
  if (spec.stack) {
    const Vaddr end(spec.stack->at);
    return build_stack(k, mm, end - spec.stack->length, end, end - PAGE_SIZE);
  }
  const bool has_stack = find_vma_intersection(mm, stack_start, stack_end) != nullptr;
  return !spec.static_image || has_stack ||
         build_stack(k, mm, stack_start, stack_end, touched_stack);
}

}  // namespace faultline
