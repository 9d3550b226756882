// What a good scenario reads as: units, defaults, references, order.
#include "base/flags.hpp"
#include "unit/scenario/load_helper.hpp"

using namespace faultline;
using namespace faultline::test;

TEST_CASE("defaults") {
  const Scenario s = good(R"({"format": 1, "tasks": {"t": {"steps": []}}})");
  CHECK(s.name == "s");
  CHECK(s.kernel.profile == "linux-6.12");
  CHECK(s.machine.cpus == 1);
  CHECK(s.machine.tick == Nanos(4'000'000));
  CHECK(s.schedule.chooser == ChooserKind::timed);
  CHECK(s.schedule.seed == 1);
  REQUIRE(s.tasks.size() == 1);
  CHECK(s.tasks[0].cpus.empty());
  REQUIRE(s.processes.size() == 1);
  CHECK(s.processes[0].name == "t");
}

TEST_CASE("declarations keep their order and units are converted") {
  const Scenario s = good(R"({"format": 1, "name": "n", "machine": {"cpus": 2, "tick": "1.5ms"},
"devices": {"z": {"pmem": {"size": "64MiB"}}, "a": {"pmem": {"size": 16777216}}},
"filesystems": {"fz": {"xfs": {"device": "a", "reflink": true, "agcount": 1}}},
"files": {"q": {"fs": "fz", "size": "0x2000", "mode": "0600", "mtime": "stale", "atime": "2us",
                "flags": ["immutable"],
                "extents": [{"at": "8KiB", "length": 4096, "state": "unwritten"},
                            {"at": 0, "length": "4KiB", "phys": "2MiB"}]},
          "p": {"fs": "fz", "extents": {"pattern": {"every": 8192, "length": 4096, "count": 9}}}},
"locks": {"L": {"type": "percpu_rwsem"}, "K": {"type": "spinlock", "class": "c", "subclass": 2}},
"schedule": {"chooser": "random", "seed": 18446744073709551615},
"tasks": {"w": {"cpus": [1, 0, 1], "process": "p", "caps": ["LINUX_IMMUTABLE", "CAP_CHOWN"],
                "limits": {"RLIMIT_MEMLOCK": "64KiB", "AS": "unlimited"}, "start": "3us",
                "signals": {"SIGBUS": "skip"}, "steps": []},
          "v": {"cpu": 1, "steps": []}, "u": {"process": "p", "steps": []}}})");
  CHECK(s.devices[0].name == "z");
  CHECK(std::get<PmemSpec>(s.devices[1].what).size == 16777216);
  const auto& xfs = std::get<XfsSpec>(s.filesystems[0].what);
  CHECK(xfs.device == DeviceRef(1));
  CHECK(xfs.reflink);
  CHECK(xfs.dax == DaxMode::always);
  const FileSpec& file = s.files[0];
  CHECK(file.name == "q");
  CHECK(file.device == DeviceRef(1));
  CHECK(file.size == 8192);
  CHECK(file.mode == 0600);
  CHECK(file.flags == file_immutable);
  CHECK(file.mtime.kind == FileTime::Kind::stale);
  CHECK(file.atime.kind == FileTime::Kind::at);
  CHECK(file.atime.ns == 2000);
  REQUIRE(file.extents.size() == 2);
  CHECK(file.extents[0].phys == 2U << 20);
  CHECK(file.extents[0].state == ExtentState::written);
  CHECK(file.extents[1].at == 8192);
  CHECK(file.extents[1].state == ExtentState::unwritten);
  CHECK_FALSE(file.extents[1].phys);
  CHECK(file.extents[1].shared_with == no_file);
  CHECK(s.files[1].pattern->count == 9);
  CHECK(s.locks[0].kind == LockKind::percpu_rwsem);
  CHECK(s.locks[0].lock_class == "L");
  CHECK(s.locks[1].lock_class == "c");
  CHECK(s.locks[1].subclass == 2);
  CHECK(s.schedule.seed == ~0ULL);
  CHECK(s.machine.tick == Nanos(1'500'000));
  const TaskSpec& task = s.tasks[0];
  CHECK(task.cpus == std::vector<std::uint32_t>{0, 1});
  CHECK(task.caps == (1ULL << 9 | 1));
  CHECK(task.start == Nanos(3000));
  CHECK(task.limits[0].resource == 8);
  CHECK(task.limits[0].value == 65536);
  CHECK(task.limits[1].value == rlim_infinity);
  CHECK(task.signals[0].signal == 7);
  CHECK(task.signals[0].skip);
  CHECK(s.processes.size() == 2);
  CHECK(s.tasks[2].process == task.process);
  CHECK(s.processes[0].tasks == std::vector<TaskId>{TaskId(0), TaskId(2)});
}

