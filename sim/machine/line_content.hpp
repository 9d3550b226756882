// What a memory holds, byte for byte, and how durable it is: per 64-byte cache line the newest
// content (in some CPU's cache), flushes under way (clwb or ntstore before the fence) and the
// durable content. Lines never written are a FillMap; a written line costs 16 to 80 bytes, plus 4
// for its page. Rules: SNIA/vendor ADR model; a store is durable once flushed and the flushing CPU
// has fenced. A line that the hardware evicts on its own before that is not modelled: a crash drops
// all it may.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "machine/fill_map.hpp"

namespace faultline {

/// One thing that a power cut may leave: of every line the durable state, of every line the newest
/// one, or the durable states but for a single line.
struct CrashImage {
  enum class Kind : std::uint8_t { durable, newest, one_line };
  Kind kind = Kind::durable;
  std::uint64_t line = 0;   ///< one_line: number of the line, at / 64
  std::uint32_t newer = 1;  ///< one_line: which state, 1 the oldest that is newer than the durable
};

/// A line of which a power cut may leave more than one state.
struct PendingLine {
  std::uint64_t line = 0;
  std::uint32_t newer = 0;  ///< states newer than the durable one
};

/// Where the persistence domain begins.
enum class Domain : std::uint8_t {
  adr,  ///< memory controller: caches are lost in a crash
  eadr  ///< caches included: a store is durable at once
};

/// Content of `size` bytes. Addresses are offsets; ranges must lie inside (asserted).
class LineContent {
 public:
  static constexpr std::uint64_t LINE = 64;
  /// CPUs whose flushes can be told apart.
  static constexpr std::uint32_t MAX_OWNERS = 1U << 16;

  LineContent(std::uint64_t size, Domain domain);

  std::uint64_t size() const { return size_; }
  Domain domain() const { return domain_; }

  /// A store: newest content only, unless the domain is eADR.
  void store(std::uint64_t at, std::span<const std::byte> bytes);
  /// A store of `length` bytes that repeat the 8 bytes of `value` (low byte first, from `at` on).
  void store_pattern(std::uint64_t at, std::uint64_t length, std::uint64_t value);
  /// clwb / clflush of every line that [at, at+length) meets, issued on CPU `owner`.
  void flush(std::uint32_t owner, std::uint64_t at, std::uint64_t length);
  /// Non-temporal store: store and flush.
  void ntstore(std::uint32_t owner, std::uint64_t at, std::span<const std::byte> bytes);
  /// sfence on CPU `owner`: what it has flushed is durable.
  void fence(std::uint32_t owner);
  /// Store, flush and fence of these bytes alone: for kernel code that persists what it writes.
  void persist(std::uint64_t at, std::span<const std::byte> bytes);
  /// Makes [at, at+length) hold the repeated 8-byte `value`, durably, as zeroing a new block does.
  /// The word at address a (a multiple of 8) holds `value`. Cost: O(log n) and what it replaces.
  void fill(std::uint64_t at, std::uint64_t length, std::uint64_t value);
  void zero(std::uint64_t at, std::uint64_t length) { fill(at, length, 0); }
  /// Flush and fence of these lines alone: kernel code that writes lines back and then executes a
  /// locked instruction, which waits for them.
  void write_back(std::uint64_t at, std::uint64_t length);
  /// Power failure: what is not durable is gone.
  void crash();

  void read(std::uint64_t at, std::span<std::byte> out) const;          ///< newest content
  void read_durable(std::uint64_t at, std::span<std::byte> out) const;  ///< content after a crash
  std::uint64_t read_u64(std::uint64_t at) const;
  /// Lines with states that are not durable, in order. Cost: what is held, not what there is.
  std::vector<PendingLine> pending() const;
  /// The same for one line: how many of its states are newer than the durable one.
  std::uint32_t newer_states(std::uint64_t line) const;
  /// Content after a power cut that left `image`.
  void read_image(std::uint64_t at, std::span<std::byte> out, const CrashImage& image) const;
  /// Whether [at, at+length) reads the same before and after a crash for sure.
  bool durable(std::uint64_t at, std::uint64_t length) const;

