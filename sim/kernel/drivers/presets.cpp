// The table of known drivers. A scenario gives them their memory or pages, and may change anything.
#include "kernel/drivers/presets.hpp"

#include <array>

namespace faultline {

namespace {

constexpr std::uint64_t DONTCOPY = 0x20000, DONTEXPAND = 0x40000, DONTDUMP = 0x4000000, IO = 0x4000,
                        PFNMAP = 0x400, HUGEPAGE = 0x20000000;

CharDescription plain(MmapHook hook) {
  CharDescription d;
  d.hook = hook;
  return d;
}

CharDescription simple_window(CacheChoice cache) {
  CharDescription d = plain(MmapHook::mmap_prepare);
  d.page_prot = cache;
  d.actions.resize(1);
  d.actions[0].kind = DriverActionKind::simple_ioremap;
  return d;
}

// Operations that count the mappings of an object.
void count_mappings(CharDescription& d) {
  d.has_vm_ops = true;
  d.open.present = d.close.present = d.mapped.present = true;
}

CharDescription null_device() { return plain(MmapHook::none); }
CharDescription memory_device() { return plain(MmapHook::mmap_prepare); }

CharDescription open_dice() {
  CharDescription d = simple_window(CacheChoice::writecombine);
  d.set_flags = DONTCOPY | DONTDUMP;
  return d;
}

CharDescription hpet() { return simple_window(CacheChoice::noncached); }

CharDescription mtdchar() {
  CharDescription d = plain(MmapHook::mmap_prepare);
  d.returns = -19;  // ENODEV: there is an MMU
  return d;
}

CharDescription stm() {
  CharDescription d = simple_window(CacheChoice::noncached);
  d.set_flags = IO | DONTEXPAND | DONTDUMP;
  count_mappings(d);
  return d;
}

// The window begins at the offset already, and the action takes the offset off once more: only a
// mapping from the start can succeed.
CharDescription vme_user() {
  CharDescription d = simple_window(CacheChoice::noncached);
  count_mappings(d);
  d.mapped.private_data = 0x1000;  // an object of its own
  return d;
}

CharDescription vmbus_ring() {
  CharDescription d = simple_window(CacheChoice::unchanged);
  d.hook = MmapHook::mmap;
  d.splits = true;
  return d;
}

CharDescription uio() {
  CharDescription d = plain(MmapHook::mmap);
  d.page_prot = CacheChoice::noncached;
  d.has_vm_ops = true;
  d.calls.resize(1);
  d.calls[0].kind = DriverCallKind::remap_pfn_range;
  return d;
}

// Memory of the kernel's, one page a fault.
CharDescription uio_logical() {
  CharDescription d = plain(MmapHook::mmap);
  d.set_flags = DONTEXPAND | DONTDUMP;
  d.has_vm_ops = true;
  d.fault = DriverFault::insert_page;
  return d;
}

CharDescription device_dax() {
  CharDescription d = plain(MmapHook::mmap);
  d.set_flags = HUGEPAGE;
  d.has_vm_ops = true;
  d.may_split.present = true;
  d.fault = DriverFault::dax;
  d.huge_fault = DriverHugeFault::dax;
  return d;
}

CharDescription vfio_pci() {
  CharDescription d = plain(MmapHook::mmap);
  d.set_flags = IO | PFNMAP | DONTEXPAND | DONTDUMP;
  d.page_prot = CacheChoice::noncached;
  d.has_vm_ops = true;
  d.fault = DriverFault::insert_pfn;
  d.huge_fault = DriverHugeFault::insert_pfn_if_aligned;
  return d;
}

// All of it at once; without a handler, what is taken away does not come back.
CharDescription pci_resource(CacheChoice cache) {
  CharDescription d = plain(MmapHook::mmap);
  d.page_prot = cache;
  d.has_vm_ops = true;
  d.calls.resize(1);
  d.calls[0].kind = DriverCallKind::io_remap_pfn_range;
  return d;
}
CharDescription pci_resource_plain() { return pci_resource(CacheChoice::noncached); }
CharDescription pci_resource_wc() { return pci_resource(CacheChoice::writecombine); }

CharDescription tcmu() {
  CharDescription d = plain(MmapHook::mmap);
  d.splits = true;
  d.set_flags = DONTEXPAND | DONTDUMP;
  count_mappings(d);
  d.fault = DriverFault::insert_page;
  return d;
}

CharDescription afs() {
  CharDescription d = plain(MmapHook::mmap_prepare);
  count_mappings(d);
  d.fault = DriverFault::insert_page;
  return d;
}

// Cache that is kept for one mapping, which therefore may not move.
CharDescription resctrl() {
  CharDescription d = plain(MmapHook::mmap_prepare);
  d.has_vm_ops = true;
  d.mremap.present = true;
  d.mremap.returns = -22;  // EINVAL
  d.actions.resize(1);
  d.actions[0].kind = DriverActionKind::remap_full;
  return d;
}

CharDescription relay() {
  CharDescription d = plain(MmapHook::mmap_prepare);
  d.set_flags = DONTEXPAND;
  d.has_vm_ops = true;
  d.fault = DriverFault::insert_page;
  return d;
}

constexpr std::array rows{
    DriverPresetRow{"/dev/null", DriverPreset::dev_null, "The null device: it cannot be mapped.",
                    null_device},
    DriverPresetRow{"/dev/zero", DriverPreset::dev_zero,
                    "The zero device: a private mapping is anonymous memory, a shared one shared "
                    "memory of its own.",
                    memory_device},
    DriverPresetRow{"/dev/mem", DriverPreset::dev_mem,
                    "Physical memory: the offset is the address; of DRAM only the first MiB.",
                    memory_device},
    DriverPresetRow{"open-dice", DriverPreset::open_dice,
                    "Boot secrets in reserved memory (drivers/misc/open-dice.c): a write-combined "
                    "window that nobody may share for writing.",
                    open_dice},
    DriverPresetRow{"hpet", DriverPreset::hpet,
                    "Timer registers (drivers/char/hpet.c): one uncached page.", hpet},
    DriverPresetRow{"mtdchar", DriverPreset::mtdchar,
                    "Flash (drivers/mtd/mtdchar.c): with an MMU every mmap is ENODEV.", mtdchar},
    DriverPresetRow{"stm", DriverPreset::stm,
                    "Trace channels (drivers/hwtracing/stm/core.c): the whole window or nothing; "
                    "mapped and open wake the device, close lets it sleep.",
                    stm},
    DriverPresetRow{"vme_user", DriverPreset::vme_user,
                    "A VME window (drivers/staging/vme_user): adds the offset to the window and so "
                    "fails for any but 0.",
                    vme_user},
    DriverPresetRow{"vmbus-ring", DriverPreset::vmbus_ring,
                    "The ring of a Hyper-V channel (drivers/hv/vmbus_drv.c): an mmap hook of sysfs "
                    "with a prepare hook behind it.",
                    vmbus_ring},
    DriverPresetRow{"uio", DriverPreset::uio,
                    "Userspace I/O of device memory (drivers/uio/uio.c): an mmap hook that calls "
                    "remap_pfn_range.",
                    uio},
    DriverPresetRow{
        "uio-logical", DriverPreset::uio_logical,
        "Userspace I/O of the kernel's own memory (drivers/uio/uio.c, UIO_MEM_LOGICAL): "
        "a fault handler that gives one page of its array at a time.",
        uio_logical},
    DriverPresetRow{
        "device-dax", DriverPreset::device_dax,
        "Memory without a file system (drivers/dax/device.c): shared mappings by faults "
        "of one page size, which \"align\" gives: 4KiB, 2MiB (if absent) or 1GiB.",
        device_dax},
    DriverPresetRow{
        "vfio-pci", DriverPreset::vfio_pci,
        "A BAR of a PCI device for user space (drivers/vfio/pci/vfio_pci_core.c): faults "
        "that insert 4 KiB, and 2 MiB or 1 GiB if they meet the start of such a block.",
        vfio_pci},
    DriverPresetRow{"pci-resource", DriverPreset::pci_resource,
                    "resourceN of a PCI device in sysfs (drivers/pci/mmap.c): its BAR, uncached, "
                    "mapped as a whole by mmap.",
                    pci_resource_plain},
    DriverPresetRow{"pci-resource-wc", DriverPreset::pci_resource_wc,
                    "resourceN_wc: the same, write-combined.", pci_resource_wc},
    DriverPresetRow{"tcmu", DriverPreset::tcmu,
                    "TCMU behind uio (drivers/target/target_core_user.c): an mmap hook with a "
                    "prepare hook behind it that sets operations with mapped.",
                    tcmu},
    DriverPresetRow{"afs", DriverPreset::afs,
                    "A file of AFS (fs/afs/file.c), as far as its mappings are counted: mapped and "
                    "open add one, close takes one off.",
                    afs},
    DriverPresetRow{"resctrl", DriverPreset::resctrl,
                    "A pseudo-locked region (fs/resctrl/pseudo_lock.c): memory that only a mapping "
                    "with VM_SHARED may show, and that may not be moved.",
                    resctrl},
    DriverPresetRow{"relay", DriverPreset::relay,
                    "A relay buffer (kernel/relay.c): all of its pages or nothing, by faults.",
                    relay},
};

}  // namespace

std::span<const DriverPresetRow> driver_presets() { return rows; }

const DriverPresetRow* find_driver_preset(std::string_view name) {
  for (const DriverPresetRow& row : rows) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

}  // namespace faultline
