// What single acquisitions and releases show: edges and their kinds, the same-class test, trylocks,
// nest locks, downgrades, releases in any order. Expected values are the tables of lock_rules.md
// sections 1.2 to 1.6.
#include "lock_script.hpp"

using namespace lock_test;

TEST_CASE("the kind of an edge is the holder's mode and whether the wanted one waits for queued") {
  CHECK(edges_of("A B") == "A>B:EN");
  CHECK(edges_of("A Br") == "A>B:EN");
  CHECK(edges_of("A BR") == "A>B:ER");
  CHECK(edges_of("Ar B") == "A>B:SN");
  CHECK(edges_of("Ar Br") == "A>B:SN");
  CHECK(edges_of("Ar BR") == "A>B:SR");
  CHECK(edges_of("AR B") == "A>B:SN");
  CHECK(edges_of("AR BR") == "A>B:SR");
  CHECK(edges_of("A B -B Br -B BR -B -A Ar BR") == "A>B:EN,ER,SR");
}

TEST_CASE("edges come from the nearest holder that waited, and from those passed over on the way") {
  CHECK(edges_of("A B C") == "A>B:EN B>C:EN");
  CHECK(edges_of("A ?B C") == "A>C:EN B>C:EN");
  CHECK(edges_of("A B ?C ?D E") == "A>B:EN B>E:EN C>E:EN D>E:EN");
  CHECK(edges_of("A BR C") == "A>B:ER A>C:EN B>C:SN");
  CHECK(edges_of("A Br C") == "A>B:EN B>C:SN");
  CHECK(edges_of("A BR ?C DR E") == "A>B:ER A>D:ER A>E:EN B>D:SR B>E:SN C>D:ER C>E:EN D>E:SN");
}

TEST_CASE("a trylock has no edge into it and is no recursion, but it holds") {
  CHECK(edges_of("A ?B") == "");
  CHECK(edges_of("?A B") == "A>B:EN");
  CHECK(misuses_of("A ?A2") == "");
  CHECK(misuses_of("?A A2") == "recursion:A");
}

TEST_CASE("a try-then-wait counts as an edge of its own kind, and holds like a trylock") {
  CHECK(edges_of("A ~B C") == "A>B:EN+ A>C:EN B>C:EN");
  CHECK(edges_of("A !B C") == "A>B:EN A>C:EN");
  CHECK(edges_of("Ar ~Br") == "A>B:SN+");
  CHECK(misuses_of("Ar ~Ar") == "recursion:A");
  Lab lab;
  lab.hold(TaskId(0), "A ?B");
  CHECK(lab.edges() == "");
  CHECK_FALSE(lab.order.top_was_try_then_wait({Nanos(9), TaskId(0)}, Lab::instance("A")));
  CHECK(lab.order.top_was_try_then_wait({Nanos(9), TaskId(0)}, Lab::instance("B")));
  CHECK(lab.edges() == "A>B:EN+");
  CHECK(lab.misuses() == "");
}

TEST_CASE("an annotation that only may lock leaves its edge and nothing held") {
  Lab lab;
  lab.hold(TaskId(0), "A !B");
  CHECK(lab.edges() == "A>B:EN");
  CHECK(lab.order.held(TaskId(0)).size() == 1);
}

TEST_CASE("same class: only a recursive read over a read is fine") {
  const std::string modes[] = {"A", "Ar", "AR"};
  for (const auto& held : modes) {
    for (const auto& wanted : modes) {
      CAPTURE(held, wanted);
      const bool fine = wanted == "AR" && held != "A";
      CHECK(misuses_of(held + " " + wanted) == (fine ? "" : "recursion:A"));
      // Classes count, not instances; and what is between does not matter.
      std::string other = wanted;
      other.insert(1, "2");
      CHECK(misuses_of(held + " B " + other) == (fine ? "" : "recursion:A"));
    }
  }
  CHECK(misuses_of("A A2 -A2 A3") == "recursion:A");  // told once
}

