// argv -> calls: the sub-commands, their options, and the exit codes. 2 is bad usage or bad input,
// 3 a defect of Faultline itself, with the command that reproduces it.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <sstream>
#include <string>

#include "base/bug.hpp"
#include "base/suggest.hpp"
#include "cli/arguments.hpp"
#include "cli/output_file.hpp"

namespace {

using namespace faultline;

constexpr const char* version_text =
    "faultline " FAULTLINE_VERSION " (scenario format 1, trace format 1, report format 1)";

// CLI11 would wrap "-1" to a large number.
std::string unsigned_number(const std::string& text) {
  const bool digits = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  return digits ? std::string() : "\"" + text + "\" is not a number from 0 on";
}

void add_run(CLI::App& app, RunArguments& a) {
  CLI::App* const run = app.add_subcommand("run", "play one scenario and check its expectations");
  run->add_option("scenario", a.scenario, "scenario file, or - for standard input")->required();
  run->add_option("--trace", a.trace, "write the trace to FILE")->type_name("FILE");
  run->add_option("--report", a.report, "write the report to FILE (JSON)")->type_name("FILE");
  run->add_option("--record-schedule", a.record_schedule, "write who ran, choice by choice")
      ->type_name("FILE");
  run->add_option("--chooser", a.chooser, "who runs next")
      ->check(CLI::IsMember({"timed", "sequential", "random", "replay"}));
  run->add_option("--seed", a.seed, "seed of the random chooser")->check(unsigned_number);
  run->add_option("--profile", a.profile, "kernel profile, instead of the scenario's");
  run->add_option("--set", a.set, "KEY=VALUE: a knob, or /pointer into the scenario")
      ->type_name("KEY=VALUE")
      ->take_all();
  run->add_option("--level", a.level, "what the trace holds")
      ->check(CLI::IsMember({"kernel", "locks", "calls", "all"}));
  run->add_option("--events", a.events, "events that the trace holds: GLOB[,GLOB...]");
  run->add_option("--max-events", a.max_events, "end the run after so many steps")
      ->check(unsigned_number);
  run->add_option("--max-time", a.max_time, "end the run at this simulated time, e.g. 5ms");
  run->add_flag("--selfcheck", a.selfcheck, "play twice and compare the digests");
  run->add_flag("--check-invariants", a.check_invariants,
                "look for what may not be in the kernel's state, after every event");
  run->add_flag("--json", a.json, "print the report instead of the summary");
  run->add_option("--color", a.color, "colours in the summary")
      ->check(CLI::IsMember({"auto", "always", "never"}));
}

void add_replay(CLI::App& app, RunArguments& a) {
  CLI::App* const replay = app.add_subcommand("replay", "play exactly the choices of a schedule");
  replay->add_option("scenario", a.scenario, "scenario file")->required();
  replay->add_option("--schedule", a.schedule, "what run --record-schedule wrote")
      ->required()
      ->type_name("FILE");
  replay->add_option("--trace", a.trace, "write the trace to FILE")->type_name("FILE");
  replay->add_option("--report", a.report, "write the report to FILE (JSON)")->type_name("FILE");
  replay->add_option("--profile", a.profile, "kernel profile, instead of the scenario's");
  replay->add_option("--set", a.set, "KEY=VALUE: a knob, or /pointer into the scenario")
      ->take_all();
  replay->add_flag("--check-invariants", a.check_invariants,
                   "look for what may not be in the kernel's state, after every event");
  replay->add_flag("--json", a.json, "print the report instead of the summary");
}

void add_crash(CLI::App& app, RunArguments& a) {
  CLI::App* const crash = app.add_subcommand(
      "crash", "play a scenario and look at what a power cut after each step would leave");
  crash->add_option("scenario", a.scenario, "scenario file, or - for standard input")->required();
  crash->add_option("--report", a.report, "write the report to FILE (JSON)")->type_name("FILE");
  crash->add_option("--chooser", a.chooser, "who runs next")
      ->check(CLI::IsMember({"timed", "sequential", "random"}));
  crash->add_option("--seed", a.seed, "seed of the random chooser")->check(unsigned_number);
  crash->add_option("--profile", a.profile, "kernel profile, instead of the scenario's");
  crash->add_option("--set", a.set, "KEY=VALUE: a knob, or /pointer into the scenario")
      ->type_name("KEY=VALUE")
      ->take_all();
  crash->add_flag("--json", a.json, "print the report instead of the table");
}

void add_check(CLI::App& app, CheckArguments& a) {
  CLI::App* const check =
      app.add_subcommand("check", "play every scenario below PATH, compare golden traces");
  check->add_option("path", a.paths, "scenario files or folders")->required();
  check->add_flag("--update", a.update, "write the golden traces anew");
  check->add_flag("--require-golden", a.require_golden, "a missing golden trace is a failure");
  check->add_flag("--check-invariants", a.check_invariants,
                  "look for what may not be in the kernel's state, after every event");
  check->add_option("--junit", a.junit, "write the result as JUnit XML")->type_name("FILE");
  check->add_flag("--coverage", a.coverage,
                  "say which profiles, verbs, knobs and events no scenario has used");
  check->add_option("-j,--jobs", a.jobs, "scenarios played at once")->check(CLI::Range(1, 256));
}

void add_diff(CLI::App& app, DiffArguments& a) {
  CLI::App* const diff = app.add_subcommand("diff", "compare two traces");
  diff->add_option("a", a.a, "trace")->required();
  diff->add_option("b", a.b, "trace, also a real kernel's")->required();
  diff->add_option("--ignore", a.ignore, "columns and fields that may differ: time,cpu,...");
  diff->add_option("--view", a.view, "compare what a kernel engineer would")
      ->check(CLI::IsMember({"events", "locks"}));
  diff->add_option("--allow", a.allow, "with --view: names whose lines are dropped");
}

void add_stats(CLI::App& app, StatsArguments& a) {
  CLI::App* const stats =
      app.add_subcommand("stats", "locks, waits and faults of traces, also a real kernel's");
  stats->add_option("trace", a.traces, "traces, or folders of them")->required();
  stats->add_flag("--json", a.json, "print one JSON document with everything");
  stats->add_option("--top", a.top, "rows of the long tables")->check(unsigned_number);
}

void add_view(CLI::App& app, ViewArguments& a) {
  CLI::App* const view = app.add_subcommand("view", "make a page that shows a trace, or two");
  view->add_option("trace", a.traces, "trace, also a real kernel's; a second one is put beside it")
      ->required()
      ->expected(1, 2);
  view->add_option("-o,--output", a.output, "the page, an HTML file")
      ->required()
      ->type_name("FILE");
}

void add_locks(CLI::App& app, LocksArguments& a) {
  CLI::App* const locks =
      app.add_subcommand("locks", "lock order of traces and scenarios, also a real kernel's");
  locks->add_option("path", a.paths, "traces, scenarios, or folders of them")->required();
  locks->add_option("--chooser", a.chooser, "who runs next in scenarios")
      ->check(CLI::IsMember({"timed", "sequential", "random", "replay"}));
  CLI::Option* const json = locks->add_flag("--json", a.json, "print one JSON document");
  locks->add_flag("--dot", a.dot, "print the graph for Graphviz")->excludes(json);
  locks->add_flag("--as-lockdep", a.as_lockdep, "count nothing for a try that succeeds");
  locks->add_option("--baseline", a.baseline, "report dependencies that FILE does not have")
      ->type_name("FILE");
  locks->add_flag("--update", a.update, "write the baseline anew");
}

int dispatch(int argc, char** argv) {
  CLI::App app{"Faultline: a deterministic simulator of the Linux page-fault path", "faultline"};
  app.require_subcommand(1);
  app.set_version_flag("--version", version_text);
  RunArguments run;
  CheckArguments check;
  DiffArguments diff;
  RunArguments crash;
  ViewArguments view;
  ListArguments list;
  LocksArguments locks;
  add_run(app, run);
  add_crash(app, crash);
  add_check(app, check);
  add_diff(app, diff);
  add_locks(app, locks);
  StatsArguments stats;
  add_stats(app, stats);
  RunArguments replay;
  add_replay(app, replay);
  add_view(app, view);
  CLI::App* const list_app = app.add_subcommand("list", "what there is, one line each");
  list_app->add_option("what", list.what)
      ->required()
      ->check(CLI::IsMember({"profiles", "presets", "verbs", "events", "knobs"}));
  CLI::App* const schema = app.add_subcommand("schema", "print the JSON Schema of scenarios");
  if (argc > 1 && argv[1][0] != '-') {
    std::vector<std::string> known;
    for (const CLI::App* s : app.get_subcommands({})) known.push_back(s->get_name());
    if (std::find(known.begin(), known.end(), argv[1]) == known.end()) {
      std::fprintf(stderr, "faultline: there is no command '%s'%s\n", argv[1],
                   did_you_mean(argv[1], known).c_str());
      return 2;
    }
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {
    std::ostringstream text;
    app.exit(e, text);
    return write_stdout(text.str()) ? 0 : 2;
  } catch (const CLI::ParseError& e) {
    app.exit(e);
    return 2;
  }
  if (app.got_subcommand("run")) return run_command(run);
  if (app.got_subcommand("crash")) return crash_command(crash);
  if (app.got_subcommand("check")) return check_command(check);
  if (app.got_subcommand("locks")) return locks_command(locks);
  if (app.got_subcommand("diff")) return diff_command(diff);
  if (app.got_subcommand("replay")) return run_command(replay);
  if (app.got_subcommand("stats")) return stats_command(stats);
  if (app.got_subcommand("view")) return view_command(view);
  if (app.got_subcommand(list_app)) return list_command(list);
  if (app.got_subcommand(schema)) return schema_command();
  return 2;
}

// What to type to see the defect again.
std::string command_line(int argc, char** argv) {
  std::string text;
  for (int i = 0; i < argc; ++i) {
    if (i != 0) text += ' ';
    const std::string word = argv[i];
    const bool plain = word.find_first_of(" \t\"'$*?<>|&;()") == std::string::npos;
    text += plain && !word.empty() ? word : "'" + word + "'";
  }
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  std::string what;
  try {
    return dispatch(argc, argv);
  } catch (const faultline::InternalError& e) {
    what = e.what;
  } catch (const std::bad_alloc&) {
    what = "out of memory";
  } catch (const std::exception& e) {
    what = e.what();
  }
  std::fprintf(stderr, "faultline: a defect of Faultline itself: %s\nreproduce with: %s\n",
               what.c_str(), command_line(argc, argv).c_str());
  return 3;
}
