// The JSON report against the format's description: keys, their order, and every kind of value.
#include <nlohmann/json.hpp>

#include "result_helper.hpp"
#include "scenario/report.hpp"

using namespace faultline;
using namespace faultline::test;

namespace {

std::string report(Fabricated& run) {
  const Judgement judgement = run.judgement();
  return report_json({run.scenario, run.result, judgement, "abc123", 7});
}

nlohmann::ordered_json parsed(Fabricated& run) {
  return nlohmann::ordered_json::parse(report(run));
}

std::vector<std::string> keys(const nlohmann::ordered_json& json) {
  std::vector<std::string> all;
  for (const auto& entry : json.items()) all.push_back(entry.key());
  return all;
}

}  // namespace

TEST_CASE("a report is the documented JSON, byte for byte") {
  Fabricated run(std::string(two_tasks) + R"(, "expect": [{"outcome": "completed"}]})");
  run.result.time = Nanos(12345);
  run.result.events = 42;
  run.result.steps[0][0].start = Nanos(10);
  run.result.steps[0][0].end = Nanos(30);
  run.result.steps[1][0] = {};
  run.result.outcome = Outcome::deadlock;
  run.result.findings.push_back(two_locks_deadlock());
  run.result.findings[0].locks.resize(1);
  const std::string rest = R"("start_ns":0,"end_ns":0,"fault_count":0,"faults":[]})";
  const std::string plain = R"("errno":0,"value":"0x0","signal":null,"si_code":null,)";
  CHECK(report(run) == R"({
"format": 1,
"scenario": "two",
"profile": "linux-6.12",
"seed": 7,
"outcome": "deadlock",
"time_ns": 12345,
"events": 42,
"digest": "abc123",
"steps": [
  {"task":"left","id":"go","verb":"fence","state":"done",)" +
                           plain +
                           R"("start_ns":10,"end_ns":30,"fault_count":0,"faults":[]},
  {"task":"right","id":"go","verb":"fence","state":"not_reached",)" +
                           plain + rest +
                           R"(
],
"expectations": [
  {"text":"{\"outcome\": \"completed\"}","held":false}
],
"findings": [
  {"kind":"deadlock","text":"left and right wait for each other","locks":[{"class":"A",)"
                           R"("subclass":0,"instance":"0300000000000001","mode":"exclusive",)"
                           R"("task":"left","role":"held","path":["sys_write","take_a"]}]}
]
}
)");
}

TEST_CASE("keys stand in the order of the description") {
  Fabricated run(sealed_scenario);
  const auto json = parsed(run);
  CHECK(keys(json) == Lines{"format", "scenario", "profile", "seed", "outcome", "time_ns", "events",
                            "digest", "steps", "expectations", "findings"});
  CHECK(keys(json["steps"][0]) == Lines{"task", "id", "verb", "state", "errno", "value", "signal",
                                        "si_code", "start_ns", "end_ns", "fault_count", "faults"});
  CHECK(json["findings"].is_array());
}

TEST_CASE("every declared step is there, by task and index, with its result") {
  Fabricated run(sealed_scenario);
  run.result.steps[0] = {done(3), done(0x7f0000000000), faulted(1, VM_FAULT_NOPAGE, 9),
                         killed(7, 2)};
  run.result.steps[0][3].fault_count = 100;
  for (int i = 0; i < 70; ++i) {
    run.result.steps[0][3].faults.push_back({Vaddr(0x1000), VM_FAULT_SIGBUS, ~0u, Nanos(5)});
  }
  run.result.steps[1] = {failed(524), failed(26)};
  run.result.steps[1][0].state = StepState::blocked;
  const auto steps = parsed(run)["steps"];
  std::vector<std::string> names;
  for (const auto& each : steps) {
    names.push_back(each["task"].get<std::string>() + "." + each["id"].get<std::string>());
  }
  CHECK(names == Lines{"writer.fd", "writer.map", "writer.st1", "writer.st2", "puncher.fd",
                       "puncher.punch"});
  CHECK(steps[0]["value"] == "0x3");
  CHECK(steps[1]["value"] == "0x7f0000000000");
  CHECK(steps[2]["faults"].dump() ==
        R"([{"address":"0x7f0000001000","result":["NOPAGE"],"leaf":"2MiB","ns":1500}])");
  CHECK(steps[3]["signal"] == "SIGBUS");
  CHECK(steps[3]["si_code"] == "BUS_ADRERR");
  CHECK(steps[3]["fault_count"] == 100);
  CHECK(steps[3]["faults"].size() == 64);
  CHECK(steps[3]["faults"][0]["leaf"] == "none");
  CHECK(steps[4]["state"] == "blocked");
  CHECK(steps[4]["errno"] == 524);  // no name of the system-call interface
  CHECK(steps[5]["errno"] == "ETXTBSY");
  CHECK(steps[5]["value"] == "0x0");
}

TEST_CASE("expectations stand with their text and whether they held") {
  Fabricated run(sealed_scenario);
  run.result.steps[0][3] = killed(7, 2);
  const auto all = parsed(run)["expectations"];
  CHECK(all.dump() == R"([{"text":"writer.st2: signal SIGBUS","held":true},)"
                      R"({"text":"puncher.punch: errno ETXTBSY","held":false},)"
                      R"({"text":"{\"outcome\": \"completed\"}","held":true},)"
                      R"({"text":"{\"lock_cycles\": \"none\"}","held":true}])");
}

TEST_CASE("what is no UTF-8 does not break the document") {
  Fabricated run(sealed_scenario);
  run.result.findings.push_back({"kernel-warn", "odd \xff byte", {}});
  CHECK(parsed(run)["findings"][0]["text"] == "odd \xef\xbf\xbd byte");
}
