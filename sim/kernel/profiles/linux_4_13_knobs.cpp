// Knobs by which Linux 4.13 and the proposal of MAP_DIRECT on it differ from 6.12, whose values are
// the defaults.
#include "kernel/profiles/linux_4_13_knobs.hpp"

#include <array>

#include "kernel/profiles/knob_setter.hpp"

namespace faultline {

namespace {

constexpr std::array knobs{
    Knob{"mm.fault_entry", KnobKind::word, "do_user_addr_fault|__do_page_fault",
         "do_user_addr_fault",
         "The entry of a page fault: the one with VMA locks and any number of retries, or that of "
         "4.13 with mmap_sem only and one retry.",
         set_member<&Profile::fault_entry>},
    Knob{"mm.lock_names", KnobKind::word, "mmap_lock|mmap_sem", "mmap_lock",
         "Names of locks as lock debugging prints them: those of 6.12, or those of 4.13.",
         set_member<&Profile::lock_names>},
    Knob{"mm.mmap_region", KnobKind::word, "gathers|unmaps_first", "gathers",
         "mmap(2) gathers the mappings in its way and frees them last, or (4.13) unmaps them "
         "before anything else and never merges after the file's hook. Of a mapping that is cut, "
         "then, the pieces that stay keep the old VMA.",
         set_member<&Profile::mmap_region>},
    Knob{"mm.munmap_downgrades", KnobKind::boolean, "", "true",
         "munmap(2) holds mmap_lock only for reading while it clears page tables and calls "
         "->close; before 4.20 for writing.",
         set_member<&Profile::munmap_downgrades>},
    Knob{"mm.exit_locks_mm", KnobKind::boolean, "", "true",
         "The last user of an mm unmaps under mmap_lock; before 5.14 without any lock.",
         set_member<&Profile::exit_locks_mm>},
    Knob{"mm.unlink_vma_batch", KnobKind::number, "", "8",
         "How many VMAs of a file are unlinked from it under one hold of i_mmap_rwsem.",
         set_member<&Profile::unlink_vma_batch>},
    Knob{"mm.fault_preallocates", KnobKind::boolean, "", "true",
         "A page table is allocated before ->fault is called (5.0 and later).",
         set_member<&Profile::fault_preallocates>},
    Knob{"mm.rmap_walk_writes", KnobKind::boolean, "", "false",
         "unmap_mapping_range holds i_mmap_rwsem for writing (before 5.17).",
         set_member<&Profile::rmap_walk_writes>},
    Knob{"mm.reclaim_annotation", KnobKind::boolean, "", "true",
         "Allocations that may reclaim take the pseudo-lock fs_reclaim (4.14 and later).",
         set_member<&Profile::reclaim_annotation>},
    Knob{"mm.merge_extends_closing", KnobKind::boolean, "", "true",
         "A VMA whose operations have ->close may be extended by a merge (6.1 and later).",
         set_member<&Profile::merge_extends_closing>},
    Knob{"mm.mremap_dontunmap", KnobKind::boolean, "", "true",
         "mremap knows MREMAP_DONTUNMAP (5.7 and later).", set_member<&Profile::mremap_dontunmap>},
    Knob{"mm.writable_asks_maywrite", KnobKind::boolean, "", "true",
         "Of a file's shared mappings only those that could be made writable count in "
         "i_mmap_writable (6.7 and later); before, all of them.",
         set_member<&Profile::writable_asks_maywrite>},
    Knob{"mm.dirtying_fault_unlocks", KnobKind::boolean, "", "true",
         "A fault that has made a page dirty gives its lock up before it is throttled (5.5 and "
         "later).",
         set_member<&Profile::dirtying_fault_unlocks>},
    Knob{"mm.filemap_fault_locks", KnobKind::boolean, "", "true",
         "Who reads a folio in takes the invalidate lock: a fault, read(2), readahead (5.15 and "
         "later); before, the file system's fault handler holds its own around it.",
         set_member<&Profile::filemap_fault_locks>},
    Knob{"mm.map_0x80000", KnobKind::word, "sync|direct", "sync",
         "What bit 0x80000 of mmap's flags is: MAP_SYNC, or MAP_DIRECT of the proposal.",
         set_member<&Profile::map_bit>},
    Knob{"mm.map_mask_denywrite", KnobKind::boolean, "", "true",
         "MAP_DENYWRITE and MAP_EXECUTABLE are among the flags that mmap3 and a file's hook take.",
         set_member<&Profile::map_mask_denywrite>},
    Knob{"fs.dax_entries", KnobKind::word, "xarray|radix_tree", "xarray",
         "What the slots of a DAX file hold: value entries, or (4.13) entries and pages of zeros, "
         "with which a first store faults twice.",
         set_member<&Profile::dax_entries>},
    Knob{"xfs.breaks_busy_layouts", KnobKind::boolean, "", "true",
         "Before blocks go, XFS unmaps the file and waits for pages that are still in use (4.18 "
         "and later).",
         set_member<&Profile::breaks_busy_layouts>},
    Knob{"xfs.iolock_tries_first", KnobKind::boolean, "", "false",
         "read(2) and write(2) on a DAX file try IOLOCK before they wait for it (4.13).",
         set_member<&Profile::iolock_tries_first>},
    Knob{"xfs.map_direct.seal_locks", KnobKind::word,
         "none|iolock|mmaplock|iolock_mmaplock|ilock|mmaplock_ilock", "iolock_mmaplock",
         "The locks of the inode, all exclusive, that MAP_DIRECT takes in ->mmap to seal it and in "
         "->close to lift the seal.",
         set_member<&Profile::seal_locks>},
    Knob{"fs.map_direct", KnobKind::word, "seal|lease", "seal",
         "What a MAP_DIRECT mapping does to its file: seals it against changes of its block map "
         "(versions 1 to 6), or holds a layout lease that who changes it has to break (version 7).",
         set_member<&Profile::map_direct>},
    Knob{"fs.map_direct.invalidate_reads_vma", KnobKind::boolean, "", "true",
         "The worker that ends a broken lease of a mapping finds range and file through the VMA it "
         "was registered with (versions 7 to 9); off, it has noted them.",
         set_member<&Profile::invalidate_reads_vma>},
    Knob{"xfs.map_direct.refuses_reflink", KnobKind::boolean, "", "true",
         "A fault on a MAP_DIRECT mapping of a file with the reflink flag is SIGBUS.",
         set_member<&Profile::direct_refuses_reflink>},
    Knob{"fs.lease_break_time", KnobKind::number, "", "45",
         "/proc/sys/fs/lease-break-time: seconds that the holder of a lease has to give it up; 0: "
         "for ever.",
         set_member<&Profile::lease_break_time>},
    Knob{"xfs.remap_breaks_leases", KnobKind::boolean, "", "true",
         "Sharing blocks with another file breaks the layout leases of both (4.16 and later).",
         set_member<&Profile::remap_breaks_leases>},
    Knob{"mm.uffd_vma_lock", KnobKind::boolean, "", "true",
         "UFFDIO_COPY takes the lock of the VMA it fills, and mmap_lock only if that cannot be had "
         "(6.8 and later).",
         set_member<&Profile::uffd_vma_lock>},
    Knob{"xfs.dax_flag_switch", KnobKind::word, "deferred|live|off", "deferred",
         "When FS_XFLAG_DAX takes effect on a file: once nobody uses it any more (5.8 and later), "
         "at once, its pages being dropped (4.13-rc), or at the next mount (4.13.4).",
         set_member<&Profile::dax_flag_switch>},
    Knob{"xfs.reflink_dax", KnobKind::boolean, "", "true",
         "Files with DAX may share blocks (6.0 and later).", set_member<&Profile::reflink_dax>},
    Knob{"xfs.remap_demotes_source", KnobKind::boolean, "", "true",
         "While blocks are given to another file, the source may be read (6.7 and later): its "
         "locks are shared then, and a write fault takes MMAPLOCK exclusively.",
         set_member<&Profile::remap_demotes_source>},
    Knob{"xfs.exchange", KnobKind::word, "exchange_range|swapext", "exchange_range",
         "By which call two files exchange their blocks: XFS_IOC_EXCHANGE_RANGE (6.10 and later), "
         "or XFS_IOC_SWAPEXT, of whole files.",
         set_member<&Profile::exchange>},
    Knob{"xfs.extsize_check", KnobKind::word, "lenient|extents|filedata", "extents",
         "When an extent-size hint may change: while the file has no mappings, a hint without its "
         "flag being dropped (4.13); the same, but hint and flag go together (6.12); while nothing "
         "is reserved for it either (6.13 and later).",
         set_member<&Profile::extsize_check>},
    Knob{"xfs.dio_unaligned", KnobKind::word, "overwrite_shared|exclusive", "overwrite_shared",
         "A direct write of parts of blocks shares IOLOCK and tries to overwrite what is written, "
         "and is alone only if that cannot be (5.12 and later); or is alone from the start, but "
         "not until an asynchronous one is complete (4.13).",
         set_member<&Profile::dio_unaligned>},
    Knob{"mm.longterm_refuses_fsdax", KnobKind::boolean, "", "true",
         "Long-term pins of DAX files are refused (4.15 and later); before, there is no such kind "
         "of pin and all are granted.",
         set_member<&Profile::longterm_refuses_fsdax>},
    Knob{"fs.busy_scan_needs_mapping", KnobKind::boolean, "", "true",
         "Pinned pages of a DAX file are only looked for while somebody maps the file, so that a "
         "pin that outlives its mapping holds nobody up (until 6.14).",
         set_member<&Profile::busy_scan_needs_mapping>},
    Knob{"fs.dax_recovery_write", KnobKind::boolean, "", "true",
         "write(2) heals the bad pages of a DAX file that it writes whole, and a page of which a "
         "load has met poison is taken from its users (6.0 and later); before, both end in an I/O "
         "error.",
         set_member<&Profile::dax_recovery_write>},
    Knob{"fs.discard_keeps_page", KnobKind::boolean, "", "true",
         "A dirty page that write-back cannot find blocks for stays readable in the page cache; "
         "before 5.20 it is read from the device again, where nothing is.",
         set_member<&Profile::discard_keeps_page>},
    Knob{"xfs.inactivates_later", KnobKind::boolean, "", "true",
         "The blocks of an unlinked file are freed by a kernel worker after its last user has gone "
         "(5.14 and later); before, by that user itself.",
         set_member<&Profile::inactivates_later>},
    Knob{
        "xfs.cil_throttles", KnobKind::boolean, "", "true",
        "Who commits a transaction waits while twice the background limit of the log is in memory, "
        "until the push worker has begun (5.7 and later); before, nobody waits.",
        set_member<&Profile::cil_throttles>},
    Knob{
        "xfs.freeze_covers_log", KnobKind::boolean, "", "true",
        "A freeze writes the superblock twice, so that the log on disk has nothing to replay (5.12 "
        "and later); before, once.",
        set_member<&Profile::freeze_covers_log>},
    Knob{"trace.known_events_only", KnobKind::boolean, "", "false",
         "Tracepoints that the profile's kernel does not have are not recorded.",
         set_member<&Profile::known_events_only>},
};

}  // namespace

std::span<const Knob> linux_4_13_knobs() { return knobs; }

}  // namespace faultline