TEST_CASE("arguments of system calls reach the model unjudged") {
  const Scenario s = good(with_steps(
      R"({"mmap": {"addr": -1, "length": 18446744073709551615, "prot": [1, "EXEC", "0x80000000"],
                   "flags": -9223372036854775808, "fd": -7, "offset": "-4KiB"}},
         {"mmap": {"length": 0}}, {"close": {"fd": 123456789012}})"));
  const auto& map = std::get<MmapArgs>(s.tasks[0].steps[0].args);
  CHECK(map.addr.is_number());
  CHECK(map.addr.offset == ~0ULL);
  CHECK(map.length == ~0ULL);
  CHECK(map.prot == 0x80000005);
  CHECK(map.flags == 1ULL << 63);
  CHECK(map.fd.number == -7);
  CHECK(map.offset == 0ULL - 4096);
  const auto& plain = std::get<MmapArgs>(s.tasks[0].steps[1].args);
  CHECK(plain.fd.is_number());
  CHECK(plain.fd.number == -1);
  CHECK(std::get<FdArgs>(s.tasks[0].steps[2].args).fd.number == 123456789012);
}

TEST_CASE("references, also with names that hold a minus") {
  const Scenario s = good(with_steps(
      R"({"id": "a", "mmap": {"length": 1}}, {"id": "a-4KiB", "mmap": {"length": 1}},
         {"load": {"at": "a-4KiB"}}, {"load": {"at": "a-8KiB"}}, {"load": {"at": "a-4KiB+0x10"}},
         {"load": {"at": "t.a+1"}}, {"load": {"at": "0x7000"}}, {"load": {"at": "4KiB"}})"));
  const auto at = [&](std::size_t step) {
    return std::get<AccessArgs>(s.tasks[0].steps[step].args).at;
  };
  CHECK(at(2).step == StepRef{TaskId(0), 1});
  CHECK(at(2).offset == 0);
  CHECK(at(3).step == StepRef{TaskId(0), 0});
  CHECK(at(3).offset == 0ULL - 8192);
  CHECK(at(4).step == StepRef{TaskId(0), 1});
  CHECK(at(4).offset == 0x10);
  CHECK(at(5).step == StepRef{TaskId(0), 0});
  CHECK(at(6).is_number());
  CHECK(at(6).offset == 0x7000);
  CHECK(at(7).offset == 4096);
}

TEST_CASE("a name alone is the task's own, then its process's") {
  const Scenario s = good(R"({"format": 1, "tasks": {
"a": {"process": "p", "steps": [{"id": "m", "mmap": {"length": 1}},
                                {"id": "n", "mmap": {"length": 1}}]},
"b": {"process": "p", "steps": [{"id": "n", "mmap": {"length": 1}}, {"load": {"at": "m"}},
                                {"load": {"at": "n"}}]}}})");
  CHECK(std::get<AccessArgs>(s.tasks[1].steps[1].args).at.step == StepRef{TaskId(0), 0});
  CHECK(std::get<AccessArgs>(s.tasks[1].steps[2].args).at.step == StepRef{TaskId(1), 0});
}

