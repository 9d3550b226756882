// What the viewer shows of one trace, as plain columns: records, spans, waits, CPU time, mappings.
// Made from the text of a trace alone, ours or a real kernel's; viewer_pack.hpp turns it into the
// bytes that the page carries. Records are named by their index in the trace.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "analysis/lock_order_sink.hpp"
#include "base/interner.hpp"
#include "trace/symbols.hpp"
#include "trace/text_reader.hpp"

namespace faultline {

/// The index of a record; `no_record` where there is none.
using RecordIndex = std::uint32_t;
inline constexpr RecordIndex no_record = 0xffff'ffff;

/// What a span of a task is. The numbers are part of the page's format.
enum class ViewerSpanKind : std::uint8_t { step, syscall, fault, call, hold, wait };

/// From one record to another of the same task; `end` is no_record while the trace does not say.
struct ViewerSpan {
  RecordIndex begin = 0;
  RecordIndex end = no_record;
  ViewerSpanKind kind = ViewerSpanKind::call;
  std::uint8_t depth = 0;  ///< calls: how many enclose it; holds: how many were held below it
};

/// A wait for a lock, and what it has to do with other tasks. Each is the record in which ...
struct ViewerWait {
  RecordIndex at = 0;             ///< ... the waiter found the lock taken,
  RecordIndex owner = no_record;  ///< ... the owner at that moment had taken it,
  RecordIndex waker = no_record;  ///< ... it was released to the waiter,
  RecordIndex woken = no_record;  ///< ... the waiter went on.
};

/// A task was woken by the scheduler's word (sched_waking), and its first record after it.
struct ViewerWake {
  RecordIndex waker = 0;
  RecordIndex woken = 0;
};

/// A task had a CPU.
struct ViewerRun {
  RecordIndex begin = 0;
  RecordIndex end = 0;
  std::uint32_t cpu = 0;
  std::uint32_t task = 0;
};

/// A piece of a file or of an address space in one state for a time: a rectangle in space and time.
struct ViewerPiece {
  std::uint32_t space = 0;  ///< index in ViewerMaps' list of files or of address spaces
  std::uint64_t at = 0;     ///< bytes
  std::uint64_t length = 0;
  RecordIndex from = 0;
  RecordIndex to = no_record;  ///< no_record: until the end
  std::uint8_t state = 0;
  std::uint64_t target = 0;  ///< address on the device in bytes, or frame number
};

/// States of a piece of a file, and of a page-table entry. Part of the page's format.
enum class ViewerExtent : std::uint8_t { hole, written, unwritten, delalloc, mapped };
enum class ViewerPte : std::uint8_t { ro, rw, ro_special, rw_special };

struct ViewerMaps {
  std::vector<std::string> files;   ///< as the records name them: `259:0 ino 0x83`
  std::vector<std::uint64_t> size;  ///< by file: the largest size that was seen
  std::vector<ViewerPiece> extents;
  std::vector<std::string> spaces;  ///< address spaces, by the tasks that share them
  std::vector<ViewerPiece> ptes;
  bool ptes_are_inferred = false;  ///< from dax events, where page tables were not recorded
};

struct ViewerTask {
  std::string name;
  std::int32_t pid = 0;
};

struct ViewerRecords {
  std::vector<std::uint64_t> time;     ///< ns, never decreasing
  std::vector<std::uint32_t> task;     ///< index in ViewerModel::tasks
  std::vector<std::uint32_t> cpu;      ///< CPU
  std::vector<std::uint32_t> message;  ///< number in ViewerModel::messages
  std::vector<std::uint8_t> context;   ///< Context
  std::vector<std::uint32_t> line;     ///< in the file, from 1; not part of the page
};

/// Everything. Moves, but does not copy.
struct ViewerModel {
  std::string name;  ///< of the file, without folders
  TraceInfo info;
  std::uint64_t malformed = 0;
  std::uint64_t out_of_order = 0;  ///< records earlier than the one before; shown at its time
  ViewerRecords records;
  Interner messages;                         ///< `event: fields`; number 0 is not used
  std::vector<std::uint32_t> message_event;  ///< by message: index in `events`
  std::vector<std::string> events;
  std::vector<ViewerTask> tasks;
  std::map<std::int64_t, std::string> syscalls;  ///< names of those that occur
  std::vector<ViewerSpan> spans;                 ///< by begin
  std::vector<ViewerWait> waits;
  std::vector<ViewerWake> wakes;
  std::vector<ViewerRun> runs;
  ViewerMaps maps;
  bool locks_are_inferred = false;  ///< from mmap_lock and xfs events: no lock events are recorded
};

}  // namespace faultline
