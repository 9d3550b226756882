// PHOLD: our event queue, and the engine with tasks, against a std::priority_queue of plain events.
#include <queue>

#include "phold.hpp"

namespace {

struct PlainEvent {
  std::uint64_t time;
  std::uint64_t sequence;
  std::uint64_t place;
  std::uint64_t kind;
};

struct Later {
  bool operator()(const PlainEvent& a, const PlainEvent& b) const {
    return a.time != b.time ? a.time > b.time : a.sequence > b.sequence;
  }
};

double phold_priority_queue(std::uint64_t pending) {
  bench::Phold model(pending);
  std::priority_queue<PlainEvent, std::vector<PlainEvent>, Later> queue;
  std::uint64_t sequence = 0;
  for (std::uint64_t i = 0; i < pending; ++i) {
    queue.push({model.durations.next(), sequence++, i, 0});
  }
  const double start = bench::cpu_seconds();
  for (std::uint64_t i = 0; i < bench::phold_events; ++i) {
    const PlainEvent e = queue.top();
    queue.pop();
    ++model.places[e.place];
    const std::uint64_t place = model.durations.below(pending);
    queue.push({e.time + model.durations.next(), sequence++, place, 0});
  }
  return static_cast<double>(bench::phold_events) / (bench::cpu_seconds() - start);
}

}  // namespace

int main() {
  bench::Table table;
  for (const std::uint64_t pending : {64ULL, 16384ULL, 1048576ULL}) {
    const auto m = bench::medians(
        {[&] { return bench::phold_ours(pending); }, [&] { return phold_priority_queue(pending); },
         [&] { return bench::phold_engine(pending); }},
        pending > 100'000 ? 3 : 5);
    const std::string n = std::to_string(pending);
    table.row("PHOLD " + n + " / std::priority_queue", m[0], m[1], pending > 100'000 ? 0 : 1.5);
    table.row("PHOLD " + n + ", each event a task / std::priority_queue", m[2], m[1], 0);
  }
  // The vector behind the queue grows by doubling: just after that, half of it is empty.
  table.figure("bytes a pending event, at worst", 2.0 * sizeof(faultline::EventQueue::Entry), 48);
  return table.exit_code();
}
