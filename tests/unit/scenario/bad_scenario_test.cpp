// Documents that are JSON but no scenario: the message and the position of each complaint.
#include <unistd.h>
#include <cstdio>
#include <fstream>

#include "unit/scenario/load_helper.hpp"

using namespace faultline;
using namespace faultline::test;

namespace {

std::string with_files(const std::string& files) {
  return R"({"format": 1, "devices": {"p": {"pmem": {"size": "64MiB"}}},
"filesystems": {"x": {"xfs": {"device": "p"}}},
"files": )" +
         files + R"(, "tasks": {"t": {"steps": []}}})";
}

std::string with_extents(const std::string& extents) {
  return with_files("{\"f\": {\"fs\": \"x\", \"size\": \"1MiB\", \"extents\":\n" + extents + "}}");
}

}  // namespace

TEST_CASE("unknown keys and words, with what was meant") {
  CHECK(complaints(R"({"format": 1, "nmae": "x", "tasks": {"t": {"stesp": []}}})") ==
        Lines{"s.json:1:15: /nmae: unknown key \"nmae\"; did you mean name?",
              "s.json:1:43: /tasks/t: the key \"steps\" is missing",
              "s.json:1:44: /tasks/t/stesp: unknown key \"stesp\"; did you mean steps?"});
  CHECK(complaints(with_steps(R"({"mmpa": {"length": 1}})")) ==
        Lines{"s.json:4:28: /tasks/t/steps/0/mmpa: unknown key \"mmpa\"; did you mean mmap?"});
  CHECK(complaints(with_steps(R"({"id": "a"})")) ==
        Lines{"s.json:4:27: /tasks/t/steps/0: a step needs a verb"});
  CHECK(complaints(with_steps(R"({"fence": {}, "exit": {}})")) ==
        Lines{"s.json:4:41: /tasks/t/steps/0/exit: a step cannot be both \"fence\" and \"exit\""});
  CHECK(complaints(with_steps(R"({"open": {"file": "g", "flags": ["O_RDWRR", "O_RDWR", 8]}})")) ==
        Lines{"s.json:4:45: /tasks/t/steps/0/open/file: unknown file \"g\"",
              "s.json:4:60: /tasks/t/steps/0/open/flags/0: \"O_RDWRR\" is not a flag or an "
              "integer; did you mean O_RDWR?"});
  CHECK(
      complaints(with_steps(R"({"fence": {}, "expect": {"errno": "ETXTBUSY", "leaf": "4K"}})")) ==
      Lines{
          "s.json:4:61: /tasks/t/steps/0/expect/errno: \"ETXTBUSY\" is not an error "
          "name or 0; did you mean ETXTBSY?",
          "s.json:4:81: /tasks/t/steps/0/expect/leaf: \"4K\" is not a leaf size (4KiB, 2MiB, 1GiB, "
          "none)"});
}

TEST_CASE("wrong types and numbers out of range") {
  CHECK(complaints(R"({"format": 2, "machine": {"cpus": 0, "tick": "4 ms"}, "doc": "x",
"tasks": []})") ==
        Lines{"s.json:1:12: /format: must be 1, not 2",
              "s.json:1:35: /machine/cpus: must be 1..4096, not 0",
              "s.json:1:46: /machine/tick: \"4 ms\" is not a duration: write ns or \"2.5us\"",
              "s.json:1:62: /doc: must be a list of strings, not a string",
              "s.json:2:10: /tasks: must be an object of tasks by name, not a list"});
  CHECK(complaints(R"({"format": 1, "machine": {"cpus": 1.5}, "tasks": {}})") ==
        Lines{"s.json:1:35: /machine/cpus: must be 1..4096, not a number with a fraction or an "
              "exponent",
              "s.json:1:50: /tasks: must not be empty"});
  CHECK(complaints(with_steps(R"({"sleep": {"for": "1.5ns"}}, {"sleep": {"for": -1}},
{"load": {"at": 18446744073709551616}}, {"compute": {"for": "1000000001s"}})")) ==
        Lines{"s.json:4:45: /tasks/t/steps/0/sleep/for: \"1.5ns\" is not a whole number of "
              "nanoseconds",
              "s.json:4:74: /tasks/t/steps/1/sleep/for: must be a duration (ns or \"2.5us\"), not "
              "-1",
              "s.json:5:17: /tasks/t/steps/2/load/at: must be an address (STEP, STEP+4KiB, "
              "TASK.STEP or \"0x...\"), not an integer beyond 64 bits",
              "s.json:5:61: /tasks/t/steps/3/compute/for: is longer than 31 years"});
}

