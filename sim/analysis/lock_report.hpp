// What a survey of lock orders found, as plain data with names instead of numbers, and its forms:
// the report that kernel people know, a table, JSON, a graph for dot. A circle is *possible*: the
// order of classes allows it. A deadlock in which a trace ended *happened*.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "analysis/lock_survey.hpp"

namespace faultline {

struct BaselineDiff;

/// One end of a dependency: a lock that was held or wanted.
struct LockEnd {
  std::string name;  ///< class, with `/SUBCLASS` when that is not 0
  std::uint64_t instance = 0;
  OrderMode mode = OrderMode::exclusive;
  std::vector<std::string> path;  ///< call path, outermost first; empty when unknown
};

/// A sighting of a dependency.
struct LockSeen {
  std::string trace;
  std::string task;
  Nanos time;
  LockEnd held, wanted;
  bool try_then_wait = false;
};

struct LockEdgeRow {
  std::string from, to;
  std::vector<std::string> kinds;  ///< EN ER SN SR; with `+` of try-then-wait
  std::uint64_t count = 0;
  std::uint32_t traces = 0;
  bool in_circle = false;
  LockSeen first;
};

struct LockClassRow {
  std::string name;
  std::uint64_t acquisitions = 0;
};

/// A strong circle; each step wants what the next one holds.
struct LockCircleRow {
  std::vector<LockSeen> steps;
  bool try_then_wait = false;  ///< a kernel's validator would be silent
  bool instances = false;      ///< of instances: their classes are in order
  std::string guard;           ///< the lock that kept the tasks apart in all sightings; or empty
};

struct LockMisuseRow {
  LockMisuse::Kind kind = LockMisuse::Kind::recursion;
  std::string trace, task;
  Nanos time;
  LockEnd lock;
  std::string holder;  ///< task of `other`; empty when there is none
  LockEnd other;
  bool try_then_wait = false;
};

struct LockReport {
  std::vector<SurveyedTrace> traces;
  std::vector<LockClassRow> classes;
  std::vector<LockEdgeRow> edges;
  std::vector<LockCircleRow> circles;
  bool more_circles = false;
  bool instances_truncated = false;  ///< of names with subclasses, not all were compared
  std::vector<LockMisuseRow> misuses;
  std::vector<HappenedDeadlock> deadlocks;
  std::vector<HappenedDeadlock> stuck;  ///< no complaint of the order: nobody waits in a circle

  /// Nothing to complain of.
  bool clean() const { return circles.empty() && misuses.empty() && deadlocks.empty(); }
};

LockReport lock_report(const LockSurvey& survey);

/// For people: complaints first, then the tables.
std::string lock_report_text(const LockReport& report);
/// One JSON document; with what the comparison with a baseline found, if there was one.
std::string lock_report_json(const LockReport& report, const BaselineDiff* baseline = nullptr);
/// For Graphviz: circles red, try-then-wait dashed, width by count. What a baseline does not have
/// is labelled NEW, in blue; what only the baseline has is grey and dotted.
std::string lock_report_dot(const LockReport& report, const BaselineDiff* baseline = nullptr);

/// Words shared by the forms.
std::string mode_word(OrderMode mode);
std::string seconds_text(Nanos time);

}  // namespace faultline
