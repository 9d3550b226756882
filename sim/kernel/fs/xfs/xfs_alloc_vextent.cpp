// Iteration over allocation groups. linux 6.12 fs/xfs/libxfs/xfs_alloc.c (vextent_check_args,
// prepare_ag, iterate_ags, finish and the five entry points).
#include "kernel/fs/xfs/xfs_alloc_vextent.hpp"

#include <utility>

#include "base/bug.hpp"

namespace faultline::xfs {

MadeSpace make_fs_space(const Geometry& geo, FreeLists free, BulkFill fill) {
  MadeSpace made;
  made.fs.geo = geo;
  made.fs.ags.resize(geo.agcount);
  FL_ASSERT(free.size() == geo.agcount);
  for (AgNumber agno = 0; agno < geo.agcount; ++agno) {
    Perag& pag = made.fs.ags[agno];
    if (!bulk_load_ag(geo, pag, agno, std::exchange(free[agno], {}), fill)) made.fits = false;
    made.fdblocks += pag.freeblks + pag.agfl.size() + pag.btreeblks;
  }
  return made;
}

VextentWalk::VextentWalk(FsSpace& fs, AllocTrans& tp, VextentType type, FsBlock target,
                         AllocArgs args)
    : fs_(&fs), tp_(&tp), type_(type), target_(target), args_(args) {}

void VextentWalk::start() {
  const Geometry& geo = fs_->geo;
  if (tp_->highest_agno != null_agno) minimum_agno_ = tp_->highest_agno;
  args_.maxlen = std::min(args_.maxlen, geo.agblocks);
  const AgNumber target_agno = geo.agno(target_);
  const bool bad = target_agno >= geo.agcount || geo.agbno(target_) >= geo.agblocks ||
                   args_.minlen > args_.maxlen || args_.mod >= args_.prod;
  // Locking a lower AGF than one held could deadlock with a transaction that goes upwards.
  if (bad || (!iterates() && minimum_agno_ > target_agno)) {
    finish(AllocEnd::none);
    return;
  }
  trylock_ = iterates();
  start_agno_ = iterates() ? std::max(minimum_agno_, target_agno) : target_agno;
  wrap_agno_ = trylock_ ? 0 : minimum_agno_;
  args_.agno = start_agno_;
  state_ = State::prepare;
}

/// First half of xfs_alloc_fix_freelist: a look at the counters without a lock, then the AGF.
std::optional<AllocWait> VextentWalk::prepare() {
  if (!xfs_alloc_space_available(fs_->geo, pag(), args_, AllocFlag::normal, true)) {
    state_ = State::skip;
    return std::nullopt;
  }
  const Daddr agf = fs_->geo.agf_daddr(args_.agno);
  if (tp_->bufs.holds(agf)) {
    tp_->bufs.read(BufKind::agf, agf);
    state_ = State::have_agf;
    return std::nullopt;
  }
  state_ = State::waiting;
  return AllocWait{AllocWait::Kind::lock_agf, args_.agno, agf, trylock_, 0};
}

void VextentWalk::answer(bool granted) {
  FL_ASSERT(state_ == State::waiting);
  if (has_agf_) {  // after a log force
    state_ = State::search;
    return;
  }
  if (granted) tp_->bufs.adopt(BufKind::agf, fs_->geo.agf_daddr(args_.agno));
  state_ = granted ? State::have_agf : State::skip;
}

AllocEnd VextentWalk::search_in_ag(AgContext& ag) {
  const AgBlock target = fs_->geo.agbno(target_);
  const bool near =
      type_ == VextentType::near_bno || (iterates() && args_.agno == start_agno_ && target != 0);
  if (type_ == VextentType::exact_bno) {
    args_.agbno = target;
    return xfs_alloc_ag_vextent_exact(ag, args_);
  }
  args_.agbno = near ? target : 0;
  return near ? xfs_alloc_ag_vextent_near(ag, args_) : xfs_alloc_ag_vextent_size(ag, args_);
}

std::optional<AllocWait> VextentWalk::search() {
  if (type_ == VextentType::prepare_ag) {
    finish(AllocEnd::none);
    result_ = fs_->geo.fsb(args_.agno, 0);
    return std::nullopt;
  }
  AgContext ag(fs_->geo, pag(), *tp_);
  const AllocEnd end = search_in_ag(ag);
  if (end == AllocEnd::busy && !flushed_) {
    flushed_ = true;
    state_ = State::waiting;
    return AllocWait{AllocWait::Kind::flush_busy, args_.agno, {}, false, pag().busy.newest_seq()};
  }
  if (end == AllocEnd::found && !args_.wasfromfl) {
    xfs_alloc_update_counters(ag, -std::int64_t(args_.len));
  }
  finish(end);
  return std::nullopt;
}

void VextentWalk::skip() {
  if (!iterates()) {
    finish(AllocEnd::none);
    return;
  }
  state_ = State::prepare;
  const auto at_end = [&] {
    return wrapped_ ? args_.agno >= start_agno_ : args_.agno >= fs_->geo.agcount;
  };
  ++args_.agno;
  if (at_end() && !wrapped_) {
    wrapped_ = true;
    args_.agno = wrap_agno_;
  }
  if (!at_end()) return;
  if (!trylock_) {
    finish(AllocEnd::none);
    return;
  }
  trylock_ = false;  // once more, this time waiting for the AGFs
  wrapped_ = false;
  wrap_agno_ = minimum_agno_;
  args_.agno = start_agno_;
}

void VextentWalk::finish(AllocEnd end) {
  state_ = State::finished;
  if (has_agf_ && (tp_->highest_agno == null_agno || args_.agno > minimum_agno_)) {
    tp_->highest_agno = args_.agno;
  }
  if (end != AllocEnd::found) {
    args_.agbno = null_agbno;
    return;
  }
  result_ = fs_->geo.fsb(args_.agno, args_.agbno);
}

AllocWait VextentWalk::next() {
  for (;;) {
    std::optional<AllocWait> wait;
    switch (state_) {
      case State::start:
        start();
        break;
      case State::prepare:
        wait = prepare();
        break;
      case State::have_agf: {
        AgContext ag(fs_->geo, pag(), *tp_);
        has_agf_ = xfs_alloc_fix_freelist(ag, args_, AllocFlag::normal);
        args_.wasfromfl = false;
        state_ = has_agf_ ? State::search : State::skip;
        break;
      }
      case State::search:
        wait = search();
        break;
      case State::skip:
        skip();
        break;
      case State::waiting:
        FL_BUG("an allocation went on before its wait was answered");
      case State::finished:
        return {};
    }
    if (wait) return *wait;
  }
}

std::optional<FsBlock> alloc_held_block(FsSpace& fs, AllocTrans& tp, FsBlock near) {
  AllocArgs args;
  VextentWalk walk(fs, tp, VextentType::start_ag, near, args);
  for (AllocWait wait = walk.next(); wait.kind != AllocWait::Kind::done; wait = walk.next()) {
    if (wait.kind == AllocWait::Kind::lock_agf && !wait.trylock) return std::nullopt;
    walk.answer(wait.kind != AllocWait::Kind::lock_agf);
  }
  if (walk.result() == null_fsblock) return std::nullopt;
  return walk.result();
}

}  // namespace faultline::xfs
