// The steps of a scenario's tasks: one verb with its arguments, what it waits for and what is
// expected of it. A million of them must be cheap, so words are interned, references are indices,
// what few steps have lies in side tables, and a Step is about a hundred bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include <faultline/types.hpp>

namespace faultline {

// Indices into the vectors of Scenario.
using DeviceRef = Strong<struct DeviceRefTag, std::uint32_t>;
using FsRef = Strong<struct FsRefTag, std::uint32_t>;
using FileRef = Strong<struct FileRefTag, std::uint32_t>;
using LockRef = Strong<struct LockRefTag, std::uint32_t>;
using ProcessRef = Strong<struct ProcessRefTag, std::uint32_t>;

inline constexpr std::uint32_t no_index = 0xffff'ffff;
inline constexpr FileRef no_file{no_index};
inline constexpr LockRef no_lock{no_index};

/// Index of an interned string; 0 is the empty string.
using StringId = Strong<struct StringTag, std::uint32_t>;

/// Interned strings, kept in one block of bytes.
struct Strings {
  std::vector<char> bytes;
  std::vector<std::uint32_t> begin{0, 0};  ///< string n is bytes [begin[n], begin[n + 1])
  std::string_view operator[](StringId id) const {
    return {bytes.data() + begin[id.v], begin[id.v + 1] - begin[id.v]};
  }
};

/// A step of a task. `index` counts all steps of the task, those in a repeat's body too.
struct StepRef {
  TaskId task{0};
  std::uint32_t index = no_index;
  friend bool operator==(const StepRef&, const StepRef&) = default;
};

/// An address: a plain number, or the result of a step plus an offset (which wraps).
/// A step in a repeat gives the result of its latest execution.
struct AddressRef {
  std::uint64_t offset = 0;
  StepRef step;
  bool is_number() const { return step.index == no_index; }
};

/// A file descriptor: a plain number, or what a step returned.
struct FdRef {
  std::int64_t number = -1;
  StepRef step;
  bool is_number() const { return step.index == no_index; }
};

// clang-format off
enum class Verb : std::uint8_t {
  open, close, mmap, mmap3, munmap, mremap, mprotect, madvise, mlock, munlock, msync, load, store,
  flush, fence, pread, pwrite, read, write, aio_write, aio_read, ftruncate, fsync, fdatasync,
  fallocate, clone, dedupe, exchange, fcntl, fsxattr, fiemap, unlink, freeze, thaw, fork, exec,
  exit, wait, kill, pin, unpin, remap_file_pages, sleep, compute, crash, repeat, lock, unlock,
  downgrade, init, might_alloc, snapshot, read_maps, unmap_mapping, fadvise,
  layoutget, layoutreturn, uffd_register, uffd_read, uffd_copy, start_commit
};
// clang-format on
inline constexpr int verb_count = static_cast<int>(Verb::start_commit) + 1;

/// The verb as a scenario writes it.
std::string_view verb_name(Verb verb);

// ---- arguments; the verbs that have them stand above, unless the name says it -----------------

/// fence crash read_maps uffd_read
struct NoArgs {};
struct OpenArgs {
  FileRef file;
  std::uint64_t flags = 0;
};

/// close fsync fdatasync fiemap layoutget start_commit
struct FdArgs {
  FdRef fd;
};

/// mmap mmap3
struct MmapArgs {
  AddressRef addr;
  std::uint64_t length = 0, prot = 0, flags = 0;
  FdRef fd;  ///< -1 if absent
  std::uint64_t offset = 0;
};

/// munmap mlock munlock snapshot uffd_register
struct RangeArgs {
  AddressRef addr;
  std::uint64_t length = 0;
};
struct ProtectArgs {
  AddressRef addr;
  std::uint64_t length = 0, prot = 0;
};
struct AdviseArgs {
  AddressRef addr;
  std::uint64_t length = 0, advice = 0;
};
struct MsyncArgs {
  AddressRef addr;
  std::uint64_t length = 0, flags = 0;
};
struct MremapArgs {
  AddressRef addr;
  std::uint64_t old_length = 0, new_length = 0, flags = 0;
  AddressRef new_addr;
};

/// load store
struct AccessArgs {
  AddressRef at;
  std::uint64_t length = 8;  ///< bytes of one access, at least 1
  std::uint64_t count = 1;   ///< accesses
  std::uint64_t stride = 8;  ///< bytes between two; `length` if absent
  std::uint64_t value = 0;   ///< stored bytes, little endian
  bool has_value = false;    ///< of a load it became an expectation
};
enum class FlushHow : std::uint8_t { clwb, clflush, ntstore };
struct FlushArgs {
  AddressRef at;
  std::uint64_t length = 64;
  FlushHow how = FlushHow::clwb;
};

/// pread pwrite read write aio_*
struct IoArgs {
  FdRef fd;
  std::uint64_t at = 0, length = 0;
  AddressRef buffer;
  bool has_buffer = false;  ///< no: a kernel-owned one, never faults
};
struct TruncateArgs {
  FdRef fd;
  std::uint64_t length = 0;
};
struct FallocateArgs {
  FdRef fd;
  std::uint64_t mode = 0, at = 0, length = 0;
};

/// clone dedupe exchange
struct CloneArgs {
  FdRef fd;  ///< the source
  std::uint64_t at = 0, length = 0;
  FdRef to_fd;
  std::uint64_t to_at = 0;
  StepRef since;  ///< of exchange: the start_commit since which the target may not have changed
};
struct FcntlArgs {
  FdRef fd;
  std::uint64_t cmd = 0, arg = 0;
};
struct LayoutReturnArgs {
  FdRef fd;
  bool on_recall = false;  ///< waits until somebody wants the layout back
};
struct UffdCopyArgs {
  AddressRef addr;
  std::uint64_t length = 0, value = 0;
};
struct FsxattrArgs {
  FdRef fd;
  std::uint64_t set = 0, clear = 0, extsize = 0, cowextsize = 0;
  bool has_extsize = false, has_cowextsize = false;
};

/// unlink exec
struct FileArgs {
  FileRef file;
};

/// freeze thaw
struct FsArgs {
  FsRef fs;
};

/// fork wait kill
struct TaskArgs {
  TaskId task;
  std::uint64_t signal = 0;
};
struct ExitArgs {
  std::uint64_t code = 0;
  bool thread = false;  ///< exit, not exit_group
};
struct PinArgs {
  AddressRef addr;
  std::uint64_t length = 0;
  bool write = false, longterm = false;
};
struct RemapArgs {
  AddressRef addr;
  std::uint64_t length = 0, offset = 0;
};

/// sleep compute
struct DurationArgs {
  Nanos duration;
};
struct RepeatArgs {
  std::uint64_t times = 1;
  std::uint32_t body = 0;  ///< steps right after it, nested ones too
};
enum class LockMode : std::uint8_t { write, read };
struct LockArgs {
  LockRef lock;
  LockRef nest = no_lock;  ///< the nest lock that excuses it
  LockMode mode = LockMode::write;
  bool try_only = false, recursive = false;
};

/// unlock downgrade init
struct LockNameArgs {
  LockRef lock;
};
enum class Gfp : std::uint8_t { kernel, nofs };
struct MightAllocArgs {
  Gfp gfp = Gfp::kernel;
};
struct UnmapMappingArgs {
  FileRef file;
  std::uint64_t at = 0, length = 0;
};
struct FadviseArgs {
  FdRef fd;
  std::uint64_t at = 0, length = 0, advice = 0;
};

using StepArgs =
    std::variant<NoArgs, OpenArgs, FdArgs, MmapArgs, RangeArgs, ProtectArgs, AdviseArgs, MsyncArgs,
                 MremapArgs, AccessArgs, FlushArgs, IoArgs, TruncateArgs, FallocateArgs, CloneArgs,
                 FcntlArgs, FsxattrArgs, FileArgs, FsArgs, TaskArgs, ExitArgs, PinArgs, RemapArgs,
                 DurationArgs, RepeatArgs, LockArgs, LockNameArgs, MightAllocArgs, UnmapMappingArgs,
                 FadviseArgs, LayoutReturnArgs, UffdCopyArgs>;

// ---- the step -----------------------------------------------------------------------------------

enum class LeafSize : std::uint8_t { none, page, pmd, pud };  // "none", "4KiB", "2MiB", "1GiB"

/// What a step must come to; what is absent is not looked at.
struct StepExpectation {
  std::optional<int> err;  ///< positive errno, 0: success
  std::optional<AddressRef> value;
  std::optional<int> signal;            ///< 0: none
  std::optional<int> code;              ///< si_code
  std::optional<std::uint32_t> fault;   ///< VM_FAULT_ bits of the last fault
  std::optional<std::uint64_t> faults;  ///< how many faults
  std::optional<LeafSize> leaf;         ///< of the last fault
};

struct Step {
  StepArgs args;
  StringId id;                    ///< "" if it has none
  StringId xfail;                 ///< the reason; "" if it is not expected to fail
  std::uint32_t line = 0;         ///< of the scenario file, from 1
  std::uint32_t after_begin = 0;  ///< its part of Scenario::after
  std::uint32_t after_count = 0;
  std::uint32_t expect = 0;  ///< number in Scenario::step_expectations, from 1; 0: none
  Verb verb = Verb::fence;
};
static_assert(sizeof(Step) <= 112);

}  // namespace faultline
