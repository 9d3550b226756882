// The account of log space: what transactions cost against what real kernels printed, the queues
// against a naive model.
#include <algorithm>
#include <deque>
#include <list>
#include <vector>

#include "base/rng.hpp"
#include "catch.hpp"
#include "kernel/fs/xfs/xfs_log_model.hpp"
#include "kernel/fs/xfs/xfs_trans_ail.hpp"

using namespace faultline;
using namespace faultline::xfs;

namespace {

Geometry geometry(bool reflink, unsigned sectsize = 4096, std::uint64_t mib = 96) {
  GeometryChoice choice;
  choice.device_bytes = mib << 20;
  choice.agcount = 4;
  choice.sectsize = sectsize;
  choice.reflink = reflink;
  return make_geometry(choice);
}

// Sizes of items with the headers of their regions: an inode without and with one extent, a buffer
// with one dirty chunk.
constexpr std::int64_t inode_bytes = 256, one_extent = 12 + 16, buffer_bytes = 176;

// One transaction of its own; what it leaves granted.
std::uint64_t cost(Log& log, const TransRes& res, std::int64_t len) {
  const std::uint64_t before = log.space.reserve_head.grant;
  LogTicket t = log.space.ticket(res);
  log.space.take(t);
  log.charge(t, len);
  log.commit({});
  log.space.ungrant(t);
  REQUIRE(log.space.write_head.grant == log.space.reserve_head.grant);
  return log.space.reserve_head.grant - before;
}

// Has the open checkpoint written and on disk.
void force(Log& log) { log.set_durable(log.push()); }

}  // namespace

// Differences of grant_reserve_bytes between the records xfs_log_reserve of traces of 6.12.117.
TEST_CASE("transactions take the log space that real kernels printed", "[xfs]") {
  const Geometry geo = geometry(false);
  Log log(log_geometry(geo));
  SECTION("dax-mapsync-write") {
    CHECK(log.space.block_of(log.space.head()) == 8);
    CHECK(cost(log, tr_fsyncts(geo), inode_bytes) == 103732 - 94208);  // the first of a checkpoint
    CHECK(cost(log, tr_fsyncts(geo), 0) == 104256 - 103732);           // the same inode again
    cost(log, tr_write(geo), one_extent + 3 * buffer_bytes);
    force(log);
    CHECK(cost(log, tr_fsyncts(geo), inode_bytes + one_extent) == 107856 - 98304);
  }
  SECTION("dax-write-hole") {
    cost(log, tr_fsyncts(geo), inode_bytes);
    CHECK(cost(log, tr_write(geo), one_extent + 3 * buffer_bytes) == 32132 - 30004);
  }
  SECTION("dax-truncate-mapped") {  // a chain of three: intents and what is done cancel out
    LogTicket t = log.space.ticket(tr_itruncate(geo));
    log.space.take(t);
    CHECK(log.space.reserve_head.grant == 430024 - 126976);
    log.charge(t, inode_bytes + one_extent);
    log.space.roll(t);
    CHECK(t.count == 1);
    log.charge(t, 0);
    log.space.roll(t);
    CHECK(t.count == 0);
    CHECK(log.space.reserve_head.grant - log.space.write_head.grant == 151524);
    log.space.retake(t);
    log.charge(t, 3 * buffer_bytes);
    log.commit({});
    log.space.ungrant(t);
    CHECK(log.space.reserve_head.grant == 144392 - 126976);
    CHECK(log.space.write_head.grant == 144392 - 126976);
    CHECK(cost(log, tr_fsyncts(geo), 0) == 144916 - 144392);
    CHECK(cost(log, tr_itruncate(geo), 0) == 147536 - 144916);
  }
  SECTION("dax-reflink-then-write-fault") {
    const Geometry shared = geometry(true);
    Log other(log_geometry(shared));
    cost(other, tr_fsyncts(shared), inode_bytes);
    CHECK(other.space.ticket(tr_write(shared)).count == 4);
    const std::uint64_t before = other.space.reserve_head.grant;
    LogTicket t = other.space.ticket(tr_write(shared));
    other.space.take(t);
    for (int roll = 0; roll < 3; ++roll) {
      other.charge(t, 0);
      other.space.roll(t);
    }
    other.charge(t, 2 * 16);  // one extent has become three
    other.space.ungrant(t);
    CHECK(other.space.reserve_head.grant - before == 28436 - 22116);
  }
  SECTION("pagecache-truncate-mapped, a device with sectors of 512 bytes") {
    const Geometry block = geometry(true, 512, 2048);
    Log other(log_geometry(block));
    CHECK(other.space.block_of(other.space.head()) == 2);
    cost(other, tr_fsyncts(block), inode_bytes);
    CHECK(cost(other, tr_itruncate(block), 0) == 43136 - 39992);
  }
}

