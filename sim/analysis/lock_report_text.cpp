// The report in the shape that users of the kernel's lock validator know: what was about to be
// taken while what was held, the chain that leads back, a table of who would stand where, and then,
// which no kernel prints, in plain words what would have to happen.
#include <algorithm>

#include <fmt/format.h>

#include "analysis/lock_report.hpp"

namespace faultline {

namespace {

class Printer {
 public:
  explicit Printer(const LockReport& report) : report_(report) {}

  std::string text() {
    for (const LockCircleRow& circle : report_.circles) print(circle);
    for (const LockMisuseRow& misuse : report_.misuses) print(misuse);
    for (const HappenedDeadlock& deadlock : report_.deadlocks) print(deadlock);
    for (const HappenedDeadlock& stuck : report_.stuck) print_stuck(stuck);
    if (report_.more_circles) line("There are more circles than are listed here.\n");
    if (report_.instances_truncated) {
      line("Names with subclasses have more instances than were compared.\n");
    }
    tables();
    return std::move(text_);
  }

 private:
  template <class... A>
  void line(fmt::format_string<A...> format, A&&... arguments) {
    text_ += fmt::format(format, std::forward<A>(arguments)...) + "\n";
  }

  void title(std::string_view text) {
    line("{}", text);
    line("{}", std::string(text.size(), '-'));
  }

  void path(const LockEnd& end, std::string_view indent) {
    if (!end.path.empty()) line("{}in {}", indent, fmt::join(end.path, " > "));
  }

  static std::string end_text(const LockEnd& end) {
    return fmt::format("{} {:x} ({})", end.name, end.instance, mode_word(end.mode));
  }

  // A circle of instances is about which lock of a name it is.
  static std::string which(const LockCircleRow& circle, const LockEnd& end) {
    return circle.instances ? fmt::format("{} {:x}", end.name, end.instance) : end.name;
  }

  void seen(const LockSeen& s) {
    line("     {} at {} in {}", s.task, seconds_text(s.time), s.trace);
    line("     {} {}", s.try_then_wait ? "tried, and would have waited for," : "wanted",
         end_text(s.wanted));
    path(s.wanted, "        ");
    line("     holding {}", end_text(s.held));
    path(s.held, "        taken ");
  }

  void print(const LockCircleRow& circle) {
    title("WARNING: possible circular locking dependency detected");
    const LockSeen& first = circle.steps.front();
    line("{} (in {}, at {}) {}:", first.task, first.trace, seconds_text(first.time),
         first.try_then_wait ? "tries to take, and would wait for" : "is about to take");
    line("  {}", end_text(first.wanted));
    path(first.wanted, "     ");
    line("while it holds:");
    line("  {}", end_text(first.held));
    path(first.held, "     taken ");
    line("from which the way leads back, last step first:");
    line("");
    for (std::size_t i = circle.steps.size(); i-- > 0;) {
      line("-> #{} {} -> {}:", i, circle.steps[i].held.name, circle.steps[i].wanted.name);
      seen(circle.steps[i]);
    }
    line("");
    cpus(circle);
    words(circle);
    line("");
  }

  // CPU0 is the one whose attempt closed the circle: it holds its lock until the others have
  // theirs.
  void cpus(const LockCircleRow& circle) {
    const auto call = [&](const LockEnd& end) {
      const char* const how = end.mode == OrderMode::exclusive ? "" : "r";
      return fmt::format("{}lock({});", how, which(circle, end));
    };
    std::size_t width = 24;
    for (const LockSeen& s : circle.steps) {
      width = std::max(width, which(circle, s.held).size() + 10);
    }
    const bool all = circle.steps.size() <= 3;
    const std::size_t n = all ? circle.steps.size() : 2;
    // With more than three, the table shows the first and the last; the rest stands in words.
    const auto step = [&](std::size_t column) -> const LockSeen& {
      return column == 0 || all ? circle.steps[column] : circle.steps.back();
    };
    line(" Possible unsafe locking scenario{}:", all ? "" : " (of the others, the last)");
    line("");
    std::string head = "     ", rule = "     ";
    for (std::size_t c = 0; c < n; ++c) {
      const std::string cpu = fmt::format("CPU{}", c == 0 || all ? c : circle.steps.size() - 1);
      head += fmt::format("{:<{}}", cpu, width);
      rule += fmt::format("{:<{}}", "----", width);
    }
    line("{}", head.substr(0, head.find_last_not_of(' ') + 1));
    line("{}", rule.substr(0, rule.find_last_not_of(' ') + 1));
    const auto row = [&](std::size_t column, const LockEnd& end) {
      line("{}{}", std::string(5 + column * width, ' '), call(end));
    };
    for (std::size_t c = 0; c < n; ++c) row(c, step(c).held);
    for (std::size_t c = n; c-- > 0;) row(c, step(c).wanted);
    line("");
    line(" *** DEADLOCK ***");
    line("");
  }