TEST_CASE("absurd sizes of devices and files") {
  CHECK(complaints(R"({"format": 1, "devices": {
"a": {"pmem": {"size": 9223372036854775808}}, "b": {"pmem": {"size": 0}},
"c": {"pmem": {"size": 4097}}, "d": {"pmem": {"size": "65TiB"}}, "e": {"pmem": {"size": "64TiB"}}},
"tasks": {"t": {"steps": []}}})") ==
        Lines{"s.json:2:24: /devices/a/pmem/size: 8EiB is too large: a device has at most 64TiB",
              "s.json:2:70: /devices/b/pmem/size: a device has at least 4096 bytes",
              "s.json:3:24: /devices/c/pmem/size: the size of a device is a multiple of 4096 bytes",
              "s.json:3:55: /devices/d/pmem/size: 65TiB is too large: a device has at most 64TiB"});
  CHECK(complaints(with_files(R"({"f": {"fs": "x", "size": 9223372036854775808},
"g": {"fs": "x", "size": 9223372036854775807}})")) ==
        Lines{"s.json:3:36: /files/f/size: 8EiB is too large: a file has at most 2^63 - 1 bytes"});
}

TEST_CASE("extents overlap, lie beyond the device, or are no blocks") {
  CHECK(complaints(with_extents(R"([{"at": 0, "length": "8KiB"},
 {"at": "4KiB", "length": "4KiB"}, {"at": "12KiB", "length": 0},
 {"at": 20481, "length": 4096}])")) ==
        Lines{"s.json:5:2: /files/f/extents/1: the extent overlaps that at line 4",
              "s.json:5:62: /files/f/extents/2/length: an extent has at least 4096 bytes",
              "s.json:6:9: /files/f/extents/3/at: the start of an extent is a multiple of 4096 "
              "bytes"});
  CHECK(complaints(with_extents(R"([{"at": 0, "length": "4KiB", "phys": "64MiB"},
 {"at": "4KiB", "length": "8KiB", "phys": "65532KiB"},
 {"at": "16KiB", "length": "4KiB", "phys": "65532KiB"}])")) ==
        Lines{"s.json:4:38: /files/f/extents/0/phys: the extent lies beyond its device, which has "
              "64MiB",
              "s.json:5:43: /files/f/extents/1/phys: the extent lies beyond its device, which has "
              "64MiB"});
  CHECK(complaints(with_extents(R"([{"at": 0, "length": "8KiB", "phys": "2MiB"},
 {"at": "1MiB", "length": "4KiB", "phys": "2052KiB"}])")) ==
        Lines{"s.json:5:2: /files/f/extents/1: the extent overlaps, on the device, that at line "
              "4"});
  CHECK(complaints(with_extents(R"([{"at": 9223372036854771712, "length": 8192}])")) ==
        Lines{"s.json:4:2: /files/f/extents/0: the extent ends beyond the largest file"});
  CHECK(complaints(with_extents(R"([{"at": 0, "length": "65MiB"}])")) ==
        Lines{"s.json:4:1: /files/f/extents: the extents of the files need more than the device "
              "has, 64MiB"});
  CHECK(complaints(with_extents(R"({"pattern": {"every": 4096, "length": 8192, "count": 2}})")) ==
        Lines{"s.json:4:39: /files/f/extents/pattern/length: the extents overlap: 8KiB long, one "
              "every 4KiB"});
  CHECK(complaints(with_extents(
            R"({"pattern": {"every": 8192, "length": 4096, "count": 100000000000000000}})")) ==
        Lines{"s.json:4:13: /files/f/extents/pattern: the pattern ends beyond the largest file"});
}

