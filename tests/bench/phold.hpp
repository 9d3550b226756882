// PHOLD on our queue: `pending` events, each of which counts at its place and schedules one other,
// at a uniformly drawn place, after lookahead 0.1 + exponential 0.9 of the mean step. Integer
// ticks, first in first out at equal times. The filling of the queue is not measured.
#pragma once

#include <memory>

#include "engine/engine.hpp"
#include "harness.hpp"

namespace bench {

inline constexpr std::uint64_t phold_events = 4'000'000;

struct Phold {
  explicit Phold(std::uint64_t pending) : places(pending), durations(1) {}

  std::vector<std::uint64_t> places;
  Durations durations;
};

inline double phold_ours(std::uint64_t pending) {
  Phold model(pending);
  faultline::EventQueue queue;
  for (std::uint64_t i = 0; i < pending; ++i) {
    queue.push(faultline::Nanos(model.durations.next()), i);
  }
  const double start = cpu_seconds();
  for (std::uint64_t i = 0; i < phold_events; ++i) {
    const faultline::EventQueue::Entry e = queue.pop();
    ++model.places[e.payload];
    const std::uint64_t place = model.durations.below(pending);
    queue.push(faultline::Nanos(e.time + model.durations.next()), place);
  }
  return static_cast<double>(phold_events) / (cpu_seconds() - start);
}

/// PHOLD on the whole engine: each pending event is a task that works for a time, then looks at
/// another place.
struct PholdTasks {
  faultline::Engine& engine;
  Phold& model;
};

inline faultline::FramePool& frame_pool(PholdTasks& tasks) { return tasks.engine.frames(); }

inline faultline::Path<void> phold_task(PholdTasks& tasks) {
  const std::uint64_t pending = tasks.model.places.size();
  while (true) {
    co_await tasks.engine.spend(faultline::Nanos(tasks.model.durations.next()));
    ++tasks.model.places[tasks.model.durations.below(pending)];
  }
}

inline double phold_engine(std::uint64_t pending) {
  faultline::Tracer tracer;
  faultline::EngineOptions options;
  options.max_events = phold_events + pending;
  faultline::Engine engine(tracer, options);
  Phold model(pending);
  PholdTasks tasks{engine, model};
  for (std::uint64_t i = 0; i < pending; ++i) {
    engine.start(engine.add_task(), phold_task(tasks));
  }
  const double start = cpu_seconds();
  engine.run();
  return static_cast<double>(phold_events + pending) / (cpu_seconds() - start);
}

}  // namespace bench
