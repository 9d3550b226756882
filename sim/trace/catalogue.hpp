// The catalogue of trace events: one row an event in events.inc gives its name, level, typed fields
// and print format; the enum, the writer, the reader and the digest all come from it. Formats are
// compiled to small programs (literal, field, literal, ...) when Faultline itself is compiled.
// Sources of the formats: the format files of running 6.12 and 7.1 kernels, and the 4.13 tree.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace faultline {

/// The most words a record can have (xfs_alloc_vextent_finish has 17).
inline constexpr std::size_t max_args = 18;

/// Every event that can be in a trace.
enum class Event : std::uint16_t {
#define FL_EVENT(name, level, families, format) name,
#define FL_FORMAT(name, families, format)
#include "trace/events.inc"
#undef FL_EVENT
#undef FL_FORMAT
};

/// How much is recorded; a level includes those before it. Kernel tracepoints, system calls and
/// steps; locks; calls of kernel functions; everything else that only a simulator can see.
enum class Level : std::uint8_t { kernel, locks, calls, all };

/// Kernel families, as bits: the versions between which formats differ.
enum Family : std::uint8_t { linux_4_13 = 1, linux_6_12 = 2, linux_7_1 = 4, every_family = 7 };

/// How a field is printed and read. The comment says what the word of the record holds.
enum class FieldType : std::uint8_t {
  literal,        ///< not a field: text of the format
  dec,            ///< unsigned decimal
  dec3,           ///< unsigned decimal, at least three digits
  sdec,           ///< signed decimal
  hex,            ///< 0x and hex digits
  xhex,           ///< hex digits
  ptr,            ///< 16 hex digits: a small stable id (a real kernel prints a hash)
  dev,            ///< MAJOR:MINOR, made by make_dev
  boolean,        ///< true or false
  sym,            ///< a SymbolId
  ksym,           ///< a SymbolId; read without +0xOFFSET/0xSIZE and [module]
  ip,             ///< a user address in hex, or ip_symbol()
  memcg,          ///< 0: none, 1: `/` (the root), n: `/n`
  vm_shared,      ///< vm_flags; prints shared or private (VM_SHARED = 8)
  rw_word,        ///< nonzero: write, 0: read
  lock_mode,      ///< 1: `try `, 2: `read `
  contention,     ///< LCB_F_* bits of contention_begin
  xfs_lock,       ///< XFS_IOLOCK_EXCL ... as IOLOCK_EXCL|...
  xfs_buf,        ///< XBF_* names
  xfs_tic,        ///< XLOG_TIC_* names
  fault_flags,    ///< FAULT_FLAG_* names
  vm_fault,       ///< VM_FAULT_* names, nothing for 0
  iomap_type,     ///< HOLE, DELALLOC, MAPPED, UNWRITTEN, INLINE
  iomap_map_612,  ///< IOMAP_F_* names of 6.12
  iomap_map_71,   ///< IOMAP_F_* names of 7.1
  iomap_op_612,   ///< IOMAP_WRITE ... names of 6.12
  iomap_op_71,    ///< IOMAP_WRITE ... names of 7.1
  xfs_fork,       ///< data, attr, CoW
  xfs_io,         ///< XFS_IO_* names of 4.13
  pfn_words,      ///< DEV, MAP, ... of a pfn_t
  xfs_queue,      ///< 0: empty, else active
  tlb_612,        ///< reason of a TLB flush, words of 6.12
  tlb_71,         ///< reason of a TLB flush, words of 7.1
  errno_name,     ///< 0 or the name of a positive errno
  ret_kind,       ///< a RetKind; prints nothing itself
  ret_value,      ///< a value printed as the ret_kind word before it says
};

/// One field of an event: its name and type. Views point into constant data.
struct Field {
  std::string_view name;
  FieldType type = FieldType::literal;
};

/// One step of a compiled format: literal text, or a field of the record.
struct FormatOp {
  FieldType type = FieldType::literal;
  std::uint8_t arg = 0;      ///< index of the record's word (fields)
  std::uint16_t offset = 0;  ///< where the literal begins in Format::text (literals)
  std::uint16_t length = 0;  ///< its length
};

