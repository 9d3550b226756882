// PHOLD: our event queue against ns-3's simulator with each of its schedulers. The calendar is left
// out at a million pending events: to fill it takes longer than a minute.
#include <ns3/calendar-scheduler.h>
#include <ns3/heap-scheduler.h>
#include <ns3/map-scheduler.h>
#include <ns3/object-factory.h>
#include <ns3/priority-queue-scheduler.h>
#include <ns3/simulator.h>

#include <algorithm>

#include "phold.hpp"

namespace {

struct Model {
  explicit Model(std::uint64_t pending) : phold(pending) {}
  bench::Phold phold;
  std::uint64_t left = bench::phold_events;

  void handle(std::uint64_t place) {
    ++phold.places[place];
    if (--left == 0) {
      ns3::Simulator::Stop();
      return;
    }
    schedule(phold.durations.below(phold.places.size()));
  }
  void schedule(std::uint64_t place) {
    ns3::Simulator::Schedule(ns3::NanoSeconds(phold.durations.next()), &Model::handle, this, place);
  }
};

double phold_ns3(const char* scheduler, std::uint64_t pending) {
  ns3::ObjectFactory factory;
  factory.SetTypeId(scheduler);
  ns3::Simulator::SetScheduler(factory);
  Model model(pending);
  for (std::uint64_t i = 0; i < pending; ++i) model.schedule(i);
  const double start = bench::cpu_seconds();
  ns3::Simulator::Run();
  return static_cast<double>(bench::phold_events) / (bench::cpu_seconds() - start);
}

}  // namespace

int main() {
  bench::Table table;
  const std::vector<const char*> all = {"ns3::PriorityQueueScheduler", "ns3::MapScheduler",
                                        "ns3::HeapScheduler", "ns3::CalendarScheduler"};
  for (const std::uint64_t pending : {64ULL, 16384ULL, 1048576ULL}) {
    const bool large = pending > 100'000;
    std::vector<bench::Program> programs{[&] { return bench::phold_ours(pending); },
                                         [&] { return bench::phold_engine(pending); }};
    const std::size_t schedulers = large ? 3 : 4;
    for (std::size_t i = 0; i < schedulers; ++i) {
      programs.emplace_back([&, i] { return phold_ns3(all[i], pending); });
    }
    const auto m = bench::medians(programs, large ? 3 : 5);
    const std::string n = "PHOLD " + std::to_string(pending);
    for (std::size_t i = 0; i < schedulers; ++i) {
      table.row(n + " / " + all[i], m[0], m[i + 2], 0);
    }
    const double fastest = *std::max_element(m.begin() + 2, m.end());
    table.row(n + " / ns-3's fastest", m[0], fastest, large ? 1.5 : 2);
    table.row(n + ", each event a task / ns-3's fastest", m[1], fastest, 0);
  }
  return table.exit_code();
}
