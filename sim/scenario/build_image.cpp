// The memory of a process as exec leaves it: see the header.
#include "scenario/build_image.hpp"

#include "kernel/mm/memory.hpp"
#include "kernel/mm/rmap.hpp"
#include "kernel/mm/vma.hpp"

namespace faultline {

namespace {

constexpr vm_flags_t may_all = VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC;

bool build_stack(Kernel& k, mm_struct& mm, ByteRange stack) {
  const Vaddr end(stack.at);
  const Vaddr start = end - stack.length;
  if (find_vma_intersection(mm, start, end)) return false;
  const vm_flags_t flags = VM_READ | VM_WRITE | VM_GROWSDOWN | VM_ACCOUNT | may_all;
  vm_area_struct& vma = place_vma(k, mm, start, end, flags);
  k.vm_committed_as += vma_pages(vma);
  place_anon_vma(k, vma);
  return place_anon_page(k, vma, end - PAGE_SIZE);
}

}  // namespace

bool build_image(const TaskSpec& spec, Kernel& k, mm_struct& mm) {
  return !spec.stack || build_stack(k, mm, *spec.stack);
}

}  // namespace faultline
