// A driver as a scenario describes it: the hooks that its character device has for mmap and what
// they do. Plain data, checked by the loader as far as it can mean nothing; what a real driver
// could do wrong stays, and is played.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <faultline/types.hpp>

namespace faultline {

/// The calls that a driver can get.
enum class HookKind : std::uint8_t {
  mmap_prepare,
  mmap,
  mapped,
  open,
  close,
  fault,
  may_split,
  mremap,
  mprotect,
  success_hook,
  error_hook,
  huge_fault
};
inline constexpr std::size_t hook_kinds = 12;

/// `for` nanoseconds at the nth call (from 1); 0: no sleep.
struct HookSleep {
  Nanos duration{};
  std::uint64_t nth = 1;
};

/// Which mmap hooks the driver's file operations have.
enum class MmapHook : std::uint8_t { mmap_prepare, mmap, both, none, stacked };

enum class DriverActionKind : std::uint8_t {
  none,
  remap,
  remap_full,
  ioremap,
  ioremap_full,
  simple_ioremap,
  map_kernel_pages,
  map_kernel_pages_full,
  unknown
};

/// One call of an mmap_action_ helper. What is absent is what the description says of absence.
struct DriverAction {
  DriverActionKind kind = DriverActionKind::none;
  std::int64_t start = 0;             ///< bytes from the VMA's start
  std::optional<std::uint64_t> pfn;   ///< absent: the device's first, plus the page offset
  std::optional<std::uint64_t> phys;  ///< of simple_ioremap; absent: the device's memory
  std::optional<std::uint64_t> pages, size;
  bool half = false;       ///< size: half of the VMA's pages
  std::uint64_t from = 0;  ///< first entry of the page array
};

enum class DriverCallKind : std::uint8_t {
  remap_pfn_range,
  io_remap_pfn_range,
  vm_iomap_memory,
  vm_insert_page,
  vm_insert_pages,
  vm_map_pages
};

/// One call of an mmap hook into the memory manager.
struct DriverCall {
  DriverCallKind kind = DriverCallKind::remap_pfn_range;
  DriverAction args;  ///< its kind is not looked at
};

/// One of the operations on VMAs, or a hook of an action.
struct DriverOp {
  bool present = false;
  std::int64_t returns = 0;  ///< 0, a negative errno, or a positive number
  HookSleep sleep;
  std::optional<std::uint64_t> private_data;  ///< mapped: what it leaves in the VMA
};

enum class DriverFault : std::uint8_t {
  absent,
  insert_page,
  insert_pfn,
  sigbus,
  insert_pfn_unless_cow,
  insert_mixed,  ///< a PFN into a VMA that may have pages too
  dax            ///< a page of `align` bytes and no other, as device-dax does
};

/// What a driver does when the core offers it to map 2 MiB or 1 GiB at once.
enum class DriverHugeFault : std::uint8_t {
  absent,
  insert_pfn,             ///< if the block of the address lies in the VMA and its PFN is aligned
  insert_pfn_if_aligned,  ///< as that, if the access is to the block's first page
  fallback,
  sigbus,
  dax  ///< a page of `align` bytes and no other
};

enum class BadPage : std::uint8_t { ref0, slab, zero, duplicate };
struct BadPageAt {
  std::uint64_t index = 0;
  BadPage kind = BadPage::ref0;
};

enum class CacheChoice : std::uint8_t { unchanged, noncached, writecombine };

/// What a driver that is known by name tests before anything else, by that name.
enum class DriverPreset : std::uint8_t {
  none,
  dev_null,
  dev_zero,
  dev_mem,
  open_dice,
  hpet,
  mtdchar,
  stm,
  vme_user,
  vmbus_ring,
  uio,
  tcmu,
  afs,
  resctrl,
  relay,
  uio_logical,
  device_dax,
  vfio_pci,
  pci_resource,
  pci_resource_wc
};

struct CharDescription {
  DriverPreset preset = DriverPreset::none;
  MmapHook hook = MmapHook::mmap_prepare;
  std::uint32_t inner = ~0u;  ///< stacked: the index of the device below
  bool phys_from_offset = false;
  std::uint64_t phys_at = 0, phys_size = 0;  ///< bytes; size 0: no memory
  std::uint64_t page_count = 0;
  std::vector<BadPageAt> bad_pages;
  std::vector<DriverAction> actions;
  std::vector<DriverCall> calls;
  std::int64_t returns = 0;
  std::uint64_t set_flags = 0, clear_flags = 0;  ///< VM_ bits
  CacheChoice page_prot = CacheChoice::unchanged, page_prot_after = CacheChoice::unchanged;
  std::optional<std::uint64_t> private_data;
  std::uint32_t replace_file = ~0u;  ///< index of the file; ~0: none
  bool replace_by_shmem = false;     ///< a new one each time
  std::uint64_t pgoff_shift = 0;     ///< pages
  bool has_vm_ops = false;
  DriverOp open, close, mapped, may_split, mremap, mprotect, success_hook, error_hook;
  DriverFault fault = DriverFault::absent;
  DriverHugeFault huge_fault = DriverHugeFault::absent;
  std::uint64_t align = 0;  ///< of dax: bytes of each page; 0: 2 MiB
  HookSleep fault_sleep, huge_fault_sleep, sleep;
  bool hide_from_rmap = false;
  bool splits = false;  ///< its mmap hook lets a prepare hook of its own do the work
};

}  // namespace faultline