  std::uint64_t records() const { return live_; }  ///< line states held
  std::uint64_t host_bytes() const;

 private:
  using Words = std::array<std::uint64_t, 8>;
  enum class Kind : std::uint8_t { word, uniform, full };  // all as before but one word | 8 equal
  enum class State : std::uint8_t { pending, flushed, durable };
  // One state of one line; lists are newest first: pending, flushed..., durable. `value` is the
  // word, the repeated word, or the index of the full line.
  struct Record {
    std::uint64_t value;
    std::uint32_t next;
    std::uint32_t line : 6, word : 3, kind : 2, state : 2, owner : 16;
  };
  static_assert(sizeof(Record) == 16);
  // Per page: 0 nothing, an index of a record list, or DENSE | index of a table of 64 lists.
  static constexpr std::uint32_t DENSE = 1U << 31;
  static constexpr unsigned DENSE_FROM = 8;    // records in a page's list before it gets a table
  static constexpr unsigned BLOCK_SHIFT = 16;  // records are allocated in blocks
  static constexpr std::uint32_t BLOCK = 1U << BLOCK_SHIFT;
  struct Region {  // 2 MiB
    std::array<std::uint32_t, 512> page{};
    std::uint32_t used = 0;
  };
  struct Area {  // 1 GiB
    std::array<std::unique_ptr<Region>, 512> region;
    std::uint32_t used = 0;
  };
  struct Dense {
    std::array<std::uint32_t, 64> line{};
    std::uint32_t records = 0;
  };

  Record& rec(std::uint32_t i) { return records_[i >> BLOCK_SHIFT][i & (BLOCK - 1)]; }
  const Record& rec(std::uint32_t i) const { return records_[i >> BLOCK_SHIFT][i & (BLOCK - 1)]; }

  // lists (line_lists.cpp)
  std::uint32_t slot_value(std::uint64_t page) const;
  std::uint32_t first_of(std::uint64_t line) const;   // newest record of a line, or 0
  std::uint32_t next_of(std::uint32_t record) const;  // next older one of the same line, or 0
  void add(std::uint64_t line, Record record);        // as the newest
  void remove(std::uint64_t line, std::uint32_t record);
  void drop_line(std::uint64_t line);
  void drop_pages(std::uint64_t first, std::uint64_t end);
  std::uint32_t make_dense(std::uint32_t head);
  void drop_slot(std::uint32_t slot);
  void slot_emptied(std::uint64_t page);
  void release(std::uint32_t record);

  // content (line_content.cpp)
  Words expand(std::uint64_t line, const Record& record) const;
  Words newest(std::uint64_t line) const;
  Words after_crash(std::uint64_t line) const;
  Words in_image(std::uint64_t line, const CrashImage& image) const;
  template <class Visit>
  void each_used_line(Visit&& visit) const;
  Record encode(std::uint64_t line, const Words& words, State state);
  void put(std::uint64_t line, const Words& words, State state);
  template <class Change>
  void change(std::uint64_t at, std::uint64_t length, State state, Change&& change_bytes);
  template <class Get>
  void copy_out(std::uint64_t at, std::span<std::byte> out, Get&& get) const;
  void flush_line(std::uint32_t owner, std::uint64_t line);
  void settle(std::uint32_t owner, std::uint64_t line);
  void crash_line(std::uint64_t line);
  void check_range(std::uint64_t at, std::uint64_t length) const;

  std::uint64_t size_;
  Domain domain_;
  FillMap fill_;
  std::vector<std::unique_ptr<Area>> areas_;
  std::vector<std::unique_ptr<Record[]>> records_;  // blocks: growing never copies
  std::uint32_t next_record_ = 1;                   // index 0 is "none"
  std::uint32_t free_record_ = 0;                   // list through `next`
  std::uint64_t live_ = 0;
  std::vector<Dense> dense_;
  std::vector<std::uint32_t> free_dense_;
  std::vector<Words> full_;
  std::vector<std::uint32_t> free_full_;
  std::vector<std::vector<std::uint64_t>> flushed_;  // per owner: lines with a flush under way
};

}  // namespace faultline
