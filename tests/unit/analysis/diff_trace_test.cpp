// Diffs of whole traces: a mutated copy of a real trace must be reported, whatever the mutation,
// and a difference in one place must stay one place.
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "analysis/trace_diff.hpp"
#include "catch.hpp"

using namespace faultline;

namespace {

const std::string data = FAULTLINE_SOURCE_DIR "/tests/conformance/";
using Lines = std::vector<std::string>;

Lines read_lines(const std::string& path) {
  std::ifstream file(path);
  Lines lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  REQUIRE_FALSE(lines.empty());
  return lines;
}

/// Files that vanish with the test.
class Files {
 public:
  Files() {
    std::string name = (std::filesystem::temp_directory_path() / "diff.XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    folder_ = name;
  }
  ~Files() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  std::string write(const std::string& name, const Lines& lines) {
    const auto path = (folder_ / name).string();
    std::ofstream file(path);
    for (const auto& line : lines) file << line << '\n';
    return path;
  }

 private:
  std::filesystem::path folder_;
};

DiffResult diff(Files& files, const Lines& a, const Lines& b, DiffOptions options = {}) {
  return diff_traces(files.write("a", a), files.write("b", b), options);
}

DiffOptions viewed(ViewKind kind) {
  DiffOptions options;
  options.view = kind;
  return options;
}

std::size_t find_line(const Lines& lines, const std::string& part) {
  const auto found = std::find_if(lines.begin(), lines.end(),
                                  [&](auto& line) { return line.find(part) != line.npos; });
  REQUIRE(found != lines.end());
  return static_cast<std::size_t>(found - lines.begin());
}

void replace(std::string& text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  REQUIRE(at != text.npos);
  text.replace(at, from.size(), to);
}

/// A native trace: `steps` steps of three records each, 10 ns apart.
Lines native(int steps) {
  Lines lines{"# tracer: nop",
              "# faultline: format=1 scenario=s profile=linux-6.12 seed=1 level=all"};
  const auto add = [&](const std::string& text) {
    char time[32];
    std::snprintf(time, sizeof time, "0.%09zu", 10 * lines.size());
    lines.push_back("            main-100     [000] .....     " + std::string(time) + ": " + text);
  };
  for (int s = 0; s < steps; ++s) {
    const auto id = "main.s" + std::to_string(s);
    add("sim_step: " + id + " load");
    add("page_fault_user: address=0x" + std::to_string(1000 + s) + " ip=0x0 error_code=0x4");
    add("sim_step_done: " + id + " 0 0x0");
  }
  lines.push_back("# faultline: end outcome=completed records=" + std::to_string(3 * steps));
  return lines;
}

/// Makes the end line count the records there are.
Lines counted(Lines lines) {
  std::string& end = lines.back();
  const auto records = std::count_if(lines.begin(), lines.end(),
                                     [](auto& line) { return line.find(" [") != line.npos; });
  end = end.substr(0, end.rfind('=') + 1) + std::to_string(records);
  return lines;
}

/// The same trace with every record from `first` on `by` ns later.
void delay(Lines& lines, std::size_t first, int by) {
  for (auto i = first; i < lines.size(); ++i) {
    const auto at = lines[i].find("0.0");
    if (lines[i][0] == '#' || at == std::string::npos) continue;
    char time[32];
    std::snprintf(time, sizeof time, "0.%09d", std::stoi(lines[i].substr(at + 2, 9)) + by);
    lines[i].replace(at, 11, time);
  }
}

}  // namespace

TEST_CASE("a mutated real trace is reported in its view") {
  Files files;
  struct Mutation {
    std::string trace;
    ViewKind kind;
    std::string line;  // which line is mutated
    std::string from;
    std::string to;
  };
  const std::vector<Mutation> mutations{
      {"cases/dax-write-hole/dax-write-hole.events.txt", ViewKind::events,
       "dax_pte_fault:", "pgoff 0x3", "pgoff 0x4"},
      {"cases/dax-write-hole/dax-write-hole.locks.txt", ViewKind::locks, "ACQ dax_srcu", " read",
       " write/excl"},
      {"cases/dax-munmap/dax-munmap.events.txt", ViewKind::events, "tlb_flush: pages:-1",
       "pages:-1", "pages:16"},
      {"cases/dax-fault-beyond-eof/dax-fault-beyond-eof.events.txt", ViewKind::events,
       "signal_generate", "sig=7", "sig=11"},
      {"raw/dax-write-hole.locks.ftrace.txt", ViewKind::locks, "lock_acquire: 000000003f3b90ff",
       "dax_srcu", "sb_writers"},
  };
  for (const auto& mutation : mutations) {
    const auto original = read_lines(data + mutation.trace);
    const auto at = find_line(original, mutation.line);
    const auto options = viewed(mutation.kind);
    INFO(mutation.trace << ": " << mutation.line);
    const auto unchanged = diff(files, original, original, options);
    CHECK(unchanged.same);
    CHECK(unchanged.equal > 10);

    auto changed = original;
    replace(changed[at], mutation.from, mutation.to);
    const auto field = diff(files, original, changed, options);
    CHECK_FALSE(field.same);
    CHECK(field.places == 1);
    CHECK((field.only_a == 1 && field.only_b == 1));

    auto dropped = original;
    dropped.erase(dropped.begin() + static_cast<std::ptrdiff_t>(at));
    const auto less = diff(files, original, dropped, options);
    CHECK_FALSE(less.same);
    CHECK((less.only_a == 1 && less.only_b == 0));
    CHECK(less.hunks.at(0).lines.size() <= 7);
    const auto more = diff(files, dropped, original, options);
    CHECK((more.only_a == 0 && more.only_b == 1));
  }
}

TEST_CASE("two swapped lines of a real trace are reported") {
  Files files;
  const auto swapped_in = [&](const std::string& trace, ViewKind kind, const std::string& first,
                              const std::string& second) {
    const auto original = read_lines(data + trace);
    auto swapped = original;
    std::swap(swapped[find_line(original, first)], swapped[find_line(original, second)]);
    const auto result = diff(files, original, swapped, viewed(kind));
    INFO(diff_text(result, "original", "swapped"));
    CHECK_FALSE(result.same);
    CHECK((result.only_a > 0 && result.only_a == result.only_b && result.only_a <= 2));
  };
  swapped_in("cases/dax-write-hole/dax-write-hole.locks.txt", ViewKind::locks,
             "REL xfs_buf(cntbt_buf)", "REL xfs_buf(bnobt_buf)");
  swapped_in("cases/dax-read-hole/dax-read-hole.events.txt", ViewKind::events,
             "flags ILOCK_SHARED caller xfs_ilock_for_iomap", "xfs_iomap_found");
}

TEST_CASE("a step that is missing or moved is reported") {
  Files files;
  const auto original = read_lines(data + "cases/dax-write-hole/dax-write-hole.events.txt");
  auto merged = original;
  merged.erase(merged.begin() + static_cast<std::ptrdiff_t>(find_line(original, "## STEP 3")));
  const auto result = diff(files, original, merged, viewed(ViewKind::events));
  CHECK_FALSE(result.same);
  REQUIRE(result.facts.size() == 1);
  CHECK(result.facts[0] == "task 1: 3 steps in A, 2 in B");
}

TEST_CASE("records: one more is one difference, later times are one sum") {
  Files files;
  const auto a = native(1000);
  CHECK(diff(files, a, a).same);
  CHECK(diff(files, a, a).equal == 3000);
  auto b = a;
  b.insert(b.begin() + 1000,
           "            main-100     [000] .....     0.000009995: "
           "tlb_flush: pages:1 reason:local mm shootdown (3)");
  delay(b, 1001, 500);
  const auto result = diff(files, a, counted(b));
  CHECK_FALSE(result.same);
  CHECK(result.places == 1);
  CHECK((result.only_a == 0 && result.only_b == 1));
  CHECK(result.equal == 3000);
  REQUIRE(result.columns.count("time") == 1);
  CHECK(result.columns.at("time").count == 3000 - (1000 - 2));
  CHECK(result.columns.at("time").line_a == 1001);
  CHECK(result.columns.at("time").line_b == 1002);
  REQUIRE(result.hunks.size() == 1);
  CHECK(result.hunks[0].step == "main.s332 load");
  const auto text = diff_text(result, "a", "b");
  CHECK(text.find("+            1001  main-100     [000]") != text.npos);
}

TEST_CASE("records: columns and fields are ignored on request") {
  Files files;
  const auto a = native(3);
  auto b = a;
  delay(b, 0, 500);
  replace(b[3], "[000]", "[001]");
  DiffOptions options;
  auto result = diff(files, a, b, options);
  CHECK_FALSE(result.same);
  CHECK(result.places == 0);
  CHECK(result.columns.at("time").count == 9);
  CHECK(result.columns.at("cpu").count == 1);
  options.ignore = {"time"};
  CHECK_FALSE(diff(files, a, b, options).same);
  options.ignore = {"time", "cpu"};
  CHECK(diff(files, a, b, options).same);

  replace(b[3], "address=0x1000", "address=0x2000");
  CHECK_FALSE(diff(files, a, b, options).same);
  options.ignore = {"time", "cpu", "address", "colour"};
  result = diff(files, a, b, options);
  CHECK(result.same);
  CHECK(result.notes == Lines{"ignored, but in neither trace: colour"});
}

TEST_CASE("records: steps and tasks are aligned by name") {
  Files files;
  const auto a = native(100);
  auto b = a;
  const auto from = find_line(a, "sim_step: main.s40 ");
  b.erase(b.begin() + static_cast<std::ptrdiff_t>(from),
          b.begin() + static_cast<std::ptrdiff_t>(from + 3));
  auto result = diff(files, a, counted(b));
  CHECK((result.only_a == 3 && result.only_b == 0));
  CHECK(result.places == 1);

  b = a;
  b.insert(b.begin() + 50, "          helper-101     [001] .....     0.000000495: sim_wait: x");
  result = diff(files, a, counted(b));
  CHECK(result.facts == Lines{"task helper is only in B"});
  CHECK(result.only_b == 1);
}

TEST_CASE("records: another outcome, a missing end and another order are differences") {
  Files files;
  const auto a = native(3);
  auto b = a;
  replace(b.back(), "completed", "deadlock");
  auto result = diff(files, a, b);
  CHECK_FALSE(result.same);
  CHECK(result.facts == Lines{"outcome: completed in A, deadlock in B"});

  b = a;
  b.pop_back();
  result = diff(files, a, b);
  CHECK_FALSE(result.same);
  CHECK(result.notes == Lines{"B is incomplete: its end line is missing"});

  b = a;
  const std::string one = "  one-1  [000] .....  0.000000005: sim_wait: x";
  const std::string two = "  two-2  [001] .....  0.000000005: sim_wait: x";
  auto c = a;
  b.insert(b.begin() + 2, {one, two});
  c.insert(c.begin() + 2, {two, one});
  b = counted(b);
  c = counted(c);
  result = diff(files, b, c);
  CHECK_FALSE(result.same);
  CHECK(result.facts == Lines{"every task does the same, but tasks take turns in another order"});
  DiffOptions options;
  options.ignore = {"time"};
  CHECK(diff(files, b, c, options).same);
}

TEST_CASE("a broken trace of ours is refused, an incomplete one is not") {
  Files files;
  const auto good = native(3);
  const auto complaint = [&](const Lines& broken, DiffOptions options = {}) {
    // Also of the same file twice, which is not compared record by record.
    const auto twice = diff(files, broken, broken, options);
    const auto result = diff(files, good, broken, options);
    CHECK_FALSE(result.same);
    REQUIRE(result.errors.size() == 1);
    CHECK_FALSE(twice.same);
    CHECK(twice.errors.size() >= 1);
    const auto text = to_string(result.errors[0]);
    return text.substr(text.rfind("/b:") + 2);
  };
  for (const auto& options : {DiffOptions{}, viewed(ViewKind::events), viewed(ViewKind::locks)}) {
    auto broken = good;
    replace(broken[1], "format=1", "format=9");
    CHECK(complaint(broken, options) == ":2:1: format 9 is not known (1 is)");
    broken = good;
    broken[3] = "garbage";
    // The line, and then the count.
    CHECK(diff(files, good, broken, options).errors.size() == 2);
    CHECK(complaint(counted(broken), options).find(":4:1: not a trace line") == 0);
    broken = good;
    replace(broken.back(), "records=9", "records=3");
    CHECK(complaint(broken, options) == ":12:1: the end line counts 3 records, but there are 9");
    broken = good;
    broken.pop_back();
    const auto incomplete = diff(files, good, broken, options);
    CHECK(incomplete.errors.empty());
    CHECK(incomplete.notes.front() == "B is incomplete: its end line is missing");
  }
}

TEST_CASE("half a line of ours is not compared") {
  Files files;
  const auto a = files.write("a", native(3));
  const auto b = files.write("b", native(3));
  // Into the middle of the number in the last record.
  const auto end = native(3).back().size() + 1;
  std::filesystem::resize_file(b, std::filesystem::file_size(b) - end - 2);
  const auto result = diff_traces(a, b, {});
  CHECK(result.errors.empty());
  CHECK(result.equal == 8);
  CHECK((result.only_a == 1 && result.only_b == 0));
}

TEST_CASE("bad input is an error and not a difference") {
  Files files;
  const auto good = files.write("good", native(1));
  const auto prose = files.write("prose", {"hello"});
  const auto reference = data + "cases/anon-read/anon-read.events.txt";
  CHECK(diff_traces(good, good + ".none", {}).errors.size() == 1);
  CHECK(diff_traces(good, "/", {}).errors.size() == 1);
  CHECK(diff_traces(prose, prose, {}).errors.size() == 1);
  const auto result = diff_traces(good, reference, {});
  CHECK_FALSE(result.same);
  REQUIRE(result.errors.size() == 1);
  CHECK(result.errors[0].what.find("--view") != std::string::npos);
  CHECK(diff_traces(good, prose, viewed(ViewKind::locks)).errors.size() == 1);
}
