// What the engine's tests share: an engine with a tracer, and a log of what tasks did and when.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "engine/engine.hpp"
#include "engine/shared.hpp"

namespace faultline {

struct Rig {
  explicit Rig(EngineOptions options = {}) : engine(tracer, std::move(options)) {}

  Tracer tracer;
  Engine engine;
  std::vector<std::string> log;

  /// Notes `what` with the running task's number and the time: "0:what@5".
  void note(const std::string& what) {
    log.push_back(std::to_string(engine.current().id.v) + ":" + what + "@" +
                  std::to_string(engine.now().v));
  }
  template <class F>
  Task& start(F&& path, Nanos at = Nanos{}) {
    Task& task = engine.add_task();
    engine.start(task, std::forward<F>(path), at);
    return task;
  }
  std::string joined() const {
    std::string all;
    for (const auto& line : log) all += (all.empty() ? "" : " ") + line;
    return all;
  }
};

inline FramePool& frame_pool(Rig& rig) { return rig.engine.frames(); }

inline EngineOptions with_chooser(Chooser chooser, std::uint64_t seed = 1) {
  EngineOptions options;
  options.chooser = chooser;
  options.seed = seed;
  return options;
}

}  // namespace faultline
