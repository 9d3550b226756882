// Step ids say what the comparison will look for: `map`, `read3`, `write3`, and snapshots under the
// reference's own names.
#include "run_scenario.hpp"

#include "scenario/support.hpp"

namespace faultline {
namespace {

constexpr std::uint64_t page = 4096;

class Planner {
 public:
  Planner(const Json& devices, const Json& run) : devices_(devices), run_(run) {}
  PlannedRun plan();

 private:
  void step(const std::string& id, const char* verb, Json args) {
    plan_.buildable = plan_.buildable && is_built("verb", verb);
    Json step;
    if (!id.empty()) step["id"] = id;
    step[verb] = std::move(args);
    steps_.push_back(std::move(step));
  }
  std::uint64_t at(std::int64_t pages) const {
    return run_base + static_cast<std::uint64_t>(pages) * page;
  }
  void snapshot(const std::string& id) {
    step(id, "snapshot", {{"addr", at(-64)}, {"length", 512 * page}});
  }
  void map(const std::string& id, const char* fd, std::int64_t where, std::uint64_t pages,
           std::uint64_t offset, Json flags) {
    Json args{{"addr", at(where)}, {"length", pages * page}, {"prot", prot_}, {"flags", flags}};
    if (fd) args["fd"] = fd;
    if (fd) args["offset"] = offset * page;
    step(id, "mmap", args);
  }
  void touch(const char* verb, const char* id, std::uint64_t pages, std::int64_t first = 0) {
    for (std::uint64_t i = 0; i < pages; ++i) {
      step(id + std::to_string(i), verb,
           {{"at", at(first + static_cast<std::int64_t>(i))}, {"length", 1}});
    }
  }
  std::uint64_t touched(const char* key) const {
    return run_.contains(key) ? run_[key].get<std::string>().size() : 0;
  }
  void read_all(std::int64_t first = 0) { touch("load", "read", touched("read"), first); }
  void write_all(std::int64_t first = 0) { touch("store", "write", touched("write"), first); }
  void declare();
  void before();
  void after(const std::string& kind);
  void after_change(const std::string& kind);
  void after_mremap(const std::string& kind);
  void after_fork();
  void child_steps();

