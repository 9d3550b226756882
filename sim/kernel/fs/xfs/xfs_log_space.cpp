// Arithmetic of log space. See the header. Linux 6.12 fs/xfs/xfs_log.c, xfs_log_priv.h.
#include "kernel/fs/xfs/xfs_log_space.hpp"

#include <algorithm>

#include "base/bug.hpp"

namespace faultline::xfs {
namespace {

constexpr std::uint64_t most_in_memory = 32ULL << 20;  // sixteen times eight buffers of 256 KiB
// A checkpoint begins with a start and a transaction header, and ends with a commit record.
constexpr std::uint64_t checkpoint_headers = 12 + (12 + 16) + 12;

std::uint64_t round_up(std::uint64_t bytes, std::uint64_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

}  // namespace

// mkfs leaves one record, of an unmount: its header and a block.
LogSpace::LogSpace(const LogGeometry& geo) : geo_(geo) {
  head_ = round_up(geo.iclog_hsize + 512, geo.roundoff);
  ail_head_ = tail_ = head_;
}

std::uint64_t LogSpace::space_left(const GrantHead& head) const {
  const std::uint64_t taken = tail_space() + head.grant;
  return geo_.size - std::min(geo_.size, taken);
}

LogTicket LogSpace::ticket(const TransRes& res) const {
  LogTicket t;
  t.unit = xlog_calc_unit_res(geo_, res.logres);
  t.iclog_hdrs = xlog_iclog_headers(geo_, res.logres);
  t.permanent = res.permanent;
  t.count = t.ocnt = res.permanent ? res.logcount : 0;
  t.curr_res = t.unit;
  return t;
}

std::uint64_t LogSpace::need(const GrantHead& head, const LogTicket& t) const {
  if (&head == &write_head || !t.permanent) return t.unit;
  return std::uint64_t{t.unit} * t.count;
}

bool LogSpace::wake(const GrantHead& head, std::uint64_t& free,
                    std::vector<LogTicket*>& woken) const {
  for (LogTicket* const t : head.waiters) {
    const std::uint64_t bytes = need(head, *t);
    if (free < bytes) return false;
    free -= bytes;
    woken.push_back(t);
  }
  return true;
}

bool LogSpace::may_take(const GrantHead& head, const LogTicket& t,
                        std::vector<LogTicket*>& woken) const {
  std::uint64_t free = space_left(head);
  if (!head.waiters.empty() && !wake(head, free, woken)) return false;
  return free >= need(head, t);
}

void LogSpace::add(std::uint64_t bytes) {
  reserve_head.grant += bytes;
  write_head.grant += bytes;
}

void LogSpace::sub(std::uint64_t bytes) {
  FL_ASSERT(reserve_head.grant >= bytes && write_head.grant >= bytes);
  reserve_head.grant -= bytes;
  write_head.grant -= bytes;
}

void LogSpace::take(LogTicket& t) {
  add(need(reserve_head, t));
  t.curr_res = t.unit;
}

void LogSpace::retake(LogTicket& t) { write_head.grant += t.unit; }

// The reserve head keeps the next unit, so that a chain that goes on never waits for those who have
// not begun; the write head is asked for it.
void LogSpace::roll(LogTicket& t) {
  FL_ASSERT(t.permanent);
  if (t.count > 0) --t.count;
  sub(t.curr_res);
  t.curr_res = t.unit;
  if (t.count == 0) reserve_head.grant += t.unit;
}

void LogSpace::ungrant(LogTicket& t) {
  if (t.count > 0) --t.count;
  sub(t.curr_res + std::uint64_t{t.unit} * t.count);
  t.curr_res = t.count = 0;
}

void LogSpace::spend(LogTicket& t, std::uint32_t bytes) {
  FL_ASSERT(bytes <= t.curr_res);
  t.curr_res -= bytes;
}

LogSpace::Written LogSpace::write(std::uint64_t payload, std::uint64_t reserved) {
  const std::uint64_t in_buffer = geo_.iclog_size - geo_.iclog_hsize;
  const std::uint64_t bytes = payload + checkpoint_headers;
  const std::uint64_t buffers = (bytes + in_buffer - 1) / in_buffer;
  const std::uint64_t all = round_up(bytes + buffers * geo_.iclog_hsize, geo_.roundoff);
  const Written at{head_, head_ + (buffers - 1) * geo_.iclog_size};
  head_ += all;
  add(all);
  sub(reserved);
  return at;
}

void LogSpace::written(std::uint64_t commit) {
  FL_ASSERT(commit >= ail_head_ && commit <= head_);
  sub(commit - ail_head_);
  ail_head_ = commit;
}

void LogSpace::move_tail(std::uint64_t tail) {
  FL_ASSERT(tail >= tail_ && tail <= ail_head_);
  tail_ = tail;
}

std::uint64_t LogSpace::cil_limit() const { return std::min(geo_.size >> 3, most_in_memory); }

}  // namespace faultline::xfs
