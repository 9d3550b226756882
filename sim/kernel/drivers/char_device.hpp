// A character device whose driver is data: what its mmap hook sets up, which action it asks for,
// how its vm_ops answer; and the log of the calls it got, with the state of the locks it saw.
// Stands for drivers/* of Linux 6.12 and 7.1 that a scenario describes. Left out: everything of a
// driver but its mapping.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include <faultline/char_device.hpp>

#include "kernel/fs/fs_types.hpp"
#include "kernel/mm/mm_types.hpp"

namespace faultline {

struct task_struct;

/// What a lock looked like to a hook.
enum class HookLock : std::uint8_t { unknown, none, read, write };
enum class HookVma : std::uint8_t { unknown, not_in_tree, detached, attached, write_locked };

/// One call of a hook. What a hook cannot know or what does not apply is absent.
struct HookCall {
  std::uint64_t seq = 0;  ///< over all devices of a run
  HookKind kind = HookKind::mmap_prepare;
  TaskId task{};
  std::uint32_t step = ~0u;  ///< index in the task
  Vaddr start{}, end{};
  std::optional<Pgoff> pgoff;
  std::optional<std::uint64_t> private_data, flags;
  std::optional<Vaddr> address;
  std::optional<std::uint64_t> order;  ///< of huge_fault
  std::optional<std::int64_t> error;
  HookLock mmap_lock = HookLock::unknown, i_mmap = HookLock::unknown;
  HookVma vma = HookVma::unknown;
  std::optional<bool> occupied;          ///< of mmap_prepare: a look-up of the range finds a VMA
  std::optional<std::int64_t> returned;  ///< of a fault handler: its VM_FAULT_ bits
};

struct char_device {
  const CharDescription* what = nullptr;
  std::string name;
  file_operations fops;
  vm_operations_struct ops;
  char_device* inner = nullptr;  ///< of a stacked driver
  file* inner_file = nullptr;    ///< as the outer driver has opened it
  file* replacement = nullptr;   ///< what it puts under its mappings
  Pfn first_pfn{};               ///< of its memory
  std::vector<folio*> pages;     ///< its array; some may be bad
  std::vector<folio*> owned;     ///< the pages by themselves, for those who count references
  std::array<std::uint64_t, hook_kinds> calls{};
  std::deque<HookCall> log;
  HookCall not_kept;              ///< the latest call that the log had no room for
  std::uint64_t log_dropped = 0;  ///< how many
};

/// Fills in the operations of a described device: which hooks its files have, which its VMAs.
void init_char_device(Kernel& k, char_device& device);

/// The device behind a file; null for anything else.
inline char_device* device_of(const file& f) { return f.f_inode->i_cdev; }

/// Notes a call in the log, with what the locks are; the entry can be completed until the next one.
HookCall& log_hook(Kernel& k, char_device& device, HookKind kind);
/// The same, and the VMA that the hook was given.
HookCall& log_hook(Kernel& k, char_device& device, HookKind kind, const vm_area_struct& vma);

/// The same for a hook that is told a range, not a VMA: `vma` is what a look-up of it finds.
HookCall& log_hook(Kernel& k, char_device& device, HookKind kind, const mm_struct& mm,
                   const file* vm_file, Vaddr start);

/// The sleep that the description asks for at this call.
HelperPath<void> hook_sleep(Kernel& k, const char_device& device, HookKind kind);

}  // namespace faultline