  const Json& devices_;
  const Json& run_;
  PlannedRun plan_;
  Json steps_ = Json::array();
  Json child_;  // the steps of a forked process; null without one
  Json prot_ = Json::array();
  std::string type_, device_;
  std::uint64_t pages_ = 0, offset_ = 0;
};

// The device of the run, what it stacks on, and a file for each.
void Planner::declare() {
  const std::string name = run_["case"];
  Json& all = plan_.scenario["devices"];
  Json& files = plan_.scenario["files"];
  const auto add = [&](const std::string& device, const Json& what) {
    all[device]["char"] = what;
    const std::string file = device[0] == '/' ? device : "/dev/mp-" + device;
    files[file] = {{"type", "char"}, {"device", device}};
    return file;
  };
  if (name.starts_with("stack+")) {
    const std::string inner = name.substr(6);
    add(inner, devices_[inner]);
    device_ = add("stack", {{"hook", {{"stacked", inner}}}});
  } else if (name[0] == '/') {
    device_ = add(name, {{"preset", name}});
  } else {
    device_ = add(name, devices_[name]);
  }
  if (run_["scenario"] == "fixed-over-dev" && !all.contains("nothing-ok")) {
    add("nothing-ok", devices_["nothing-ok"]);
  }
}

// What is there before the mapping.
void Planner::before() {
  const std::string kind = run_["scenario"];
  const Json prot = prot_;
  prot_ = {"READ", "WRITE"};
  if (kind == "fixed-over-anon" || kind == "behind-anon") {
    const bool over = kind == "fixed-over-anon";
    const std::uint64_t pages = over ? pages_ + 8 : 4;
    map("", nullptr, -4, pages, 0, {"PRIVATE", "ANONYMOUS", "FIXED"});
    if (over) touch("store", "setup", pages, -4);
  } else if (kind == "fixed-over-dev") {
    step("over", "open", {{"file", "/dev/mp-nothing-ok"}, {"flags", {"O_RDWR"}}});
    map("", "over", -4, pages_ + 8, 0, {"SHARED", "FIXED"});
    touch("store", "setup", pages_ + 8, -4);
  }
  prot_ = prot;
}

void Planner::after_mremap(const std::string& kind) {
  const auto remap = [&](std::uint64_t old_pages, std::uint64_t new_pages, Json flags, bool to) {
    Json args{{"addr", at(0)},
              {"old_length", old_pages * page},
              {"new_length", new_pages * page},
              {"flags", flags}};
    if (to) args["new_addr"] = at(64);
    step("mremap", "mremap", args);
  };
  if (kind == "mremap-move") {
    read_all();
    remap(pages_, pages_, {"MAYMOVE", "FIXED"}, true);
    snapshot("vmas_second");
    write_all(64);
  } else if (kind == "mremap-grow") {
    remap(pages_, pages_ + 4, Json::array(), false);
    snapshot("vmas_second");
    read_all();
  } else if (kind == "mremap-shrink") {
    remap(pages_, 5, Json::array(), false);
    snapshot("vmas_second");
  } else if (kind == "mremap-dup") {
    remap(0, pages_, {"MAYMOVE", "FIXED"}, true);
    snapshot("vmas_second");
    read_all(64);
  } else {
    // The new place is the kernel's choice; the old one stays and is looked at again.
    touch("load", "first", touched("read"));
    remap(pages_, pages_, {"MAYMOVE", "DONTUNMAP"}, false);
    read_all();
  }
}

// The child looks, touches everything, looks again and exits.
void Planner::child_steps() {
  const Json parents = std::move(steps_);
  steps_ = Json::array();
  snapshot("child_vmas");
  const std::uint64_t pages = run_["fork_child"]["read"].get<std::string>().size();
  touch("load", "child_read", pages);
  touch("store", "child_write", pages);
  snapshot("child_vmas_after_touch");
  step("", "exit", {{"code", 0}});
  child_ = std::move(steps_);
  steps_ = parents;
}

// Two pages are there when the process forks. The parent goes on when the child has gone.
void Planner::after_fork() {
  touch("load", "first", 2);
  step("fork", "fork", {{"child", "child"}});
  step("", "wait", {{"task", "child"}});
  child_steps();
  read_all();
  write_all();
}

void Planner::after_change(const std::string& kind) {
  if (kind == "adjacent") {
    const std::uint64_t from = offset_ + pages_;
    const auto where = static_cast<std::int64_t>(pages_);
    const Json flags{type_, "FIXED"};
    map("second", "fd", where, 4, from, flags);
    snapshot("vmas_second");
    map("third", "fd", where + 5, 4, from + 5, flags);
    snapshot("vmas_third_with_gap");
    map("gapfill", "fd", where + 4, 1, from + 4, flags);
    snapshot("vmas_gap_filled");
    read_all();
  } else if (kind == "munmap-mid") {
    read_all();
    step("munmap", "munmap", {{"addr", at(3)}, {"length", 2 * page}});
    snapshot("vmas_second");
    write_all();
  } else if (kind == "mprotect-mid") {
    read_all();
    step("mprotect", "mprotect", {{"addr", at(3)}, {"length", 2 * page}, {"prot", {"READ"}}});
    snapshot("vmas_second");
    write_all();
    step("mprotect_back", "mprotect", {{"addr", at(3)}, {"length", 2 * page}, {"prot", prot_}});
    snapshot("vmas_back");
  } else if (kind == "mprotect-write") {
    step("mprotect", "mprotect",
         {{"addr", at(0)}, {"length", pages_ * page}, {"prot", {"READ", "WRITE"}}});
    snapshot("vmas_second");
    write_all();
  } else if (kind == "dontneed") {
    touch("load", "first", pages_);
    const Json range{{"addr", at(0)}, {"length", pages_ * page}};
    Json advice = range, flags = range;
    advice["advice"] = "DONTNEED";
    flags["flags"] = {"SYNC"};
    step("madvise", "madvise", advice);
    snapshot("vmas_second");
    read_all();
    step("mlock", "mlock", range);
    snapshot("vmas_mlocked");
    step("msync", "msync", flags);
  } else {
    plan_.buildable = false;
  }
}

void Planner::after(const std::string& kind) {
  if (kind.starts_with("mremap")) {
    after_mremap(kind);
  } else if (kind == "fork") {
    after_fork();
  } else if (kind == "adjacent" || kind == "munmap-mid" || kind.starts_with("mprotect") ||
             kind == "dontneed") {
    after_change(kind);
  } else {
    read_all();
    write_all();
    snapshot("vmas_after_touch");
  }
}

PlannedRun Planner::plan() {
  const std::string kind = run_["scenario"];
  pages_ = run_["pages"];
  offset_ = run_.value("offset_pages", 0);
  type_ = run_["type"] == "MAP_SHARED" ? "SHARED" : "PRIVATE";
  const std::string prot = run_["prot"];
  if (prot.find('R') != prot.npos) prot_.push_back("READ");
  if (prot.find('W') != prot.npos) prot_.push_back("WRITE");
  plan_.scenario = {{"format", 1},
                    {"name", "run"},
                    {"kernel", {{"profile", "linux-7.1"}}},
                    {"machine", {{"cpus", 1}}}};
  declare();
  step("fd", "open", {{"file", device_}, {"flags", {kind == "rofd" ? "O_RDONLY" : "O_RDWR"}}});
  Json flags{type_, "FIXED"};
  if (kind == "populate") flags.push_back("POPULATE");
  if (kind == "locked") flags.push_back("LOCKED");
  if (kind == "commit-charge") {
    snapshot("vmas_before");
    const Json once = {{"addr", at(0)},
                       {"length", pages_ * page},
                       {"prot", prot_},
                       {"flags", flags},
                       {"fd", "fd"}};
    const Json gone = {{"addr", at(0)}, {"length", pages_ * page}};
    steps_.push_back(
        {{"repeat",
          {{"times", run_["repeats"]},
           {"steps", Json::array({{{"id", "map"}, {"mmap", once}}, {{"munmap", gone}}})}}}});
    snapshot("end");
  } else {
    before();
    snapshot("vmas_before");
    plan_.map_step = static_cast<std::uint32_t>(steps_.size());
    map("map", "fd", 0, pages_, offset_, flags);
    snapshot("vmas");
    if (run_["errno"] == "0") after(kind);
    step("", "munmap", {{"addr", at(-64)}, {"length", 512 * page}});
    snapshot("end");
  }
  Json task{{"caps", {"CAP_IPC_LOCK", "CAP_SYS_RAWIO"}},
            {"signals", {{"SIGBUS", "skip"}, {"SIGSEGV", "skip"}}}};
  task["steps"] = steps_;
  plan_.scenario["tasks"]["main"] = task;
  if (child_.is_array()) {
    task["parent"] = "main";
    task["steps"] = child_;
    plan_.scenario["tasks"]["child"] = task;
  }
  return std::move(plan_);
}

}  // namespace

PlannedRun plan_run(const Json& devices, const Json& run) { return Planner(devices, run).plan(); }

}  // namespace faultline