TEST_CASE("a recursion that was told adds no edges") {
  CHECK(misuses_of("A B A2") == "recursion:A");
  Lab lab;
  lab.play("A B A2");
  CHECK(lab.edges() == "A>B:EN");
  CHECK(lab.circles() == "");
  // What is below it is not reached through it: it counts for what is taken next.
  Lab later;
  later.play("A B A2 C");
  later.play("C B");
  CHECK(later.circles() == "BC");
}

TEST_CASE("a recursive reader's edge to itself is kept and makes no circle") {
  Lab lab;
  lab.play("Ar AR");
  lab.play("AR AR");
  CHECK(lab.edges() == "A>A:SR");
  CHECK(lab.circles() == "");
  CHECK(lab.misuses() == "");
}

TEST_CASE("a nest lock that is held below excuses, and the excused adds no edge") {
  CHECK(edges_of("N A B A2@N") == "A>B:EN N>A:EN");
  CHECK(misuses_of("A N B A2@N") == "recursion:A");  // held too late
  CHECK(misuses_of("N A -N B A2@N") == "missing-nest:A recursion:A");
  CHECK(edges_of("N B A@N") == "B>A:EN N>B:EN");  // nothing to excuse
}

TEST_CASE("a nest lock that is released first is missed by those who named it") {
  CHECK(misuses_of("N A@N -N") == "missing-nest:A");
}

TEST_CASE("locks of one class in a row under a nest lock count as one") {
  CHECK(edges_of("N A@N A2@N A3@N B") == "A>B:EN N>A:EN");
  CHECK(edges_of("N A@N A2r@N B") == "A>B:EN N>A:EN");  // in the mode of the first
  Lab lab;
  lab.hold(TaskId(0), "N A@N A2@N A3@N");
  CHECK(lab.order.held(TaskId(0)).size() == 4);
  // Each is released by itself; the class goes with the last.
  lab.hold(TaskId(0), "-A -A3 B");
  CHECK(lab.edges() == "A>B:EN N>A:EN");
  lab.hold(TaskId(0), "-B -A2 C");
  CHECK(lab.edges() == "A>B:EN N>A:EN N>C:EN");
  CHECK(lab.misuses() == "");
}

TEST_CASE("a release below the top shows the edges that the released lock had hidden") {
  CHECK(edges_of("A B C -B") == "A>B:EN A>C:EN B>C:EN");
  CHECK(edges_of("A B C D -B") == "A>B:EN A>C:EN B>C:EN C>D:EN");
  CHECK(edges_of("A B C -A -B D") == "A>B:EN B>C:EN C>D:EN");
}

TEST_CASE("the same lock twice: the later hold is released first") {
  Lab lab;
  lab.hold(TaskId(0), "AR B AR -A C");
  CHECK(lab.order.held(TaskId(0)).size() == 3);
  CHECK(lab.order.held(TaskId(0))[0].use.instance == Lab::instance("A"));
  CHECK(lab.edges() == "A>B:SN B>A:ER B>C:EN");
}

TEST_CASE("a downgrade turns the hold shared in its place") {
  CHECK(edges_of("A B _A C") == "A>B:EN,SN B>C:EN");
  CHECK(edges_of("X A _A B") == "A>B:SN X>A:EN");
  CHECK(misuses_of("A B _A") == "");
  CHECK(misuses_of("B _A") == "not-held:A");
}

TEST_CASE("a release of what is not held is told, with the task that does hold it") {
  Lab lab;
  lab.hold(TaskId(3), "A");
  lab.hold(TaskId(1), "-A");
  REQUIRE(lab.misuses() == "not-held:A");
  CHECK(lab.order.misuses()[0].has_other);
  CHECK(lab.order.misuses()[0].holder == TaskId(3));
  lab.hold(TaskId(1), "-A");
  CHECK(lab.order.misuses().size() == 1);
  lab.hold(TaskId(1), "-B");
  CHECK(lab.misuses() == "not-held:A not-held:B");
  CHECK_FALSE(lab.order.misuses()[1].has_other);
}

