// The account as one JSON document.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "analysis/stats.hpp"

namespace faultline {

namespace {

using Json = nlohmann::ordered_json;

Json durations_json(const Durations& durations) {
  const DurationSummary s = durations.summary();
  return {{"count", s.count}, {"total_ns", s.total}, {"min_ns", s.min}, {"avg_ns", s.average},
          {"p50_ns", s.p50},  {"p90_ns", s.p90},     {"p99_ns", s.p99}, {"max_ns", s.max}};
}

Json usage_json(const LockUsage& u) {
  return {{"acquisitions", u.acquisitions}, {"trylocks", u.trylocks},
          {"annotations", u.annotations},   {"contended", u.contended},
          {"abandoned", u.abandoned},       {"abandoned_ns", u.abandoned_ns},
          {"unfinished", u.unfinished},     {"unfinished_ns", u.unfinished_ns},
          {"acq_bounces", u.acq_bounces},   {"con_bounces", u.con_bounces},
          {"wait", durations_json(u.wait)}, {"hold", durations_json(u.hold)}};
}

void add_sides(Json& json, const LockUsage (&side)[2]) {
  json["write"] = usage_json(side[0]);
  json["read"] = usage_json(side[1]);
}

const char* reason_word(WaitReason reason) {
  switch (reason) {
    case WaitReason::held:
      return "held";
    case WaitReason::queued:
      return "queued-writer";
    case WaitReason::handover:
      return "handover";
    case WaitReason::unknown:
      return "unknown";
  }
  return "";
}

Json class_json(const Stats& stats, const LockClassUsage& cls) {
  Json json;
  json["class"] = cls.name;
  add_sides(json, cls.side);
  json["sites"] = Json::array();
  for (const auto& [word, site] : cls.sites) {
    json["sites"].push_back({{"site", std::string(stats.locks.words().view(word))},
                             {"acquisitions", site.acquisitions},
                             {"contended", site.contended},
                             {"wait_ns", site.wait_ns},
                             {"blocking", site.blocking},
                             {"blocked_ns", site.blocked_ns}});
  }
  return json;
}

Json chain_json(const Stats& stats, const WaitChain& chain, const WaitShare& share) {
  const auto word = [&](WordId id) { return std::string(stats.locks.words().view(id)); };
  Json json;
  json["links"] = Json::array();
  for (const WaitLink& link : chain.links) {
    json["links"].push_back({{"waiter", word(link.who)},
                             {"class", stats.locks.classes()[link.cls].name},
                             {"mode", link.side == LockSide::read ? "read" : "write"},
                             {"reason", reason_word(link.reason)}});
  }
  json["root"] = chain.root == 0 ? Json(nullptr) : Json(word(chain.root));
  json["closed"] = chain.closed;
  json["waits"] = share.waits;
  json["total_ns"] = share.total_ns;
  json["max_ns"] = share.max_ns;
  return json;
}

Json trace_json(const StatsTrace& t) {
  return {{"file", t.file},
          {"scenario", t.scenario},
          {"profile", t.profile},
          {"records", t.records},
          {"first_ns", t.first_ns},
          {"last_ns", t.last_ns},
          {"complete", t.complete},
          {"inferred", t.inferred},
          {"lost", t.lost},
          {"overwritten", t.overwritten},
          {"unknown_events", t.unknown_events},
          {"unparsed", t.unparsed},
          {"malformed", t.malformed}};
}

}  // namespace

std::string stats_json(const Stats& stats) {
  Json json;
  json["format"] = 1;
  json["traces"] = Json::array();
  for (const StatsTrace& t : stats.traces) json["traces"].push_back(trace_json(t));
  json["classes"] = Json::array();
  for (const LockClassUsage& c : stats.locks.classes()) {
    json["classes"].push_back(class_json(stats, c));
  }
  json["instances"] = Json::array();
  for (const LockInstanceUsage& i : stats.locks.instances()) {
    Json one;
    one["class"] = stats.locks.classes()[i.cls].name;
    one["trace"] = i.trace;
    one["instance"] = fmt::format("{:016x}", i.id);
    add_sides(one, i.side);
    json["instances"].push_back(std::move(one));
  }
  json["waits"] = Json::array();
  for (const auto& [chain, share] : stats.locks.chains()) {
    json["waits"].push_back(chain_json(stats, chain, share));
  }
  json["unmatched_releases"] = stats.locks.unmatched_releases();
  json["still_held"] = stats.locks.still_held();
  json["faults"] = Json::array();
  for (const auto& [kind, times] : stats.faults.kinds()) {
    Json one = durations_json(times.time);
    one["kind"] = kind;
    one["lower_bounds"] = times.bounded;
    one["powers_of_two"] = times.time.powers_of_two();
    json["faults"].push_back(std::move(one));
  }
  json["fault_parts"] = Json::array();
  for (std::size_t i = 0; i < fault_part_count; ++i) {
    Json one = durations_json(stats.parts.of(FaultPart(i)));
    one["part"] = std::string(fault_part_names[i]);
    json["fault_parts"].push_back(std::move(one));
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace faultline