  void words(const LockCircleRow& circle) {
    line("What would have to happen:");
    const std::size_t n = circle.steps.size();
    for (std::size_t i = 0; i < n; ++i) {
      const LockSeen& s = circle.steps[i];
      line("  {}. One task holds {} ({}) and goes for {} ({}), as {} did.", i + 1,
           which(circle, s.held), mode_word(s.held.mode), which(circle, s.wanted),
           mode_word(s.wanted.mode), s.task);
    }
    for (std::size_t i = 0; i < n; ++i) {
      const LockSeen& s = circle.steps[i];
      const LockSeen& next = circle.steps[(i + 1) % n];
      if (s.wanted.mode == OrderMode::shared && next.held.mode != OrderMode::exclusive) {
        line("     Both share {}: a writer must queue for it in between.", s.wanted.name);
      }
    }
    line("  Each has its first lock when it asks for the second: then none can go on.");
    if (circle.instances) {
      line("  The subclasses are in order, but the same instances are taken the other way round.");
    }
    if (circle.try_then_wait) {
      line(
          "  A kernel's lock validator counts no dependency for a try that succeeds: it is silent");
      line("  until the run that hangs.");
    }
    if (!circle.guard.empty()) {
      line("  Guarded: in all that was seen {} was held at two of the places and kept the tasks",
           circle.guard);
      line("  apart. It stays an inversion for whoever comes without it.");
    }
    line("This is possible, by the order of locks; it need not have happened.");
  }

  void print(const LockMisuseRow& m) {
    const std::string where = fmt::format("{} at {} in {}", m.task, seconds_text(m.time), m.trace);
    switch (m.kind) {
      case LockMisuse::Kind::recursion:
        title("WARNING: possible recursive locking detected");
        line("{}", where);
        line("{}:", m.try_then_wait ? "tries to take, and would wait for" : "is about to take");
        line("  {}", end_text(m.lock));
        path(m.lock, "     ");
        line("while it holds {}:",
             m.other.instance == m.lock.instance ? "the same lock" : "another of the same class");
        break;
      case LockMisuse::Kind::not_held:
        title("WARNING: bad unlock balance detected");
        line("{} releases what it does not hold:", where);
        line("  {} {:x}", m.lock.name, m.lock.instance);
        path(m.lock, "     ");
        line("{}", m.holder.empty() ? "Nobody holds it." : m.holder + " holds it:");
        break;
      case LockMisuse::Kind::missing_nest:
        title("WARNING: nested lock was not taken");
        line(
            "{} takes a lock and names another as the one that serialises it, but does not hold "
            "that:",
            where);
        line("  {}", end_text(m.lock));
        path(m.lock, "     ");
        break;
      case LockMisuse::Kind::wait_context:
        title("BUG: Invalid wait context");
        line("{} is about to take, and may sleep:", where);
        line("  {}", end_text(m.lock));
        path(m.lock, "     ");
        line("while it holds a lock under which nobody sleeps:");
        break;
      case LockMisuse::Kind::init_held:
        title("WARNING: held lock initialised");
        line("{} initialises a lock that {} holds:", where, m.holder);
        break;
    }
    if (!m.holder.empty()) {
      line("  {}", end_text(m.other));
      path(m.other, "     taken ");
    }
    line("");
  }

