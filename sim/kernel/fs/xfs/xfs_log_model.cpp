// Checkpoints and durability. See the header. linux 6.12 fs/xfs/xfs_log_cil.c.
#include "kernel/fs/xfs/xfs_log_model.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/bug.hpp"

namespace faultline::xfs {
namespace {

void recover_all(MetaState& state, const std::vector<RedoRecord>& records) {
  for (const RedoRecord& record : records) {
    const std::string wrong = recover(state, record);
    FL_ASSERT(wrong.empty());
  }
}

constexpr std::uint64_t op_header = 12;

}  // namespace

Log::Log(const LogGeometry& geo) : space(geo) { open_checkpoint(); }

void Log::open_checkpoint() {
  const LogGeometry& geo = space.geometry();
  space_used_ = reserved_ = 0;
  const std::uint64_t most = 2 * space.cil_limit();
  iclog_hdrs_ = static_cast<std::int64_t>(most / (geo.iclog_size - geo.iclog_hsize));
}

void Log::charge(LogTicket& t, std::int64_t len) {
  const LogGeometry& geo = space.geometry();
  std::uint64_t paid = reserved_ == 0 ? xlog_calc_unit_res(geo, 0) : 0;
  const std::uint64_t used = static_cast<std::uint64_t>(std::int64_t(space_used_) + len);
  if (iclog_hdrs_ > 0 || used >= 2 * space.cil_limit()) {
    const std::uint64_t header = geo.iclog_hsize + op_header;
    paid += header * (paid != 0 ? t.iclog_hdrs - 1 : t.iclog_hdrs);
    iclog_hdrs_ -= t.iclog_hdrs;
  }
  // A unit is made for the worst case. Where the model logs more than that a kernel would not.
  const std::int64_t wanted = std::int64_t(paid) + len;
  paid = std::min(static_cast<std::uint64_t>(std::max<std::int64_t>(wanted, 0)),
                  std::uint64_t{t.curr_res});
  space_used_ = used;
  reserved_ += paid;
  space.spend(t, static_cast<std::uint32_t>(paid));
}

std::uint64_t Log::commit(const std::vector<RedoRecord>& records) {
  if (cil_empty()) checkpoints_.push_back({current_, {}, 0, {}});
  Checkpoint& open = checkpoints_.back();
  records_ += records.size();
  open.count += records.size();
  if (initial_) open.records.insert(open.records.end(), records.begin(), records.end());
  return current_;
}

std::uint64_t Log::push() {
  if (!cil_empty()) {
    checkpoints_.back().at = space.write(space_used_, reserved_);
    ++current_;
    open_checkpoint();
  }
  return current_ - 1;
}

void Log::set_durable(std::uint64_t seq) {
  FL_ASSERT(seq < current_);
  for (const Checkpoint& c : checkpoints_) {
    if (c.seq > durable_ && c.seq <= seq) space.written(c.at.commit);
  }
  durable_ = std::max(durable_, seq);
}

std::uint64_t Log::start_of(std::uint64_t seq) const {
  const auto found = std::lower_bound(checkpoints_.begin(), checkpoints_.end(), seq,
                                      [](const Checkpoint& c, auto s) { return c.seq < s; });
  FL_ASSERT(found != checkpoints_.end() && found->seq == seq && seq < current_);
  return found->at.start;
}

void Log::move_tail(std::uint64_t tail) {
  space.move_tail(tail);
  for (; !checkpoints_.empty(); checkpoints_.pop_front()) {
    const Checkpoint& oldest = checkpoints_.front();
    if (oldest.seq > durable_ || oldest.at.start >= tail) break;
    if (initial_) recover_all(*initial_, oldest.records);
  }
}

void Log::set_initial(MetaState initial) {
  FL_ASSERT(records_ == 0 && !initial_);
  initial_ = std::move(initial);
}

std::uint64_t Log::volatile_records() const {
  std::uint64_t n = 0;
  for (const Checkpoint& c : checkpoints_) {
    if (c.seq > durable_) n += c.count;
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
  process_iunlinks(state);
  return state;
}

}  // namespace faultline::xfs
