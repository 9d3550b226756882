// Knobs of the mmap path: what a running 7.1.5 does, and the states before and after single patches
// of the series that gave mmap_prepare its actions. Defaults are those of 6.12 where that kernel
// has the code at all, else those of 7.1.5.
#include "kernel/profiles/mmap_knobs.hpp"

#include <array>

#include "kernel/profiles/knob_setter.hpp"

namespace faultline {

namespace {

constexpr std::array knobs{
    Knob{"mm.debug_vm", KnobKind::boolean, "", "false",
         "CONFIG_DEBUG_VM: assertions of the memory manager that take locks or warn are built in.",
         set_member<&Profile::debug_vm>},
    Knob{"mm.merge_after_mmap_hook", KnobKind::boolean, "", "true",
         "A second merge attempt follows an mmap hook that has changed the VMA's flags; 7.1 makes "
         "none.",
         set_member<&Profile::merge_after_mmap_hook>},
    Knob{"mm.pfnmap_tracking", KnobKind::word, "vma_flag|context", "vma_flag",
         "How a VMA remembers the frames it has reserved: by a flag, so that unmapping has to look "
         "up the first one in the page table, or (7.1) by a context that hangs on it.",
         set_member<&Profile::pfnmap_tracking>},
    Knob{"mm.vma_pfn_flush", KnobKind::word, "each_vma|before_unlink", "each_vma",
         "When an unmapping of PFNs or driver pages flushes the TLB: after each VMA, or (7.1) once "
         "before the VMAs leave the reverse map.",
         set_member<&Profile::vma_pfn_flush>},
    Knob{
        "mm.insert_pages_asserts", KnobKind::word, "bug|warn", "bug",
        "What vm_insert_pages does to a driver that calls it without the mmap lock or for a VMA of "
        "PFNs; map_kernel_pages came with a warning only.",
        set_member<&Profile::insert_pages_asserts>},
    Knob{"mm.mapped_hook", KnobKind::boolean, "", "true",
         "vm_ops->mapped exists and runs once a new prepared mapping is complete; off: the state "
         "before it.",
         set_member<&Profile::mapped_hook>},
    Knob{"mm.mapped_check", KnobKind::boolean, "", "false",
         "An mmap hook that leaves operations with mapped is a warning and EINVAL, which also hit "
         "every stacked hook that did so by right; 7.1.5 has the check no more.",
         set_member<&Profile::mapped_check>},
    Knob{"mm.compat_unmaps", KnobKind::boolean, "", "false",
         "A failing action in a stacked hook unmaps the range, though the VMA is in no tree and an "
         "older mapping may be what is found there; 7.1.5 leaves it to the mmap hook's caller.",
         set_member<&Profile::compat_unmaps>},
    Knob{"mm.compat_clears_hide", KnobKind::boolean, "", "true",
         "The layer for stacked hooks drops hide_from_rmap_until_complete; off, i_mmap_rwsem is "
         "released by a task that never took it.",
         set_member<&Profile::compat_clears_hide>},
    Knob{"mm.action_unmap", KnobKind::word, "under_rmap|after_rmap", "after_rmap",
         "Whether a failed action unmaps its VMA while the i_mmap_rwsem of a hidden mapping is "
         "still held, so that the task waits for itself, or after its release.",
         set_member<&Profile::action_unmap>},
    Knob{"mm.remap_prepare_checks", KnobKind::word, "none|cow|range", "range",
         "What a remap action is tested for before there is a VMA: nothing, so that a partial "
         "private mapping fails only at the end; that; or also that it lies inside the VMA.",
         set_member<&Profile::remap_prepare_checks>},
    Knob{"mm.prepare_failure_uncharges", KnobKind::boolean, "", "true",
         "A failing mmap_prepare hook or action gives the overcommit charge back; 7.1.5 loses it "
         "for good.",
         set_member<&Profile::prepare_failure_uncharges>},
    Knob{"mm.desc_vm_ops", KnobKind::word, "null|dummy", "null",
         "What vm_ops is in a descriptor before the hook: null (the hook may leave it), or "
         "operations that do nothing, where null asks for anonymous memory.",
         set_member<&Profile::desc_vm_ops>},
    Knob{"mm.mremap", KnobKind::word, "unmaps_first|checks_first", "unmaps_first",
         "Whether mremap unmaps what lies at the new address before it looks at the mapping, or "
         "(6.17) judges everything first, and moves all VMAs of a range to a fixed address.",
         set_member<&Profile::mremap>},
    Knob{"mm.madvise_vma_lock", KnobKind::boolean, "", "false",
         "MADV_DONTNEED and MADV_FREE of a range inside one VMA take only that VMA's lock (6.17), "
         "and so do not wait for a writer of the mm elsewhere.",
         set_member<&Profile::madvise_vma_lock>},
    Knob{"mm.ksm", KnobKind::boolean, "", "true",
         "A kernel that can merge equal pages: MADV_MERGEABLE is a known advice.",
         set_member<&Profile::ksm>},
    Knob{"fs.pipes_noexec", KnobKind::boolean, "", "false",
         "Nothing may be executed from the mount of the pipes, so that mapping a pipe with "
         "PROT_EXEC is EPERM before it is ENODEV (7.1).",
         set_member<&Profile::pipes_noexec>},
    Knob{"proc.maps_under_vma_locks", KnobKind::boolean, "", "false",
         "/proc/PID/maps is read from one VMA's lock to the next (7.1); mmap_lock is wanted only "
         "while the mm has a writer.",
         set_member<&Profile::maps_under_vma_locks>},
    Knob{"x86.l1tf_pfn_limit", KnobKind::number, "", "0",
         "First frame that a mapping without access rights may not show to a task without "
         "CAP_SYS_ADMIN, on a CPU with the L1TF fault; 0: a CPU without it.",
         set_member<&Profile::l1tf_pfn_limit>},
};

}  // namespace

std::span<const Knob> mmap_knobs() { return knobs; }

}  // namespace faultline
