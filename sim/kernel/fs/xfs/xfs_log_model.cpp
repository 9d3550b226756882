// Checkpoints, durability, log space. See the header. linux 6.12 fs/xfs/xfs_log_cil.c, xfs_log.c.
#include "kernel/fs/xfs/xfs_log_model.hpp"

#include <algorithm>
#include <utility>

#include "base/bug.hpp"

namespace faultline::xfs {
namespace {

constexpr std::uint64_t bytes_per_record = 128;  // one buffer chunk or inode region, roughly

void recover_all(MetaState& state, const std::vector<RedoRecord>& records) {
  for (const RedoRecord& record : records) {
    const std::string wrong = recover(state, record);
    FL_ASSERT(wrong.empty());
  }
}

}  // namespace

LogTicket Log::ticket(const TransRes& res) const {
  const std::uint32_t count = res.permanent ? res.logcount : 1;
  return {xlog_calc_unit_res(geo_, res.logres), count, res.permanent ? res.logcount : 0,
          res.permanent};
}

bool Log::reserve(const LogTicket& t) {
  const std::uint64_t need = std::uint64_t(t.unit) * t.units;
  if (need > space_left()) return false;
  granted_ += need;
  return true;
}

bool Log::roll(LogTicket& t) {
  FL_ASSERT(t.permanent && t.units > 0 && granted_ >= t.unit);
  granted_ -= t.unit;
  return --t.units > 0;
}

bool Log::reserve_more(LogTicket& t) {
  if (t.unit > space_left()) return false;
  granted_ += t.unit;
  ++t.units;
  return true;
}

void Log::ungrant(LogTicket& t) {
  const std::uint64_t all = std::uint64_t(t.unit) * t.units;
  FL_ASSERT(granted_ >= all);
  granted_ -= all;
  t.units = 0;
}

std::uint64_t Log::commit(std::vector<RedoRecord> records) {
  if (checkpoints_.empty() || checkpoints_.back().seq != current_) {
    checkpoints_.push_back({current_, 0, {}});
  }
  Checkpoint& open = checkpoints_.back();
  records_ += records.size();
  open.bytes += records.size() * bytes_per_record;
  used_ += records.size() * bytes_per_record;
  open.records.insert(open.records.end(), std::make_move_iterator(records.begin()),
                      std::make_move_iterator(records.end()));
  return current_;
}

std::uint64_t Log::push() {
  if (!checkpoints_.empty() && checkpoints_.back().seq == current_) ++current_;
  return current_ - 1;
}

void Log::set_durable(std::uint64_t seq) {
  FL_ASSERT(seq < current_);
  durable_ = std::max(durable_, seq);
}

void Log::move_tail(std::uint64_t seq) {
  FL_ASSERT(seq <= durable_);
  for (; !checkpoints_.empty() && checkpoints_.front().seq <= seq; checkpoints_.pop_front()) {
    if (initial_) {
      recover_all(*initial_, checkpoints_.front().records);
    }
    used_ -= checkpoints_.front().bytes;
  }
  tail_ = std::max(tail_, seq);
}

void Log::set_initial(MetaState initial) {
  FL_ASSERT(records_ == 0 && !initial_);
  initial_ = std::move(initial);
}

std::uint64_t Log::volatile_records() const {
  std::uint64_t n = 0;
  for (const Checkpoint& c : checkpoints_) {
    if (c.seq > durable_) n += c.records.size();
  }
  return n;
}

MetaState Log::state_through(std::uint64_t seq) const {
  FL_ASSERT(initial_.has_value());
  MetaState state = *initial_;
  for (const Checkpoint& c : checkpoints_) {
    if (c.seq > seq) break;
    recover_all(state, c.records);
  }
  return state;
}

MetaState Log::current_state() const { return state_through(current_); }

MetaState Log::crash_state() const {
  MetaState state = state_through(durable_);
  finish_intents(state);
  return state;
}

}  // namespace faultline::xfs