/// A compiled print format.
struct Format {
  static constexpr std::size_t max_ops = 2 * max_args + 1;
  static constexpr std::size_t max_text = 320;
  std::uint8_t families = every_family;
  std::uint8_t n_ops = 0;
  std::array<FormatOp, max_ops> ops{};
  std::array<Field, max_args> fields{};  ///< by word index; an unnamed one is not printed here
  std::array<char, max_text> text{};     ///< `name: ` and all literals; padded for wide copies
};

/// What the catalogue knows of one event.
struct EventInfo {
  std::string_view name;
  Level level;
  std::uint8_t families;                   ///< in which kernels it exists, Family bits
  std::uint8_t n_fields;                   ///< words of its record
  std::uint32_t code;                      ///< stable number for the digest: a hash of the name
  std::uint32_t symbol_words;              ///< bit i: word i is a SymbolId
  std::uint32_t ip_words;                  ///< bit i: word i may hold ip_symbol()
  std::span<const Field> fields;           ///< of the first format, in record order
  std::span<const Format* const> formats;  ///< the first is the default
};

namespace catalogue {

/// Events as written in events.inc, for checks at compile time.
struct Row {
  const char* name;
  Level level;
  std::uint8_t families;
  const char* format;
};

inline constexpr Row rows[] = {
#define FL_EVENT(name, level, families, format) {#name, Level::level, families, format},
#define FL_FORMAT(name, families, format)
#include "trace/events.inc"
#undef FL_EVENT
#undef FL_FORMAT
};

inline constexpr std::size_t count = sizeof(rows) / sizeof(rows[0]);

/// Number of words the record of `event` has: the fields of its first format.
constexpr unsigned arity(Event event) {
  unsigned n = 0;
  const char* p = rows[static_cast<std::size_t>(event)].format;
  for (; *p; ++p) n += p[0] == '{' && p[1] != '=';
  return n;
}

/// All that is known of one event.
const EventInfo& info(Event event);

/// The format of `event` as kernels of `family` print it.
const Format& format(Event event, Family family);

/// The event of that name, if there is one.
std::optional<Event> find(std::string_view name);

}  // namespace catalogue

inline constexpr std::size_t event_count = catalogue::count;

/// The family of a profile's name ("linux-7.1+map-direct" is linux_7_1); linux_6_12 when unknown.
Family family_of(std::string_view profile);

/// A set of events.
class EventMask {
 public:
  constexpr bool test(Event e) const {
    const auto i = static_cast<unsigned>(e);
    return (words_[i / 64] >> (i % 64)) & 1;
  }
  constexpr void set(Event e) {
    const auto i = static_cast<unsigned>(e);
    words_[i / 64] |= 1ULL << (i % 64);
  }
  constexpr bool none() const {
    for (const auto w : words_) {
      if (w != 0) return false;
    }
    return true;
  }
  friend constexpr EventMask operator|(EventMask a, const EventMask& b) {
    for (std::size_t i = 0; i < a.words_.size(); ++i) a.words_[i] |= b.words_[i];
    return a;
  }
  friend constexpr EventMask operator&(EventMask a, const EventMask& b) {
    for (std::size_t i = 0; i < a.words_.size(); ++i) a.words_[i] &= b.words_[i];
    return a;
  }
  friend constexpr bool operator==(const EventMask&, const EventMask&) = default;

  /// Every event of `level` and the levels before it.
  static EventMask of_level(Level level);
  /// Every event.
  static EventMask all() { return of_level(Level::all); }
  /// Every event that kernels of this family have.
  static EventMask of_family(Family family);
  /// Events whose name matches one of the comma-separated globs (`*`, `?`); nothing when none does.
  static EventMask of_globs(std::string_view globs);

 private:
  std::array<std::uint64_t, (event_count + 63) / 64> words_{};
};

/// "kernel", "locks", "calls", "all".
std::string_view level_name(Level level);
std::optional<Level> parse_level(std::string_view name);

}  // namespace faultline