TEST_CASE("repeats are flattened, bodies follow") {
  const Scenario s = good(with_steps(
      R"({"repeat": {"times": 3, "steps": [
            {"id": "x", "fence": {}},
            {"repeat": {"times": 2, "steps": [{"sleep": {"for": "2.5us"}}, {"fence": {}}]}},
            {"exit": {}}]}},
         {"compute": {"for": 7}, "after": ["t.x"]})"));
  const auto& steps = s.tasks[0].steps;
  REQUIRE(steps.size() == 7);
  CHECK(std::get<RepeatArgs>(steps[0].args).times == 3);
  CHECK(std::get<RepeatArgs>(steps[0].args).body == 5);
  CHECK(std::get<RepeatArgs>(steps[2].args).body == 2);
  CHECK(std::get<DurationArgs>(steps[3].args).duration == Nanos(2500));
  CHECK(steps[6].verb == Verb::compute);
  REQUIRE(steps[6].after_count == 1);
  CHECK(s.after[steps[6].after_begin] == StepRef{TaskId(0), 1});
  CHECK(step_name(s, TaskId(0), 1) == "x");
  CHECK(step_name(s, TaskId(0), 3) == "3");
}

TEST_CASE("expectations of steps") {
  const Scenario s = good(with_steps(
      R"({"id": "m", "mmap": {"length": 4096}, "expect": {"errno": 0}},
         {"load": {"at": "m", "value": 5}},
         {"store": {"at": "m", "length": 1, "count": 4, "stride": 64, "value": "0xff"},
          "expect": {"errno": "ETXTBSY", "code": "SEGV_ACCERR",
                     "fault": ["MAJOR", "VM_FAULT_NOPAGE"],
                     "faults": 2, "leaf": "2MiB", "value": "m+8"}, "xfail": "why"},
         {"fence": {}, "expect": {"signal": null}})"));
  const auto& steps = s.tasks[0].steps;
  const auto expectation = [&](std::size_t n) { return s.step_expectations[steps[n].expect - 1]; };
  CHECK(expectation(0).err == 0);
  CHECK(expectation(1).value->offset == 5);
  const StepExpectation e = expectation(2);
  CHECK(e.err == 26);
  CHECK(e.signal == 11);
  CHECK(e.code == 2);
  CHECK(e.fault == 0x104U);
  CHECK(e.faults == 2U);
  CHECK(e.leaf == LeafSize::pmd);
  CHECK(e.value->step == StepRef{TaskId(0), 0});
  CHECK(s.strings[steps[2].xfail] == "why");
  CHECK(expectation(3).signal == 0);
  const auto& access = std::get<AccessArgs>(steps[2].args);
  CHECK(access.count == 4);
  CHECK(access.stride == 64);
  CHECK(access.value == 0xff);
  CHECK(std::get<AccessArgs>(steps[1].args).stride == 8);
  CHECK(steps[2].line == 6);
}

TEST_CASE("expectations of the run") {
  const Scenario s = good(
      R"({"format": 1, "tasks": {"t": {"steps": [{"id": "m", "mmap": {"length": 4096}}]},
"u": {"steps": []}}, "expect": [{"outcome": "kernel-bug"}, {"lock_cycles": "none"},
{"count": {"event": "e", "where": {"a": 3, "b": "x"}, "task": "u", "at_least": 2}},
{"pte": {"at": "t.m+8", "is": "rw", "leaf": "4KiB"}}, {"deadlock": {"tasks": ["u", "t"]}}]})");
  CHECK(std::get<ExpectOutcome>(s.expect[0].what).is == RunOutcome::kernel_bug);
  CHECK(s.expect[0].text == "{\"outcome\": \"kernel-bug\"}");
  CHECK(s.expect[0].line == 2);
  CHECK(std::get<ExpectLockCycles>(s.expect[1].what).count == 0);
  const auto& count = std::get<ExpectCount>(s.expect[2].what);
  CHECK(count.match.task == TaskId(1));
  CHECK(count.match.where[0] == std::pair<std::string, std::string>{"a", "3"});
  CHECK(count.match.where[1].second == "x");
  CHECK(count.at_least == 2U);
  CHECK_FALSE(count.is);
  const auto& pte = std::get<ExpectPte>(s.expect[3].what);
  CHECK(pte.at.offset == 8);
  CHECK(pte.process == s.tasks[0].process);
  CHECK(pte.leaf == LeafSize::page);
  CHECK(std::get<ExpectDeadlock>(s.expect[4].what).tasks ==
        std::vector<TaskId>{TaskId(1), TaskId(0)});
}

