// Where to put new blocks of a file: near its other blocks, else near its inode; long extents
// first, then whatever there is. linux 6.12 fs/xfs/libxfs/xfs_bmap.c (xfs_bmap_btalloc and what it
// calls, xfs_bmap_btalloc_at_eof, xfs_bmap_adjacent, xfs_bmap_extsize_align).
#include "base/bug.hpp"
#include "kernel/fs/xfs/xfs_alloc_vextent.hpp"

namespace faultline::xfs {
namespace {

/// Neighbours farther away than this many times the request do not attract it by their distance.
constexpr std::uint64_t gap_units = 4;

struct Attraction {
  FsBlock block;
  std::uint64_t distance;
};

/// A block number that stays in the AG of `of`.
bool valid(const Geometry& geo, FsBlock b, FsBlock of) {
  return geo.agno(b) == geo.agno(of) && geo.agno(b) < geo.agcount && geo.agbno(b) < geo.agblocks;
}

/// The place that would continue `prev` at the file's `offset`.
std::optional<Attraction> after_prev(const Geometry& geo, const BmapAlloc& ap) {
  if (!ap.prev || ap.prev->start == null_fsblock) return std::nullopt;
  const FsBlock end = ap.prev->start + ap.prev->len;
  if (!valid(geo, end, ap.prev->start)) return std::nullopt;
  const std::uint64_t gap = ap.offset - (ap.prev->off + ap.prev->len);
  if (gap <= gap_units * ap.length && valid(geo, end + gap, ap.prev->start)) {
    return Attraction{end + gap, gap};
  }
  return Attraction{end, 2 * gap};
}

/// The place from which the file would run on into `got`.
std::optional<Attraction> before_got(const Geometry& geo, const BmapAlloc& ap) {
  if (!ap.got || ap.got->start == null_fsblock) return std::nullopt;
  const FsBlock start = ap.got->start;
  const std::uint64_t gap = ap.got->off - ap.offset;
  if (gap <= gap_units * ap.length && valid(geo, start - gap, start)) {
    return Attraction{start - gap, gap};
  }
  if (valid(geo, start - ap.length, start)) {
    return Attraction{start - ap.length, 2 * gap - ap.length};
  }
  return Attraction{start, 2 * gap};
}

}  // namespace

void xfs_bmap_extsize_align(const std::optional<NeighbourExtent>& prev,
                            const std::optional<NeighbourExtent>& got, ExtLen hint,
                            std::uint64_t& offset, ExtLen& length) {
  const std::uint64_t orig = offset;
  const std::uint64_t orig_end = offset + length;
  if (got && orig >= got->off && orig_end <= got->off + got->len) return;
  std::uint64_t off = orig - orig % hint;
  std::uint64_t len = length + orig % hint;
  if (len % hint != 0) len += hint - len % hint;
  while (len > max_extlen) len -= hint;

  // Squeeze the aligned piece between the neighbours: first by moving it, then by cutting it.
  const std::uint64_t low = prev ? prev->off + prev->len : 0;
  const std::uint64_t high = got ? got->off : ~0ULL;
  if (off != orig && off < low) off = low;
  if (got && off + len != orig_end && off + len > high) off = high > len ? high - len : 0;
  if (off != orig && off < low) off = low;
  if (off + len != orig_end && off + len > high) len = high - off;
  offset = off;
  length = ExtLen(len);
}

BtallocWalk::BtallocWalk(FsSpace& fs, AllocTrans& tp, const BmapAlloc& request)
    : fs_(&fs), tp_(&tp), ap_(request), orig_offset_(request.offset), orig_length_(request.length) {
  args_.minleft = ap_.minleft;
  args_.datatype = ap_.datatype;
  args_.wasdel = ap_.wasdel;
  compute_alignments();
  args_.maxlen = std::min(ap_.length, fs_->geo.ag_max_usable());
  choose_target();
  select_lengths();
  const bool at_eof = ap_.stripe != 0 && ap_.aeof && !tp_->lowmode;
  stage_ = at_eof ? Stage::exact_eof : Stage::start_ag;
}

void BtallocWalk::compute_alignments() {
  if (ap_.extsize == 0) return;
  if (!ap_.converting) {
    const auto next = ap_.eof ? std::nullopt : ap_.got;
    xfs_bmap_extsize_align(ap_.prev, next, ap_.extsize, ap_.offset, ap_.length);
  }
  args_.prod = ap_.extsize;
  args_.mod = ExtLen(ap_.offset % args_.prod);
  if (args_.mod != 0) args_.mod = args_.prod - args_.mod;
}

void BtallocWalk::choose_target() {
  const Geometry& geo = fs_->geo;
  target_ = ap_.inode_block;
  if (ap_.eof) {
    if (!ap_.prev || ap_.prev->start == null_fsblock) return;
    const FsBlock end = ap_.prev->start + ap_.prev->len;
    if (!valid(geo, end, ap_.prev->start)) return;
    const std::uint64_t gap = ap_.offset - (ap_.prev->off + ap_.prev->len);
    target_ = valid(geo, end + gap, ap_.prev->start) ? end + gap : end;
    return;
  }
  const auto left = after_prev(geo, ap_);
  const auto right = before_got(geo, ap_);
  if (left && right) {
    target_ = left->distance <= right->distance ? left->block : right->block;
  } else if (left || right) {
    target_ = left ? left->block : right->block;
  }
}

/// As long as any AG has, up to what is wanted: rather one long extent in another AG than pieces.
void BtallocWalk::select_lengths() {
  if (tp_->lowmode) {
    args_.total = args_.minlen = ap_.minlen;
    return;
  }
  args_.total = ap_.total;
  const Geometry& geo = fs_->geo;
  ExtLen best = 0;
  for (AgNumber i = 0; i < geo.agcount && best < args_.maxlen; ++i) {
    const Perag& pag = fs_->ags[(geo.agno(target_) + i) % geo.agcount];
    best =
        std::max(best, xfs_alloc_longest_free_extent(geo, pag, xfs_alloc_min_freelist(geo, pag)));
  }
  longest_ = best;
  if (best > args_.alignment) best -= args_.alignment;
  args_.minlen = best < ap_.minlen ? ap_.minlen : std::min(best, args_.maxlen);
}

/// xfs_bmap_btalloc_at_eof(), first half: right behind the file's last block. The slop keeps what
/// the free list needs from growing when that fails and an aligned extent is looked for.
void BtallocWalk::prepare_exact() {
  const ExtLen stripe = ap_.stripe;
  next_minlen_ = longest_ > stripe && longest_ <= args_.maxlen ? longest_ - stripe : args_.minlen;
  const bool slop = next_minlen_ + stripe > args_.minlen + 1;
  args_.alignslop = slop ? next_minlen_ + stripe - args_.minlen - 1 : 0;
}

/// The second half: an extent that begins at a stripe unit, rather shorter than not aligned.
void BtallocWalk::prepare_aligned() {
  args_.alignment = ap_.stripe;
  args_.alignslop = 0;
  if (ap_.offset != 0) {
    args_.minlen = next_minlen_;
  } else if (longest_ > ap_.stripe && longest_ <= args_.maxlen + ap_.stripe) {
    args_.minlen = longest_ - ap_.stripe;
  }
}

/// Sets up the attempt of one stage; false if that stage does not apply.
bool BtallocWalk::begin(Stage stage) {
  VextentType type = VextentType::start_ag;
  FsBlock target = target_;
  switch (stage) {
    case Stage::exact_eof:
      if (ap_.offset == 0) return false;
      prepare_exact();
      type = VextentType::exact_bno;
      break;
    case Stage::aligned_eof:
      prepare_aligned();
      break;
    case Stage::start_ag:
      args_.alignment = 1;
      break;
    case Stage::low_minlen:
      if (args_.minlen <= ap_.minlen) return false;
      args_.minlen = ap_.minlen;
      break;
    case Stage::last_ditch:
      args_.total = ap_.minlen;
      type = VextentType::first_ag;
      target = FsBlock(0);
      break;
    case Stage::end:
      return false;
  }
  walk_.emplace(*fs_, *tp_, type, target, args_);
  return true;
}

/// The allocation succeeded: fit what was found to what was asked for.
void BtallocWalk::settle() {
  args_ = walk_->args();
  result_ = walk_->result();
  ap_.length = args_.len;
  if (ap_.length <= orig_length_) {
    ap_.offset = orig_offset_;
  } else if (ap_.offset + ap_.length < orig_offset_ + orig_length_) {
    ap_.offset = orig_offset_ + orig_length_ - ap_.length;
  }
}

AllocWait BtallocWalk::next() {
  while (stage_ != Stage::end) {
    if (walk_ || begin(stage_)) {
      if (const AllocWait wait = walk_->next(); wait.kind != AllocWait::Kind::done) return wait;
      if (stage_ == Stage::last_ditch) tp_->lowmode = true;
      if (walk_->result() != null_fsblock) {
        settle();
        stage_ = Stage::end;
        break;
      }
      // The free-space clamp of maxlen and all else that an attempt found stays for the next one.
      args_.maxlen = walk_->args().maxlen;
      walk_.reset();
    }
    stage_ = Stage(std::uint8_t(stage_) + 1);
  }
  return {};
}

}  // namespace faultline::xfs