TEST_CASE("file systems and devices that do not go together") {
  CHECK(complaints(R"({"format": 1, "devices": {"p": {"pmem": {"size": "8MiB"}},
"q": {"pmem": {"size": "16MiB"}}}, "filesystems": {"a": {"xfs": {"device": "p"}},
"b": {"xfs": {"device": "q"}}, "c": {"xfs": {"device": "q"}}, "d": {"xfs": {"device": "r"}}},
"files": {"f": {"size": 1}, "g": {"fs": "e"}}, "tasks": {"t": {"steps": []}}})") ==
        Lines{"s.json:2:76: /filesystems/a/xfs/device: XFS needs 16MiB here (16MiB for each "
              "allocation group), the device has 8MiB",
              "s.json:3:56: /filesystems/c/xfs/device: \"q\" already holds \"b\"",
              "s.json:3:87: /filesystems/d/xfs/device: unknown device \"r\"",
              "s.json:4:16: /files/f: a file needs \"fs\", the file system it is on",
              "s.json:4:41: /files/g/fs: unknown file system \"e\""});
}

TEST_CASE("tasks: CPUs, names, step ids") {
  CHECK(complaints(R"({"format": 1, "machine": {"cpus": 2}, "tasks": {
"a": {"cpu": 2, "steps": []}, "b": {"cpu": 0, "cpus": [1], "steps": []},
"1c": {"steps": [{"id": "x", "fence": {}}, {"id": "x", "fence": {}}]}}})") ==
        Lines{"s.json:2:14: /tasks/a/cpu: there is no CPU 2: the machine has 2 (0..1)",
              "s.json:2:55: /tasks/b/cpus: a task has \"cpu\" or \"cpus\", not both",
              "s.json:3:1: /tasks/1c: \"1c\" is not a name of letters, digits, _ and - (not first "
              "a digit)",
              "s.json:3:51: /tasks/1c/steps/1/id: the step id \"x\" is taken at line 3"});
}

TEST_CASE("references that lead nowhere") {
  CHECK(complaints(with_steps(R"({"id": "fd", "open": {"file": "f"}},
{"id": "map", "mmap": {"fd": "fdd", "length": 4096}},
{"load": {"at": "fd+4KiB"}}, {"close": {"fd": "map"}}, {"load": {"at": "later"}},
{"id": "later", "mmap": {"length": 1}}, {"load": {"at": "u.map"}}, {"load": {"at": "t.mpa"}},
{"id": "own", "mmap": {"addr": "own", "length": 1}}, {"load": {"at": "map+4KB"}},
{"lock": {"name": "A"}}, {"close": {"fd": "u.fd2"}})",
                              R"(, "u": {"steps": [{"id": "fd2", "open": {"file": "f"}}]})")) ==
        Lines{"s.json:5:30: /tasks/t/steps/1/mmap/fd: unknown step \"fdd\"; did you mean fd?",
              "s.json:6:17: /tasks/t/steps/2/load/at: the step \"fd\" does not give an address: it "
              "is open, not mmap",
              "s.json:6:47: /tasks/t/steps/3/close/fd: the step \"map\" does not give a file "
              "descriptor: it is mmap, not open",
              "s.json:6:72: /tasks/t/steps/4/load/at: \"later\" refers to a step that comes later "
              "in this task",
              "s.json:7:57: /tasks/t/steps/6/load/at: the task \"u\" has no step \"map\"",
              "s.json:7:84: /tasks/t/steps/7/load/at: the task \"t\" has no step \"mpa\"; did you "
              "mean map?",
              "s.json:8:32: /tasks/t/steps/8/mmap/addr: \"own\" refers to its own step in this "
              "task",
              "s.json:8:70: /tasks/t/steps/9/load/at: \"map+4KB\" is not an address (STEP, "
              "STEP+4KiB, TASK.STEP or \"0x...\")",
              "s.json:9:19: /tasks/t/steps/10/lock/name: unknown lock \"A\"",
              "s.json:9:43: /tasks/t/steps/11/close/fd: \"u.fd2\" belongs to another process"});
}

TEST_CASE("a name that several tasks of the process have") {
  const std::string text = R"({"format": 1, "tasks": {
"a": {"process": "p", "steps": [{"id": "m", "mmap": {"length": 4096}}]},
"b": {"process": "p", "steps": [{"id": "m", "mmap": {"length": 4096}}]},
"c": {"process": "p", "steps": [{"load": {"at": "m"}}]}}})";
  CHECK(complaints(text) ==
        Lines{"s.json:4:49: /tasks/c/steps/0/load/at: several tasks have a step \"m\": write "
              "TASK.m"});
}