  void print(const HappenedDeadlock& deadlock) {
    title("DEADLOCK: this happened");
    line("{} ended with tasks that wait for each other:", report_.traces[deadlock.trace].name);
    blocked(deadlock.tasks);
  }

  // No circle: what somebody waits for never comes, such as a lock whose holder has ended.
  void print_stuck(const HappenedDeadlock& stuck) {
    title("STUCK: this happened");
    const std::string& name = report_.traces[stuck.trace].name;
    if (stuck.tasks.empty()) {
      line("{} ended with tasks that could not go on; none of them waits for a lock.", name);
    } else {
      line("{} ended with tasks that wait for locks that nobody releases any more:", name);
    }
    blocked(stuck.tasks);
  }

  void blocked(const std::vector<BlockedTask>& tasks) {
    for (const BlockedTask& t : tasks) {
      line("  {}{} since {} waits for {} {:x}{}, held by {}", t.task,
           t.step.empty() ? "" : " (step " + t.step + ")", seconds_text(t.since), t.wants,
           t.instance, t.mode.empty() ? "" : " (" + t.mode + ")",
           t.owners.empty() ? "nobody here" : fmt::format("{}", fmt::join(t.owners, ", ")));
      if (!t.path.empty()) line("     in {}", fmt::join(t.path, " > "));
      if (!t.holds.empty()) line("     holds {}", fmt::join(t.holds, ", "));
    }
    line("");
  }

  void tables() {
    std::uint64_t records = 0;
    std::size_t incomplete = 0, inferred = 0;
    for (const SurveyedTrace& t : report_.traces) {
      records += t.lock_records;
      incomplete += t.info.complete ? 0 : 1;
      inferred += t.inferred ? 1 : 0;
    }
    const std::size_t found = report_.circles.size() + report_.misuses.size();
    std::string verdict = report_.clean()
                              ? "nothing to complain of"
                              : fmt::format("complaints: {}", found + report_.deadlocks.size());
    if (!report_.stuck.empty()) {
      const char* const but = report_.clean() ? "but " : "";
      verdict += fmt::format(", {}runs stuck: {}", but, report_.stuck.size());
    }
    line("{}; traces: {}, lock records: {}, classes: {}, dependencies: {}", verdict,
         report_.traces.size(), records, report_.classes.size(), report_.edges.size());
    if (incomplete != 0) line("{} of the traces are incomplete", incomplete);
    if (inferred != 0) {
      line("{} of the traces have no lock events: those of mmap_lock and XFS inodes stand for them",
           inferred);
    }
    if (report_.edges.empty()) return;
    std::size_t from = 4, to = 6, kinds = 5;
    const auto kinds_text = [](const LockEdgeRow& e) {
      return fmt::format("{}", fmt::join(e.kinds, " "));
    };
    for (const LockEdgeRow& e : report_.edges) {
      from = std::max(from, e.from.size());
      to = std::max(to, e.to.size());
      kinds = std::max(kinds, kinds_text(e).size());
    }
    line("");
    line("  {:<{}}  {:<{}}  {:<{}} {:>9} {:>6}  first seen", "held", from, "wanted", to, "kinds",
         kinds, "count", "traces");
    for (const LockEdgeRow& e : report_.edges) {
      std::string place = fmt::format("{} at {}", e.first.task, seconds_text(e.first.time));
      if (report_.traces.size() > 1) place += " in " + e.first.trace;
      if (!e.first.wanted.path.empty()) place += " > " + e.first.wanted.path.back();
      line("{} {:<{}}  {:<{}}  {:<{}} {:>9} {:>6}  {}", e.in_circle ? '*' : ' ', e.from, from, e.to,
           to, kinds_text(e), kinds, e.count, e.traces, place);
    }
    std::size_t name = 5;
    for (const LockClassRow& c : report_.classes) name = std::max(name, c.name.size());
    line("");
    line("  {:<{}}  {:>12}", "class", name, "acquisitions");
    for (const LockClassRow& c : report_.classes) {
      line("  {:<{}}  {:>12}", c.name, name, c.acquisitions);
    }
  }

  const LockReport& report_;
  std::string text_;
};

}  // namespace

std::string lock_report_text(const LockReport& report) { return Printer(report).text(); }

}  // namespace faultline
