// The metadata buffers one transaction holds, and the record of what it does to their locks. A
// buffer is locked when first read, stays locked once it is dirty, may be let go while clean, and
// is released at commit in the order in which it joined the transaction.
// Source: linux 6.12 fs/xfs/xfs_trans_buf.c, xfs_log_cil.c (release loop of xlog_cil_commit).
// Left out: buffer contents and I/O; every buffer is taken to be in the cache.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include <faultline/types.hpp>

namespace faultline::xfs {

/// Which structure a buffer holds; the names are those of the buffer verifiers.
// clang-format off
enum class BufKind : std::uint8_t {
  agf, agi, agfl, bnobt, cntbt, refcountbt, rmapbt, inode, inobt, bmbt, sb
};
// clang-format on

/// "agf", "agfl", "bnobt", ...: what stands in `xfs_buf(...)`.
const char* name_of(BufKind kind);

enum class BufAction : std::uint8_t {
  trylock,  ///< take the buffer's semaphore without waiting; it was free
  lock,     ///< take it, waiting if needed
  unlock,   ///< give it back before commit (the buffer is clean)
  dirty,    ///< first change of this buffer in this transaction; no lock action
};

/// One thing done to one buffer.
struct BufStep {
  BufAction action;
  BufKind kind;
  Daddr daddr;
  friend bool operator==(const BufStep&, const BufStep&) = default;
};

/// The buffers of one transaction. Not a lock: the caller performs the steps.
class TransBufs {
 public:
  /// Needs the buffer: a step only if the transaction does not have it yet.
  void read(BufKind kind, Daddr daddr);
  /// The caller has just locked the buffer itself (and recorded that); it joins without a step.
  void adopt(BufKind kind, Daddr daddr);
  /// The buffer changes. It must be held.
  void log(Daddr daddr);
  /// One `read` fewer; a clean buffer with no reader left is unlocked.
  void brelse(Daddr daddr);
  /// The block was freed: the buffer stays locked, stale, until commit.
  void binval(Daddr daddr);

  bool holds(Daddr daddr) const { return find(daddr) != items_.size(); }
  bool dirty(Daddr daddr) const;
  bool any_dirty() const;
  /// The dirty buffers in order of joining: visit(kind, daddr).
  template <class Visit>
  void each_dirty(Visit&& visit) const {
    for (const Item& item : items_) {
      if (item.dirty) visit(item.kind, item.daddr);
    }
  }
  std::size_t held() const { return items_.size(); }
  /// Steps since the last call, in order. They are valid until the next of these two calls.
  const std::vector<BufStep>& take_steps();
  /// What the commit releases, in order; the transaction then holds nothing.
  const std::vector<BufStep>& commit();

 private:
  struct Item {
    BufKind kind;
    bool dirty;
    std::uint16_t readers;
    Daddr daddr;
  };
  static std::size_t hash(Daddr daddr) { return daddr.v / 8 * 0x9e3779b97f4a7c15ULL >> 58; }
  std::size_t find(Daddr daddr) const;
  void join(BufKind kind, Daddr daddr);

  std::vector<Item> items_;  // in join order; rarely more than twenty
  // For each hash: all items of it are among the first so many. Removing one only lowers places.
  std::array<std::uint32_t, 64> before_{};
  std::vector<BufStep> steps_;
  std::vector<BufStep> taken_;  // what the caller has been given, kept for its memory
};

}  // namespace faultline::xfs