TEST_CASE("cyclic after") {
  CHECK(complaints(R"({"format": 1, "tasks": {
"a": {"steps": [{"id": "x", "fence": {}, "after": ["b.y"]}, {"id": "z", "fence": {}}]},
"b": {"steps": [{"id": "w", "fence": {}, "after": ["a.z"]}, {"id": "y", "fence": {}}]}}})") ==
        Lines{"s.json:2:51: /tasks/a/steps/0/after: cyclic \"after\": a.x waits for b.y, b.w waits "
              "for a.z"});
  CHECK(complaints(R"({"format": 1, "tasks": {
"a": {"steps": [{"id": "x", "fence": {}, "after": ["a.x"]}]}}})") ==
        Lines{"s.json:2:51: /tasks/a/steps/0/after: cyclic \"after\": a.x waits for a.x"});
  CHECK(complaints(R"({"format": 1, "tasks": {
"a": {"steps": [{"id": "x", "fence": {}}, {"fence": {}, "after": ["b.y"]}]},
"b": {"steps": [{"id": "y", "fence": {}, "after": ["a.x"]}, {"fence": {}, "after": ["a.x"]}]}}})")
            .empty());
}

TEST_CASE("expectations") {
  CHECK(complaints(R"({"format": 1, "tasks": {"t": {"steps": [
{"fence": {}, "expect": {"signal": "SIGSEGV", "code": "BUS_ADRERR"}}]}}, "expect": [
{"outcom": "completed"}, {"outcome": "complete"}, {"count": {"event": "x"}}, {"lock_cycles": "no"},
{"deadlock": {"tasks": ["u"]}}, {"extents": {"file": "f", "is": []}}, {"finding": {"kind": "x"}},
{"order": []}, {}]})") ==
        Lines{"s.json:2:55: /tasks/t/steps/0/expect/code: BUS_ADRERR is a code of SIGBUS",
              "s.json:3:2: /expect/0/outcom: unknown key \"outcom\"; did you mean outcome?",
              "s.json:3:38: /expect/1/outcome: \"complete\" is not an outcome; did you mean "
              "completed?",
              "s.json:3:61: /expect/2/count: needs \"is\", \"at_least\" or \"at_most\"",
              "s.json:3:94: /expect/3/lock_cycles: \"no\" is not \"none\" or a number (none)",
              "s.json:4:25: /expect/4/deadlock/tasks/0: unknown task \"u\"",
              "s.json:4:54: /expect/5/extents/file: unknown file \"f\"",
              "s.json:4:92: /expect/6/finding/kind: \"x\" is not a kind of finding",
              "s.json:5:11: /expect/7/order: must not be empty",
              "s.json:5:16: /expect/8: an expectation needs one of outcome, count, order, never, "
              "lock_cycles, deadlock, finding, extents, pte, content"});
}

TEST_CASE("words of other layers are checked when they are given") {
  static constexpr std::string_view events[] = {"mm_fault", "dax_pte_fault"};
  static constexpr std::string_view words[] = {"live", "off"};
  const KnobSpec knobs[] = {{"a.flag", KnobType::boolean},
                            {"a.word", KnobType::word, words},
                            {"a.size", KnobType::size, {}, 0, 4096}};
  const Vocabulary vocabulary{knobs, events, {}};
  const std::string text = R"({"format": 1, "kernel": {"set": {"a.flga": true, "a.flag": 1,
"a.word": "dead", "a.size": "8KiB"}}, "tasks": {"t": {"steps": []}},
"expect": [{"never": {"event": "dax_pte_fautl"}}]})";
  CHECK(complaints(text, {}, vocabulary) ==
        Lines{"s.json:1:34: /kernel/set/a.flga: unknown knob \"a.flga\"; did you mean a.flag?",
              "s.json:1:60: /kernel/set/a.flag: the knob \"a.flag\" takes true or false, not 1",
              "s.json:2:11: /kernel/set/a.word: the knob \"a.word\" takes one of: live, off, not "
              "\"dead\"",
              "s.json:2:29: /kernel/set/a.size: the knob \"a.size\" takes a size, not \"8KiB\"",
              "s.json:3:32: /expect/0/never/event: unknown event \"dax_pte_fautl\"; did you mean "
              "dax_pte_fault?"});
}