TEST_CASE("overrides") {
  static constexpr std::string_view words[] = {"a", "b"};
  const KnobSpec knobs[] = {{"k.size", KnobType::size}, {"k.word", KnobType::word, words}};
  const Vocabulary vocabulary{knobs, {}, {}};
  const std::string text = with_steps(R"({"sleep": {"for": 1}}, {"fence": {}})");
  const Scenario s = good(text,
                          {{"/schedule/seed", "7"},
                           {"/machine/cpus", "3"},
                           {"/tasks/t/steps/0/sleep/for", "2us"},
                           {"/tasks/t/steps/1", "{\"compute\": {\"for\": 9}}"},
                           {"/tasks/t/steps/-", "{\"exit\": {}}"},
                           {"k.size", "4KiB"},
                           {"k.word", "b"}},
                          vocabulary);
  CHECK(s.schedule.seed == 7);
  CHECK(s.machine.cpus == 3);
  REQUIRE(s.tasks[0].steps.size() == 3);
  CHECK(std::get<DurationArgs>(s.tasks[0].steps[0].args).duration == Nanos(2000));
  CHECK(s.tasks[0].steps[1].verb == Verb::compute);
  CHECK(s.tasks[0].steps[2].verb == Verb::exit);
  REQUIRE(s.kernel.set.size() == 2);
  CHECK(s.kernel.set[0].number == 4096);
  CHECK(s.kernel.set[1].word == "b");
}

TEST_CASE("what is replaced keeps its neighbours") {
  const std::string text = with_steps(R"({"fence": {}}, {"fence": {}}, {"exit": {}})");
  const char* sleep = R"({"sleep": {"for": 1}})";
  for (const std::size_t index : {0U, 1U, 2U}) {
    const Scenario s = good(text, {{"/tasks/t/steps/" + std::to_string(index), sleep}});
    REQUIRE(s.tasks[0].steps.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
      const Verb before = i == 2 ? Verb::exit : Verb::fence;
      CHECK(s.tasks[0].steps[i].verb == (i == index ? Verb::sleep : before));
    }
  }
}

TEST_CASE("modes are octal strings or plain numbers") {
  const auto mode = [](const std::string& written) {
    return good(with_steps(""), {{"/files/f/mode", written}}).files[0].mode;
  };
  CHECK(mode("\"644\"") == 0644);
  CHECK(mode("\"01777\"") == 01777);
  CHECK(mode("420") == 0644);
  CHECK(complaints(with_steps(""), {{"/files/f/mode", "\"0o644\""}}).size() == 1);
}

TEST_CASE("overrides that are wrong") {
  const std::string text = with_steps(R"({"fence": {}})");
  CHECK(complaints(text, {{"/tasks/t/cpu", "x"}}) ==
        Lines{"--set /tasks/t/cpu=x:1:1: /tasks/t/cpu: must be a CPU number, not a string"});
  CHECK(complaints(text, {{"/taks/t/cpu", "0"}}) ==
        Lines{"--set /taks/t/cpu=0:1:1: /taks: unknown key \"taks\"; did you mean tasks?"});
  CHECK(complaints(text, {{"/tasks/t/steps/5", "0"}}) ==
        Lines{"--set /tasks/t/steps/5=0:1:1: /tasks/t/steps has no element \"5\""});
  CHECK(complaints(text, {{"/format/x", "0"}}) ==
        Lines{"--set /format/x=0:1:1: /format is an integer, nothing can be set in it"});
  CHECK(complaints(text, {{"knob", "0"}}) ==
        Lines{"--set knob=0:1:1: /kernel/set/knob: unknown knob \"knob\""});
  CHECK(complaints(text, {{"/name", "\xff"}}) ==
        Lines{"s.json:1:1: --set: the value is not valid UTF-8"});
}
