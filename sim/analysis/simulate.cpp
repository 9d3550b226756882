// Attaches the sinks that a run needs, plays it, and judges it.
#include "analysis/simulate.hpp"

#include <memory>
#include <optional>

#include "analysis/fault_parts.hpp"
#include "analysis/hung_tasks.hpp"
#include "analysis/invariants.hpp"
#include "analysis/lock_order_sink.hpp"
#include "scenario/report_words.hpp"
#include "scenario/world.hpp"
#include "trace/digest.hpp"
#include "trace/text_writer.hpp"

namespace faultline {

namespace {

TextSink make_sink(const SimulateOptions& options) {
  if (options.trace_text) return TextSink::to_memory(options.trace_text);
  if (options.trace_path == "-") return TextSink::to_fd(1);
  return TextSink::to_file(options.trace_path);
}

TraceHeader header_of(const Scenario& scenario, const SimulateOptions& options) {
  TraceHeader header;
  header.scenario = scenario.name;
  header.profile = scenario.kernel.profile;
  header.seed = scenario.schedule.seed;
  header.level = options.level;
  header.events = options.events;
  return header;
}

// Ends the run soon after a signal asked for it, or when the trace cannot be written any more.
struct Watchdog {
  Engine* engine = nullptr;
  const volatile std::sig_atomic_t* interrupted = nullptr;
  const TextWriter* writer = nullptr;

  static void look(void* self) {
    auto& w = *static_cast<Watchdog*>(self);
    if (w.interrupted && *w.interrupted) w.engine->stop(Outcome::interrupted, "interrupted");
    if (w.writer && w.writer->error()) {
      w.engine->stop(Outcome::interrupted, "the trace cannot be written");
    }
  }
};

// From an order watch to the sink that knows records, with the call path of each.
struct OrderFeed {
  LockOrderSink* order = nullptr;
  Engine* engine = nullptr;
  std::vector<SymbolId> calls;

  static void tell(void* self, std::span<const OrderStep> steps) {
    auto& feed = *static_cast<OrderFeed*>(self);
    SymbolTable& symbols = feed.engine->tracer().symbols();
    feed.order->forget(steps.front().record.task);
    for (const auto& [record, where] : steps) {
      feed.calls.clear();
      for (const std::string& function : feed.engine->calls().path(where)) {
        feed.calls.push_back(symbols.intern(function));
      }
      feed.order->set_path(record.task, record.context, feed.calls);
      feed.order->on_record(record);
    }
  }
};

// Whether somebody wants the records of lock events anyway. Locks that a scenario declares may be
// misused, which only records tell all about.
bool lock_records_exist(const Scenario& scenario, const SimulateOptions& options,
                        const EventMask& expected, bool check_invariants) {
  const EventMask locks = EventMask::of_level(Level::locks);
  const EventMask kernel = EventMask::of_level(Level::kernel);
  if (options.trace_text || !options.trace_path.empty() || options.digest || options.watcher.fn ||
      check_invariants) {
    return true;
  }
  return !scenario.locks.empty() || (expected & locks) != (expected & kernel);
}

// A scenario that expects a broken rule wants to have it looked for.
bool wants_invariants(const Scenario& scenario, const SimulateOptions& options) {
  const auto expects = [](const RunExpectation& e) {
    const ExpectFinding* const finding = std::get_if<ExpectFinding>(&e.what);
    return finding && finding->kind == "invariant";
  };
  return options.check_invariants ||
         std::any_of(scenario.expect.begin(), scenario.expect.end(), expects);
}

WorldOptions world_options(const SimulateOptions& options) {
  WorldOptions out;
  out.max_events = options.max_events;
  out.max_time = options.max_time;
  out.choices = options.choices;
  out.cut_after_each_step = options.cut_after_each_step;
  return out;
}

void add(std::vector<Finding> findings, RunResult& result) {
  for (Finding& finding : findings) result.findings.push_back(std::move(finding));
}

}  // namespace

Simulation simulate(const Scenario& scenario, const SimulateOptions& options) {
  Simulation out;
  Tracer tracer;
  std::optional<TextWriter> writer;
  const bool traced = options.trace_text || !options.trace_path.empty();
  ExpectationSink expectations(scenario, tracer.symbols());
  const bool checked = wants_invariants(scenario, options);
  const bool by_records = lock_records_exist(scenario, options, expectations.mask(), checked);
  LockOrderOptions order_options;
  order_options.paths = by_records;
  LockOrderSink order(order_options, &tracer.symbols());
  Digest digest(tracer);
  if (traced) {
    writer.emplace(tracer, header_of(scenario, options), make_sink(options));
    tracer.add_sink(sink_ref(*writer), chosen_events(options.level, options.events));
  }
  if (options.lock_order && by_records) tracer.add_sink(sink_ref(order), order.mask());
  if (!expectations.mask().none()) tracer.add_sink(sink_ref(expectations), expectations.mask());
  if (options.digest) tracer.add_sink(sink_ref(digest), EventMask::all());
  StepFaults faults(tracer.symbols());
  if (options.fault_parts) tracer.add_sink(sink_ref(faults), StepFaults::mask());
  if (options.watcher.fn) tracer.add_sink(options.watcher, EventMask::all());
  HungTasks hung(tracer);
  tracer.add_sink(sink_ref(hung), HungTasks::mask());
  InvariantWatch invariants(tracer);
  if (checked) tracer.add_sink(sink_ref(invariants), EventMask::all());

  World world(scenario, tracer, world_options(options));
  out.errors = world.errors();
  for (Diagnostic& d : check_matches(scenario)) out.errors.push_back(std::move(d));
  if (!out.errors.empty()) return out;
  OrderFeed feed{&order, &world.engine(), {}};
  if (options.lock_order && !by_records) {
    world.kernel().locks.set_order_watch({&feed, &OrderFeed::tell});
  }
  if (checked) invariants.watch(world.kernel());
  Watchdog watchdog{&world.engine(), options.interrupted, writer ? &*writer : nullptr};
  world.engine().set_watch(&watchdog, &Watchdog::look);
  out.result = world.run();
  if (options.fault_parts) faults.put_into(scenario, out.result);
  out.choices = world.engine().choices();
  out.schedule_failed = world.engine().schedule_failed();

  add(hung.findings(), out.result);
  if (checked) add(invariants.findings(), out.result);
  if (options.lock_order) {
    const auto name = [&](TaskId task) { return tracer.tasks().name(task).comm; };
    add(order.findings(tracer.symbols(), name), out.result);
  }
  const JudgeInput input{scenario, out.result, world, expectations, order.cycles()};
  out.judgement = judge(input);
  out.exit_code = exit_code(out.result, out.judgement);
  if (options.digest) out.digest = digest.hex();
  if (writer) {
    // Half of a schedule is not the run that it records.
    const bool whole = out.result.outcome != Outcome::interrupted && !out.schedule_failed;
    out.trace_error = whole ? writer->finish(outcome_text(out.result.outcome)) : writer->abandon();
  }
  return out;
}

}  // namespace faultline