TEST_CASE("stripes and reservations that cannot be are refused") {
  CHECK(complaints(R"({"format": 1, "kernel": {"profile": "linux-6.12"},
"devices": {"z": {"pmem": {"size": "64MiB"}}},
"filesystems": {"y": {"xfs": {"device": "z", "sunit": 8, "swidth": 16}}},
"tasks": {"t": {"steps": []}}})") ==
        Lines{"s.json:3:55: /filesystems/y/xfs/sunit: a stripe unit is a multiple of 4096 bytes"});
  CHECK(complaints(R"({"format": 1, "kernel": {"profile": "linux-6.12"},
"devices": {"z": {"pmem": {"size": "64MiB"}}},
"filesystems": {"y": {"xfs": {"device": "z", "sunit": "8KiB", "swidth": "12KiB"}},
"w": {"tmpfs": {}}},
"files": {"f": {"fs": "y", "size": 8192,
"extents": [{"at": 0, "length": 4096, "state": "delalloc"}]},
"g": {"fs": "w", "size": 8192,
"extents": [{"at": 0, "length": 4096, "state": "delalloc"}]}},
"tasks": {"t": {"steps": []}}})") ==
        Lines{"s.json:3:73: /filesystems/y/xfs/swidth: a stripe width is a multiple of the stripe "
              "unit, 8KiB",
              "s.json:6:48: /files/f/extents/0/state: a DAX file has no delayed allocation: its "
              "blocks are allocated when it is written; \"dax\": \"never\" or a block device gives "
              "it a page cache",
              "s.json:8:48: /files/g/extents/0/state: only a file on XFS has delalloc extents"});
  CHECK(complaints(R"({"format": 1, "kernel": {"profile": "linux-6.12"},
"devices": {"z": {"block": {"size": "64MiB"}}},
"filesystems": {"y": {"xfs": {"device": "z"}}},
"files": {"f": {"fs": "y", "size": 8192,
"extents": [{"at": 0, "length": 4096, "state": "delalloc"}],
"cached": [{"at": 0, "length": 8192}]}},
"tasks": {"t": {"steps": []}}})") ==
        Lines{"s.json:6:12: /files/f/cached/0: the pages of a delalloc extent are dirty; they need "
              "not be declared"});
}

TEST_CASE("a hundred complaints are shown and the rest is counted") {
  std::string steps;
  for (int i = 0; i < 250; ++i) steps += std::string(i == 0 ? "" : ",\n") + "{\"fnece\": {}}";
  const auto all = complaints(with_steps(steps));
  REQUIRE(all.size() == 101);
  CHECK(all[0] ==
        "s.json:4:28: /tasks/t/steps/0/fnece: unknown key \"fnece\"; did you mean fence?");
  CHECK(all[99].substr(0, 14) == "s.json:103:2: ");
  CHECK(all[100] == "s.json: and 150 more errors, not shown");
  // Found last, but standing first: it is shown first and pushes another one out.
  const auto more =
      complaints(with_steps(steps), {{"/devices/q", "{\"pmem\": {\"size\": \"1MiB\"}}"}});
  CHECK(more == all);
  std::string text = with_steps(steps);
  text.replace(text.find("64MiB"), 5, "65TiB");
  const auto pushed = complaints(text);
  REQUIRE(pushed.size() == 101);
  CHECK(pushed[0] ==
        "s.json:1:50: /devices/p/pmem/size: 65TiB is too large: a device has at most "
        "64TiB");
  CHECK(pushed[99].substr(0, 14) == "s.json:102:2: ");
  CHECK(pushed[100] == "s.json: and 151 more errors, not shown");
}

TEST_CASE("files that cannot be read") {
  const auto text_of = [](const std::string& path) {
    auto result = read_input(path);
    auto* wrong = std::get_if<Diagnostic>(&result);
    return wrong != nullptr ? to_string(*wrong) : "read " + std::get<std::string>(result);
  };
  CHECK(text_of("/nonexistent/x.json") == "/nonexistent/x.json: no such file");
  CHECK(text_of("/tmp") == "/tmp: is a directory, not a scenario");
  const std::string path = "/tmp/faultline-read-" + std::to_string(getpid()) + ".json";
  std::ofstream(path) << "abc";
  CHECK(text_of(path) == "read abc");
  CHECK(text_of(path + "/x").find(": cannot be opened: ") != std::string::npos);
  std::remove(path.c_str());
}