// curr_block, tail_block, tail space of the same traces: each small checkpoint is one log buffer of
// one sector unit, and the newest one counts as granted until the next is on disk.
TEST_CASE("a checkpoint on disk moves from the grants to the tail", "[xfs]") {
  const Geometry geo = geometry(false);
  Log log(log_geometry(geo));
  LogSpace& space = log.space;
  const std::uint64_t first = space.head();
  for (std::uint64_t n = 1; n <= 23; ++n) {
    cost(log, tr_fsyncts(geo), inode_bytes);
    force(log);
    CHECK(space.block_of(space.head()) == 8 + 8 * n);
    CHECK(space.tail_space() == (n - 1) * 4096);
    CHECK(space.tail_space() + space.reserve_head.grant ==
          n * 4096);  // as the tracepoint prints it
  }
  CHECK(space.block_of(space.head()) == 192);  // dax-mapsync-write: tail space 90112, grant 94208
  CHECK(space.tail_space() == 90112);
  log.move_tail(space.ail_head());
  CHECK(space.tail_space() == 0);
  CHECK(space.space_left(space.reserve_head) == space.size() - 4096);
  CHECK(space.tail() > first);
}

TEST_CASE("a checkpoint of many log buffers begins before its commit record", "[xfs]") {
  const Geometry geo = geometry(false);
  LogSpace space(log_geometry(geo));
  const std::uint64_t first = space.head();
  const LogSpace::Written at = space.write(100'000, 0);  // 32256 bytes in each of four buffers
  CHECK(at.start == first);
  CHECK(at.commit == first + 3 * 32768);
  CHECK(space.head() == first + (100'000 + 52 + 4 * 512 + 4095) / 4096 * 4096);
  CHECK(space.reserve_head.grant == space.head() - first);
}

TEST_CASE("the smallest logs are those that a kernel mounts", "[xfs]") {
  CHECK(xfs_log_calc_minimum_size(geometry(false)) == 2097152);  // XFS_MIN_LOG_BLOCKS
  // Three times the largest reservation: four units of 180208 bytes.
  CHECK(xfs_log_calc_minimum_size(geometry(true, 512, 2048)) == 3 * (4 * 180208 + 1024));
}

namespace {

/// One who wants log space, in the words of the rule: space is given in the order of asking.
struct Client {
  LogTicket ticket;
  std::uint64_t asked = 0;  // when
  bool waits = false;
  bool woken = false;
};

/// The queue at one head, with time: clients ask, wake up at some later moment, and give back.
class Model {
 public:
  explicit Model(std::uint64_t seed) : rng_(seed), space_(small()), clients_(12) {}

  void step() {
    Client& c = clients_[rng_.below(clients_.size())];
    if (c.waits) {
      if (c.woken) wake_up(c);
    } else if (holds(c)) {
      give_back(c);
    } else {
      ask(c);
    }
    check();
  }
  bool anybody_waited() const { return waits_ > 50; }

 private:
  static LogGeometry small() {
    LogGeometry geo;
    geo.size = 1 << 20;
    return geo;
  }
  bool holds(const Client& c) const { return c.ticket.unit != 0 && !c.waits; }

  void ask(Client& c) {
    TransRes res{static_cast<std::uint32_t>(1000 + rng_.below(90'000)),
                 static_cast<std::uint32_t>(1 + rng_.below(4)), true};
    c.ticket = space_.ticket(res);
    c.asked = ++clock_;
    std::vector<LogTicket*> woken;
    const bool may = space_.may_take(space_.reserve_head, c.ticket, woken);
    note(woken);
    if (may) {
      take(c);
    } else {
      c.waits = true;
      ++waits_;
      space_.reserve_head.waiters.push_back(&c.ticket);
    }
  }
  void wake_up(Client& c) {
    c.woken = false;
    if (space_.space_left(space_.reserve_head) < space_.need(space_.reserve_head, c.ticket)) return;
    std::erase(space_.reserve_head.waiters, &c.ticket);
    c.waits = false;
    take(c);
  }
  void take(Client& c) {
    space_.take(c.ticket);
    // Nobody overtakes: who gets space, asked before everybody that waits and was not woken.
    for (const Client& other : clients_) {
      if (other.waits && !other.woken) REQUIRE(c.asked < other.asked);
    }
  }
  void give_back(Client& c) {
    space_.ungrant(c.ticket);
    c.ticket = {};
    std::vector<LogTicket*> woken;
    std::uint64_t free = space_.space_left(space_.reserve_head);
    space_.wake(space_.reserve_head, free, woken);
    note(woken);
    REQUIRE(anybody_awake());
  }
  // Somebody waits only while the first has too little space, or was told.
  bool anybody_awake() const {
    if (space_.reserve_head.waiters.empty()) return true;
    const LogTicket* const first = space_.reserve_head.waiters.front();
    const auto is_first = [&](const Client& c) { return &c.ticket == first; };
    const auto client = std::find_if(clients_.begin(), clients_.end(), is_first);
    return client->woken ||
           space_.space_left(space_.reserve_head) < space_.need(space_.reserve_head, *first);
  }
  void note(const std::vector<LogTicket*>& woken) {
    for (Client& c : clients_) {
      if (std::find(woken.begin(), woken.end(), &c.ticket) != woken.end()) c.woken = true;
    }
  }
  // Space is conserved: what is granted is the sum of what the holders have.
  void check() const {
    std::uint64_t sum = 0;
    for (const Client& c : clients_) {
      if (holds(c)) sum += std::uint64_t{c.ticket.unit} * c.ticket.count;
    }
    REQUIRE(space_.reserve_head.grant == sum);
    REQUIRE(sum <= space_.size());
  }

  Rng rng_;
  LogSpace space_;
  std::vector<Client> clients_;
  std::uint64_t clock_ = 0;
  unsigned waits_ = 0;
};

}  // namespace

TEST_CASE("log space is given in the order of asking and none is lost", "[xfs]") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Model model(seed);
    for (int i = 0; i < 4000; ++i) model.step();
    CHECK(model.anybody_waited());
  }
}

TEST_CASE("chains that go on do not wait for those who have not begun", "[xfs]") {
  LogGeometry geo;
  geo.size = 1 << 20;
  LogSpace space(geo);
  TransRes res{200'000, 2, true};
  LogTicket chain = space.ticket(res), second = space.ticket(res), third = space.ticket(res);
  std::vector<LogTicket*> woken;
  space.take(chain);
  space.take(second);
  CHECK_FALSE(space.may_take(space.reserve_head, third, woken));
  space.reserve_head.waiters.push_back(&third);
  space.roll(chain);
  space.roll(chain);
  CHECK(chain.count == 0);
  // The other queue: the one that waits to begin is not in the way.
  CHECK(space.may_take(space.write_head, chain, woken));
  space.retake(chain);
  CHECK(woken.empty());
}

TEST_CASE("the list of items not in place is in the order of the log", "[xfs]") {
  Rng rng(3);
  xfs_ail ail;
  std::vector<xfs_log_item> items(20);
  std::list<std::pair<std::size_t, std::uint64_t>> naive;
  std::uint64_t lsn = 4096;
  for (int i = 0; i < 3000; ++i) {
    const std::size_t n = rng.below(items.size());
    const auto same = [&](const auto& entry) { return entry.first == n; };
    if (rng.below(3) == 0) {
      if (items[n].lsn != 0) ail.remove(items[n]);
      naive.remove_if(same);
    } else {
      lsn += rng.below(3) * 4096;
      ail.insert(items[n], lsn);
      naive.remove_if(same);
      naive.emplace_back(n, lsn);
    }
    const xfs_log_item* item = ail.first();
    for (const auto& [index, at] : naive) {
      REQUIRE(item == &items[index]);
      REQUIRE(item->lsn == at);
      item = item->ail_next;
    }
    REQUIRE(item == nullptr);
    REQUIRE(ail.min_lsn() == (naive.empty() ? 0 : naive.front().second));
    REQUIRE(ail.max_lsn() == (naive.empty() ? 0 : naive.back().second));
  }
}

TEST_CASE("a quarter of the log is kept free", "[xfs]") {
  constexpr std::uint64_t size = 1 << 20;
  xfs_ail ail;
  std::vector<xfs_log_item> items(3);
  CHECK(xfs_ail_push_target(ail, size) == 0);
  ail.insert(items[0], 4096);
  ail.insert(items[1], 4096 + size / 2);
  CHECK(xfs_ail_push_target(ail, size) == 0);  // half of it is free
  ail.insert(items[2], 4096 + size / 4 * 3 + 4096);
  CHECK(xfs_ail_push_target(ail, size) == 4096 + size / 4);
  ail.push_all = true;
  CHECK(xfs_ail_push_target(ail, size) == ail.max_lsn());
  ail.push_all = false;
  ail.target = 4096 + size / 2;  // what was begun is not given up
  CHECK(xfs_ail_push_target(ail, size) == 4096 + size / 2);
}
