// A scenario as plain data: what one run is to play, with every name resolved to an index and every
// unit converted. sim/scenario/load.hpp makes it from JSON and has checked all of it, so who builds
// a World from it need not: indices are in range, extents are disjoint and inside their device,
// references point to steps that can give what is wanted. Order of declaration is kept everywhere.
// Arguments of system calls are any 64-bit value, as written: the model judges them, not the
// loader.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <faultline/char_device.hpp>
#include <faultline/scenario_steps.hpp>
#include <faultline/types.hpp>

namespace faultline {

// ---- kernel, machine, schedule ------------------------------------------------------------------

/// One knob of the profile, set by the scenario or the command line. `word` is filled for knobs
/// that choose a word, `number` for all others (a boolean is 0 or 1, a duration ns, a size bytes).
struct KnobSetting {
  std::string name;
  std::uint64_t number = 0;
  std::string word;
};

struct KernelChoice {
  std::string profile = "linux-6.12";
  std::vector<KnobSetting> set;
};

struct MachineSpec {
  std::uint32_t cpus = 1;               ///< 1..4096
  std::string preset = "x86-dram";      ///< cost preset
  Nanos tick{4'000'000};                ///< timestamp granularity and scheduler tick, ns
  std::uint32_t page_table_levels = 4;  ///< 4, or 5 (LA57)
};

enum class ChooserKind : std::uint8_t { timed, sequential, random, replay };

struct ScheduleSpec {
  ChooserKind chooser = ChooserKind::timed;
  std::uint64_t seed = 1;
};

// ---- devices, file systems, files ---------------------------------------------------------------

/// A byte range [at, at + length).
struct ByteRange {
  std::uint64_t at = 0;
  std::uint64_t length = 0;
};

struct PmemSpec {
  std::uint64_t size = 0;                ///< bytes, a multiple of 4096, at most 64 TiB
  std::string preset;                    ///< "" : that of the machine
  std::vector<ByteRange> poison;         ///< that the driver knows of
  std::vector<ByteRange> latent_poison;  ///< that nobody knows of until it is read
};

struct BlockSpec {
  std::uint64_t size = 0;
  std::string preset;
};

struct CharSpec {
  std::string preset;  ///< "": the driver is described, not known by name
  CharDescription driver;
};

struct DeviceSpec {
  std::string name;
  std::variant<PmemSpec, BlockSpec, CharSpec> what;
};

enum class DaxMode : std::uint8_t { always, never, inode };

struct XfsSpec {
  DeviceRef device;
  DaxMode dax = DaxMode::always;
  bool reflink = false;
  bool relatime = true;
  std::uint32_t agcount = 0;             ///< 0: what mkfs.xfs takes for that size
  std::uint64_t sunit = 0, swidth = 0;   ///< bytes, 0: none
  std::uint64_t log_size = 64ULL << 20;  ///< bytes
};

struct TmpfsSpec {};

struct FilesystemSpec {
  std::string name;
  std::variant<XfsSpec, TmpfsSpec> what;
};

enum class ExtentState : std::uint8_t { written, unwritten, delalloc, hole };

struct ExtentSpec {
  std::uint64_t at = 0, length = 0;   ///< bytes in the file, multiples of 4096
  std::optional<std::uint64_t> phys;  ///< bytes on the device; none: the file system chooses
  ExtentState state = ExtentState::written;
  FileRef shared_with = no_file;  ///< no_file: not shared
  std::uint64_t shared_at = 0;    ///< offset in `shared_with`
};

/// `count` extents of `length` bytes, one at the start of each `every` bytes of the file.
struct ExtentPattern {
  std::uint64_t every = 0, length = 0, count = 0;
  ExtentState state = ExtentState::written;
};

struct CachedRange {
  std::uint64_t at = 0, length = 0;
  bool dirty = false;
  std::uint64_t folio = 0;  ///< bytes, 0: as large as one write would make them
};

/// `stale`: older than the timestamp granularity, so that the next change logs the inode.
struct FileTime {
  enum class Kind : std::uint8_t { stale, fresh, at } kind = Kind::fresh;
  std::uint64_t ns = 0;  ///< only with `at`
};

enum class FileType : std::uint8_t { regular, directory, character, pipe };

inline constexpr std::uint8_t file_append = 1, file_immutable = 2, file_noexec = 4;

struct FileSpec {
  std::string name;
  FileType type = FileType::regular;
  FsRef fs;                ///< regular and directory
  DeviceRef device;        ///< character: its device; regular: that of its fs
  std::uint64_t size = 0;  ///< bytes, at most 2^63 - 1
  std::uint32_t mode = 0644;
  std::uint32_t uid = 0;
  std::uint8_t flags = 0;     ///< file_append | ...
  std::uint64_t extsize = 0;  ///< extent-size hint, bytes
  FileTime atime, mtime;
  std::vector<ExtentSpec> extents;       ///< sorted by `at`, disjoint
  std::optional<ExtentPattern> pattern;  ///< instead of `extents`
  std::vector<CachedRange> cached;
};

// ---- locks, injected errors ---------------------------------------------------------------------

enum class LockKind : std::uint8_t { mutex, rwsem, rwlock, spinlock, percpu_rwsem, annotation };

struct LockSpec {
  std::string name;
  LockKind kind = LockKind::mutex;
  std::string lock_class;     ///< the name of the lock itself if not given
  std::uint8_t subclass = 0;  ///< 0..7
};

/// The `nth` call (from 1) of the modelled function `at` returns -`err`.
struct InjectSpec {
  std::string at;
  std::uint64_t nth = 1;
  int err = 0;
};

// ---- tasks --------------------------------------------------------------------------------------

inline constexpr std::uint64_t rlim_infinity = ~0ULL;

struct LimitSpec {
  std::uint8_t resource = 0;  ///< RLIMIT_ number
  std::uint64_t value = 0;    ///< bytes or a count; rlim_infinity: none
};

struct SignalSpec {
  std::uint8_t signal = 0;
  bool skip = false;  ///< true: the step ends and the task goes on
};

enum class SchedClass : std::uint8_t { normal, fifo, rr };

struct TaskSpec {
  std::string name;
  ProcessRef process;
  std::vector<std::uint32_t> cpus;  ///< allowed CPUs; empty: any
  std::optional<TaskId> parent;     ///< started by that task's fork
  Nanos start{0};                   ///< when its first step may start, virtual time
  std::uint64_t caps = 0;           ///< bit n: capability n
  std::uint32_t uid = 0;            ///< of the user it runs as, for file systems
  SchedClass policy = SchedClass::normal;
  std::int32_t priority = 0;  ///< normal: the nice value, -20..19; fifo, rr: 1..99
  bool static_image = false;
  std::optional<ByteRange> stack;  ///< at: the top, not the start
  std::vector<LimitSpec> limits;
  std::vector<SignalSpec> signals;
  std::vector<Step> steps;  ///< a `repeat` is followed by the steps of its body
};

/// Tasks that share an mm.
struct ProcessSpec {
  std::string name;
  std::vector<TaskId> tasks;
};

// ---- expectations of a run ----------------------------------------------------------------------

/// A record of the trace: its event, fields that must print so, and the task it belongs to.
struct RecordMatch {
  std::string event;
  std::vector<std::pair<std::string, std::string>> where;  ///< field, text (integers in decimal)
  std::optional<TaskId> task;
};

enum class RunOutcome : std::uint8_t { completed, deadlock, stuck, kernel_bug, limit };

struct ExpectOutcome {
  RunOutcome is;
};
struct ExpectCount {
  RecordMatch match;
  std::optional<std::uint64_t> is, at_least, at_most;  ///< one of them at least
};
struct ExpectOrder {
  std::vector<RecordMatch> matches;
};  ///< a subsequence of the trace
struct ExpectNever {
  RecordMatch match;
};
struct ExpectLockCycles {
  std::uint64_t count = 0;
};  ///< 0: "none"
struct ExpectDeadlock {
  std::vector<TaskId> tasks;       ///< of the cycle, any order; empty: any
  std::vector<std::string> locks;  ///< class names
};
struct ExpectFinding {
  std::string kind;
  std::vector<std::string> names;
};
struct ExpectExtents {
  FileRef file;
  std::vector<ExtentSpec> is;  ///< the whole of it; holes may be left out
};
enum class PteState : std::uint8_t { none, ro, rw, special };
struct ExpectPte {
  AddressRef at;
  ProcessRef process;  ///< whose page tables
  PteState is = PteState::none;
  std::optional<LeafSize> leaf;
};
struct ExpectContent {
  FileRef file;
  std::uint64_t at = 0;
  std::uint64_t value = 0;  ///< eight bytes, little endian
  /// After a power cut: in which of the images that it may leave.
  enum class Images : std::uint8_t { every, some, none } images = Images::every;
};

enum class InSchedules : std::uint8_t { every, some, none };

struct RunExpectation {
  std::string text;  ///< as written, on one line
  std::uint32_t line = 0;
  InSchedules in = InSchedules::every;
  std::variant<ExpectOutcome, ExpectCount, ExpectOrder, ExpectNever, ExpectLockCycles,
               ExpectDeadlock, ExpectFinding, ExpectExtents, ExpectPte, ExpectContent>
      what;
};

// ---- the whole ----------------------------------------------------------------------------------

struct Scenario {
  std::string file;  ///< as named by the user; "-" is standard input
  std::string name;
  std::vector<std::string> doc;
  KernelChoice kernel;
  MachineSpec machine;
  ScheduleSpec schedule;
  std::vector<DeviceSpec> devices;
  std::vector<FilesystemSpec> filesystems;
  std::vector<FileSpec> files;
  std::vector<LockSpec> locks;
  std::vector<InjectSpec> inject;
  std::vector<ProcessSpec> processes;
  std::vector<TaskSpec> tasks;
  std::vector<RunExpectation> expect;

  Strings strings;                                 ///< step ids and other words of steps
  std::vector<StepRef> after;                      ///< what Step::after ranges over
  std::vector<StepExpectation> step_expectations;  ///< what Step::expect numbers (from 1)
};

/// The name of a step in traces and reports: its id, or its index in the task if it has none.
std::string step_name(const Scenario& scenario, TaskId task, std::uint32_t index);

}  // namespace faultline