TEST_CASE("initialising what is held is told; what is free may be initialised") {
  Lab lab;
  lab.hold(TaskId(0), "A B -B");
  lab.order.initialise({Nanos(50), TaskId(1)}, Lab::instance("B"), lab.cls('B'));
  CHECK(lab.misuses() == "");
  lab.order.initialise({Nanos(51), TaskId(1)}, Lab::instance("A"), lab.cls('A'));
  CHECK(lab.misuses() == "init-held:A");
}

TEST_CASE("an interrupt has a stack of its own") {
  Lab lab;
  lab.hold(TaskId(0), "A");
  const LockPlace irq{Nanos(10), TaskId(0), Context::hardirq};
  lab.order.acquire(irq, {Lab::instance("B"), lab.cls('B')});
  CHECK(lab.edges() == "");
  CHECK(lab.order.release(irq, Lab::instance("B"), lab.cls('B')));
  CHECK(lab.order.held(TaskId(0)).size() == 1);
}

TEST_CASE("after lost records nothing is known to be held") {
  Lab lab;
  lab.hold(TaskId(0), "A");
  lab.order.lost();
  lab.hold(TaskId(0), "B -A");
  CHECK(lab.edges() == "");
  CHECK(lab.misuses() == "");
}

TEST_CASE("an edge counts the acquisitions that showed it, and keeps the first") {
  Lab lab;
  lab.play("A ?B C", TaskId(4));
  for (int i = 0; i < 5; ++i) lab.play("A C", TaskId(5));
  lab.play("A B C -B", TaskId(6));  // B>C, and A>C after the release
  std::map<std::string, std::uint64_t> counts;
  const auto by_edge = lab.order.edge_counts();
  for (std::size_t i = 0; i < by_edge.size(); ++i) {
    const LockEdge& e = lab.order.graph().edges()[i];
    counts[std::string{lab.name(e.from), lab.name(e.to)}] = by_edge[i];
    if (lab.name(e.from) == 'A' && lab.name(e.to) == 'C') {
      CHECK(lab.order.graph().sighting(e.first).task == TaskId(4));
      CHECK(lab.order.graph().sighting(e.first).time == Nanos(3));
    }
  }
  CHECK(counts == std::map<std::string, std::uint64_t>{{"AB", 1}, {"AC", 7}, {"BC", 2}});
}

TEST_CASE("what a release merely repeats is not counted again") {
  Lab lab;
  lab.play("A B C D -B");    // C>D stays what it was
  lab.play("N E@N E2@N F");  // two of a class in a row are one holder
  std::map<std::string, std::uint64_t> counts;
  const auto by_edge = lab.order.edge_counts();
  for (std::size_t i = 0; i < by_edge.size(); ++i) {
    const LockEdge& e = lab.order.graph().edges()[i];
    counts[std::string{lab.name(e.from), lab.name(e.to)}] = by_edge[i];
  }
  CHECK(counts == std::map<std::string, std::uint64_t>{
                      {"AB", 1}, {"BC", 1}, {"AC", 1}, {"CD", 1}, {"NE", 1}, {"EF", 1}});
}

TEST_CASE("forgetting sequences changes neither edges nor counts") {
  Lab lab, small;
  small.order.set_node_limit(3);
  for (int i = 0; i < 4; ++i) {
    for (const char* script : {"A B C D", "B D -B A", "AR BR C", "D C -D B", "N A@N A2@N B"}) {
      lab.play(script);
      small.play(script);
    }
  }
  CHECK(small.edges() == lab.edges());
  CHECK(small.circles() == lab.circles());
  CHECK(small.order.edge_counts() == lab.order.edge_counts());
}
