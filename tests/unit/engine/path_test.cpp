// Paths as calls: results, nesting, frames, exceptions, and the call path that records show.
#include "engine/path.hpp"

#include "base/bug.hpp"
#include "rig.hpp"

namespace faultline {
namespace {

Path<int> plus_one(Rig& rig, int n) { co_return n + 1; }

HelperPath<int> helper_plus_one(Rig& rig, int n) { co_return n + 1; }

Path<int> after(Rig& rig, Nanos time, int n) {
  co_await rig.engine.block_until(rig.engine.now() + time);
  co_return n;
}

Path<int> nested(Rig& rig, int depth, bool suspend) {
  if (depth == 0) {
    if (suspend) co_await rig.engine.block_until(rig.engine.now() + Nanos(1));
    co_return 0;
  }
  const int below = co_await nested(rig, depth - 1, suspend);
  co_return below + 1;
}

Path<void> note_nested(Rig& rig, int depth, bool suspend) {
  const int n = co_await nested(rig, depth, suspend);
  rig.note(std::to_string(n));
}

// Hand on what another returns, without frames of their own.
Path<int> hands_on(Rig& rig, Nanos time, int n) {
  const TailCall call(rig);
  if (n < 0) return call.with(-1);
  return time == Nanos{} ? call.to(plus_one(rig, n)) : call.to(after(rig, time, n));
}
Path<int> hands_on_twice(Rig& rig, Nanos time, int n) {
  const TailCall call(rig);
  return call.to(hands_on(rig, time, n));
}

// The same with a frame for each.
Path<int> has_a_frame(Rig& rig, Nanos time, int n) {
  if (n < 0) co_return -1;
  const int result = time == Nanos{} ? co_await plus_one(rig, n) : co_await after(rig, time, n);
  co_return result;
}
Path<int> has_a_frame_too(Rig& rig, Nanos time, int n) {
  const int result = co_await has_a_frame(rig, time, n);
  co_return result;
}

Path<void> count_calls(Rig& rig, int calls) {
  int n = 0;
  while (n < calls) n = co_await plus_one(rig, n);
  rig.note(std::to_string(n));
}

Path<void> sleep_forever(Rig& rig) { co_await rig.engine.block(); }

// Lives in a frame: tells whether the frame was destroyed.
struct Counted {
  explicit Counted(int& n) : alive(n) { ++alive; }
  ~Counted() { --alive; }
  Counted(const Counted&) = delete;
  int& alive;
};

Path<int> fails(Rig& rig, int& alive, bool late) {
  const Counted counted(alive);
  if (late) co_await rig.engine.block_until(rig.engine.now() + Nanos(5));
  FL_BUG("on purpose");
}

Path<void> calls_failing(Rig& rig, int& alive, bool late) {
  const Counted counted(alive);
  const int n = co_await fails(rig, alive, late);
  rig.note("not reached " + std::to_string(n));
}

TEST_CASE("a call gives its result, whether or not it suspends") {
  Rig rig;
  const auto body = [](Rig& r) -> Path<void> {
    const int now = co_await plus_one(r, 41);
    r.note(std::to_string(now));
    const int later = co_await after(r, Nanos(10), 7);
    r.note(std::to_string(later));
  };
  rig.start(body(rig));
  CHECK(rig.engine.run() == Outcome::completed);
  CHECK(rig.joined() == "0:42@0 0:7@10");
}

TEST_CASE("10 million calls that do not suspend need no stack") {
  Rig rig;
  rig.start(count_calls(rig, 10'000'000));
  CHECK(rig.engine.run() == Outcome::completed);
  CHECK(rig.joined() == "0:10000000@0");
}

TEST_CASE("calls nest deeply and unwind, from a suspension at the bottom too") {
  for (const bool suspend : {false, true}) {
    Rig rig;
    rig.start(note_nested(rig, 2000, suspend));
    CHECK(rig.engine.run() == Outcome::completed);
    CHECK(rig.joined() == (suspend ? "0:2000@1" : "0:2000@0"));
    CHECK(rig.engine.frames().live() == 0);
  }
}

Path<int> counted_nest(Rig& rig, int& alive, int depth) {
  const Counted counted(alive);
  if (depth == 0) {
    co_await rig.engine.block_until(rig.engine.now() + Nanos(5));
    co_return 0;
  }
  const int below = co_await counted_nest(rig, alive, depth - 1);
  co_return below + 1;
}

Path<void> counted_root(Rig& rig, int& alive) {
  const int depth = co_await counted_nest(rig, alive, 9);
  rig.note(std::to_string(depth));
}

TEST_CASE("frames go back to the pool when a task ends") {
  Rig rig;
  rig.start(note_nested(rig, 3, true));
  rig.start(sleep_forever(rig));
  CHECK(rig.engine.run() == Outcome::stuck);
  CHECK(rig.engine.frames().live() == 1);
}

TEST_CASE("an early stop leaves stacks of frames, which go with the engine") {
  int alive = 0;
  {
    Rig rig;
    const auto stops = [](Rig& r) -> Path<void> {
      r.engine.stop(Outcome::kernel_bug, "BUG");
      co_await r.engine.spend(Nanos(1));
      r.note("not reached");
    };
    rig.start(counted_root(rig, alive));
    rig.start(stops(rig));
    CHECK(rig.engine.run() == Outcome::kernel_bug);
    CHECK(rig.engine.stop_reason() == "BUG");
    CHECK(rig.log.empty());
    CHECK(alive == 10);
    CHECK(rig.engine.frames().live() > 10);
  }
  CHECK(alive == 0);
}

TEST_CASE("what lives in suspended frames is destroyed with the engine") {
  int alive = 0;
  {
    Rig rig;
    const auto inner = [](Rig& r, int& n) -> Path<void> {
      const Counted counted(n);
      co_await r.engine.block();
    };
    const auto outer = [&inner](Rig& r, int& n) -> Path<void> {
      const Counted counted(n);
      co_await inner(r, n);
    };
    rig.start(outer(rig, alive));
    CHECK(rig.engine.run() == Outcome::stuck);
    CHECK(alive == 2);
  }
  CHECK(alive == 0);
}

TEST_CASE("a defect of our own leaves run() as an exception") {
  for (const bool late : {false, true}) {
    int alive = 0;
    {
      Rig rig;
      rig.start(calls_failing(rig, alive, late));
      rig.start(counted_root(rig, alive));
      CHECK_THROWS_AS(rig.engine.run(), InternalError);
      CHECK(rig.log.empty());
    }
    CHECK(alive == 0);
  }
}

struct Calls {
  Tracer* tracer;
  std::string text;
  void on_record(const Record& r) {
    const std::string name(tracer->symbols().text(SymbolId(static_cast<std::uint32_t>(r.arg[0]))));
    text += (r.event == Event::sim_call ? "+" : "-") + name + " ";
  }
};

TEST_CASE("calls and returns are recorded under the function's name, helpers are not") {
  Rig rig;
  Calls calls{&rig.tracer, {}};
  EventMask mask;
  mask.set(Event::sim_call);
  mask.set(Event::sim_ret);
  rig.tracer.add_sink(sink_ref(calls), mask);
  const auto body = [](Rig& r) -> Path<void> {
    const int a = co_await plus_one(r, 1);
    const int b = co_await helper_plus_one(r, a);
    const int c = co_await after(r, Nanos(3), b);
    r.note(std::to_string(c));
  };
  rig.start(body(rig));
  rig.engine.run();
  CHECK(rig.joined() == "0:3@3");
  CHECK(calls.text == "+plus_one -plus_one +after -after ");
}

// Plays calls of `path` and gives what they returned and recorded, and the call path afterwards.
template <class F>
std::string played(F path) {
  Rig rig;
  Calls calls{&rig.tracer, {}};
  EventMask mask;
  mask.set(Event::sim_call);
  mask.set(Event::sim_ret);
  rig.tracer.add_sink(sink_ref(calls), mask);
  const auto body = [](Rig& r, F p) -> Path<void> {
    for (const int n : {1, -5, 2}) {
      for (const Nanos time : {Nanos(0), Nanos(4)}) {
        const int result = co_await p(r, time, n);
        r.note(std::to_string(result) + "/" + std::to_string(r.engine.frames().calls));
      }
    }
  };
  rig.start(body(rig, path));
  CHECK(rig.engine.run() == Outcome::completed);
  CHECK(rig.engine.frames().live() == 0);
  return calls.text + rig.joined();
}

std::string renamed(std::string text, const std::string& from, const std::string& to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

TEST_CASE("a call that is handed on is recorded like one with a frame") {
  const std::string plain =
      renamed(renamed(played(has_a_frame_too), "has_a_frame_too", "hands_on_twice"), "has_a_frame",
              "hands_on");
  CHECK(played(hands_on_twice) == plain);
  CHECK(plain.substr(0, 75) ==
        "+hands_on_twice +hands_on +plus_one -plus_one -hands_on -hands_on_twice +ha");
}

TEST_CASE("the calling-context tree numbers paths in order of first occurrence") {
  static const char f[] = "f", g[] = "g", h[] = "h";
  CallTree tree;
  const CallNode nf = tree.child(0, f);
  const CallNode ng = tree.child(nf, g);
  const CallNode nh = tree.child(nf, h);
  CHECK(std::vector<CallNode>{nf, ng, nh} == std::vector<CallNode>{1, 2, 3});
  for (int i = 0; i < 3; ++i) {
    CHECK(tree.child(nf, g) == ng);
    CHECK(tree.child(nf, h) == nh);
    CHECK(tree.child(0, g) == tree.child(0, g));
    CHECK(tree.child(0, f) == nf);
  }
  CHECK(tree.child(0, g) == 4);
  CHECK(tree.parent(nh) == nf);
  CHECK(tree.path(nh) == std::vector<std::string>{"f", "h"});
  CHECK(tree.path(0).empty());
}

}  // namespace
}  // namespace faultline