TEST_CASE("repeats are multiplied out, and an empty body counts as a step") {
  const auto repeat = [](const std::string& times, const std::string& body) {
    return R"({"repeat": {"times": )" + times + R"(, "steps": [)" + body + "]}}";
  };
  const Lines empty = complaints(with_steps("\n" + repeat("1099511627776", "")));
  CHECK(empty == Lines{"s.json:5:22: /tasks/t/steps/0/repeat/times: 1099511627776 times 1 step; "
                       "the limit is 10 million steps"});
  CHECK(complaints(with_steps("\n" + repeat("10000001", repeat("0", "")))) ==
        Lines{"s.json:5:22: /tasks/t/steps/0/repeat/times: 10000001 times 1 step; the limit is 10 "
              "million steps"});
  CHECK(complaints(with_steps("\n" + repeat("9223372036854775807", R"({"fence": {}})"))).size() ==
        1);
  const Lines nested = complaints(
      with_steps("\n" + repeat("10", repeat("1100000", R"({"fence": {}},)" + repeat("2", "")))));
  CHECK(nested == Lines{"s.json:5:22: /tasks/t/steps/0/repeat/times: 10 times 3300000 steps; the "
                        "limit is 10 million steps"});
  CHECK(complaints(with_steps(repeat("6000000", "") + ",\n" + repeat("6000000", ""))).size() == 1);
  CHECK(complaints(with_steps(repeat("10000000", ""))).empty());
}

TEST_CASE("blocks can be shared only with a file that has them there") {
  const auto files = [](const std::string& theirs, const std::string& rest) {
    return R"({"format": 1, "devices": {"p": {"pmem": {"size": "64MiB"}}},
"filesystems": {"x": {"xfs": {"device": "p", "reflink": )" +
           rest + R"(}}},
"files": {"o": {"fs": "x", "size": "64KiB", "extents": [)" +
           theirs + R"(]},
"c": {"fs": "x", "size": "64KiB", "extents": [{"at": 0, "length": "64KiB", "state": "written",
"shared_with": {"file": "o", "at": 0}}]}}, "tasks": {"t": {"steps": []}}})";
  };
  const std::string whole = R"({"at": 0, "length": "64KiB", "state": "written", "phys": "8MiB"})";
  const std::string half = R"({"at": 0, "length": "32KiB", "state": "written"})";
  const Lines refused{
      "s.json:5:16: /files/c/extents/0/shared_with: \"o\" must have blocks for all of the range, "
      "on "
      "the same file system, which must be made with reflink"};
  CHECK(complaints(files(whole, "true")).empty());
  CHECK(complaints(files(whole, "false")) == refused);
  CHECK(complaints(files(half, "true")) == refused);
}

TEST_CASE("fields that no record has, in one go with everything else and at their place") {
  const std::string_view events[] = {"sim_step", "xfs_ilock"};
  Vocabulary vocabulary;
  vocabulary.events = events;
  CHECK(complaints(R"({"format": 1, "machine": {"zcpu": 3}, "tasks": {"t": {"steps": []}},
"expect": [{"never": {"event": "xfs_ilock", "where": {"flag": "ILOCK_EXCL",
  "flags": "ILOK_EXCL"}}}]})",
                   {}, vocabulary) ==
        Lines{"s.json:1:27: /machine/zcpu: unknown key \"zcpu\" (known here: cpus, preset, tick, "
              "page_table_levels)",
              "s.json:2:63: /expect/0/never/where/flag: xfs_ilock has no field \"flag\"; did you "
              "mean flags?",
              "s.json:3:12: /expect/0/never/where/flags: \"ILOK_EXCL\" is no word of this field; "
              "did you mean ILOCK_EXCL?"});
}

TEST_CASE("a size that does not fit has no follow-up errors") {
  CHECK(complaints(R"({"format": 1, "devices": {"p": {"pmem": {"size": "16EiB"}}},
"filesystems": {"x": {"xfs": {"device": "p"}}}, "files": {"f": {"fs": "x", "size": "64KiB",
"extents": [{"at": 0, "length": "4KiB", "state": "written", "phys": "8MiB"}]}},
"tasks": {"t": {"steps": []}}})") ==
        Lines{"s.json:1:50: /devices/p/pmem/size: \"16EiB\" does not fit in 64 bits"});
}
