// anon_vma creation, sharing, cloning and unlinking. Linux 6.12 mm/rmap.c, find_mergeable_anon_vma
// of mm/vma.c.
#include "kernel/mm/rmap.hpp"

#include "base/bug.hpp"
#include "kernel/mm/vma.hpp"

namespace faultline {

static anon_vma& anon_vma_alloc(Kernel& k, mm_struct& mm) {
  anon_vma* av = nullptr;
  if (k.free_anon_vmas.empty()) {
    av = &k.anon_vmas.emplace_back();
  } else {
    av = k.free_anon_vmas.back();
    k.free_anon_vmas.pop_back();
    *av = anon_vma{};
  }
  av->id = mm.next_anon_vma_id++;
  av->root = av->parent = av;
  init_lock(av->rwsem, k.locks, k.cls.anon_vma, lock_id(LockOwner::anon_vma, mm.id, av->id));
  return *av;
}

static void free_if_unused(Kernel& k, anon_vma& av) {
  if (av.links == 0 && av.descendants == 0) k.free_anon_vmas.push_back(&av);
}

// The link of one VMA goes. A chain holds the parents of each of its anon_vmas, so a parent is
// there as long as its child.
static void unlink_one(Kernel& k, anon_vma& av) {
  if (--av.links != 0) return;
  --av.parent->num_children;
  anon_vma& root = *av.root;
  free_if_unused(k, av);
  if (&root == &av) return;
  --root.descendants;
  free_if_unused(k, root);
}

static void anon_vma_chain_link(vm_area_struct& vma, anon_vma& av) {
  vma.anon_vma_chain.push_back(&av);
  ++av.links;
}

// A neighbour could be merged with `vma` later, if only both had the same anon_vma.
static bool reusable(const vm_area_struct& a, const vm_area_struct& b) {
  constexpr vm_flags_t may_differ = VM_ACCESS_FLAGS | VM_SOFTDIRTY;
  return a.vm_end == b.vm_start && a.vm_file == b.vm_file &&
         !((a.vm_flags ^ b.vm_flags) & ~may_differ) && a.vm_pgoff + vma_pages(a) == b.vm_pgoff;
}

// A chain of several is that of a fork's child: its anon_vma is not shared with neighbours.
static bool has_one_anon_vma(const vm_area_struct& vma) {
  return vma.anon_vma && vma.anon_vma_chain.size() == 1;
}

static anon_vma* find_mergeable_anon_vma(const vm_area_struct& vma) {
  const mm_struct& mm = *vma.vm_mm;
  vm_area_struct* const next = find_vma(mm, vma.vm_end);
  if (next && has_one_anon_vma(*next) && reusable(vma, *next)) return next->anon_vma;
  vm_area_struct* const prev = find_vma_prev(mm, vma.vm_start);
  if (prev && has_one_anon_vma(*prev) && reusable(*prev, vma)) return prev->anon_vma;
  return nullptr;
}

Path<void> __anon_vma_prepare(Kernel& k, vm_area_struct& vma) {
  mm_struct& mm = *vma.vm_mm;
  k.might_alloc();
  anon_vma* av = find_mergeable_anon_vma(vma);
  const bool fresh = av == nullptr;
  if (fresh) {
    av = &anon_vma_alloc(k, mm);
    ++av->num_children;  // a root counts itself
  }
  co_await down_write(av->root->rwsem);
  co_await spin_lock(mm.page_table_lock);
  if (!vma.anon_vma) {
    vma.anon_vma = av;
    anon_vma_chain_link(vma, *av);
    ++av->num_active_vmas;
  }
  spin_unlock(mm.page_table_lock);
  up_write(av->root->rwsem);
  free_if_unused(k, *av);  // another thread was faster
}

void place_anon_vma(Kernel& k, vm_area_struct& vma) {
  anon_vma* av = find_mergeable_anon_vma(vma);
  if (!av) {
    av = &anon_vma_alloc(k, *vma.vm_mm);
    ++av->num_children;
  }
  vma.anon_vma = av;
  anon_vma_chain_link(vma, *av);
  ++av->num_active_vmas;
}

Path<void> anon_vma_clone(Kernel& k, vm_area_struct& to, const vm_area_struct& from) {
  if (from.anon_vma_chain.empty()) co_return;
  rw_semaphore& lock = from.anon_vma_chain.front()->root->rwsem;
  co_await down_write(lock);
  for (anon_vma* const av : from.anon_vma_chain) {
    anon_vma_chain_link(to, *av);
    // A chain of processes that fork and end would otherwise grow without bound.
    if (!to.anon_vma && from.anon_vma && av->num_children < 2 && av->num_active_vmas == 0) {
      to.anon_vma = av;
    }
  }
  if (to.anon_vma) ++to.anon_vma->num_active_vmas;
  k.engine.charge(k.costs.rmap_op);
  up_write(lock);
}

Path<void> anon_vma_fork(Kernel& k, vm_area_struct& vma, const vm_area_struct& parent) {
  vma.anon_vma = nullptr;
  if (!parent.anon_vma) co_return;
  if (k.profile.fork_allocates_first) k.might_alloc();
  co_await anon_vma_clone(k, vma, parent);
  if (vma.anon_vma) co_return;
  if (!k.profile.fork_allocates_first) k.might_alloc();
  anon_vma& own = anon_vma_alloc(k, *vma.vm_mm);
  own.root = parent.anon_vma->root;
  own.parent = parent.anon_vma;
  ++own.num_active_vmas;
  ++own.root->descendants;
  vma.anon_vma = &own;
  co_await down_write(own.root->rwsem);
  anon_vma_chain_link(vma, own);
  ++own.parent->num_children;
  up_write(own.root->rwsem);
}

Path<void> unlink_anon_vmas(Kernel& k, vm_area_struct& vma) {
  if (vma.anon_vma_chain.empty()) co_return;
  rw_semaphore& lock = vma.anon_vma_chain.front()->root->rwsem;
  co_await down_write(lock);
  k.engine.charge(k.costs.rmap_op);
  if (vma.anon_vma) {
    FL_ASSERT(vma.anon_vma->num_active_vmas != 0);
    --vma.anon_vma->num_active_vmas;
  }
  vma.anon_vma = nullptr;
  up_write(lock);
  for (anon_vma* const av : vma.anon_vma_chain) unlink_one(k, *av);
  vma.anon_vma_chain.clear();
}

}  // namespace faultline
