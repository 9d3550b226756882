// The reference's counts of resident anonymous pages come from per-CPU counters that are off by
// some, and its page references from pages that pass through a batch of the LRU: both are compared
// where they are exact, that is per VMA, and where references exceed mappings by the driver's one.
// Page offsets that are frame numbers depend on where that machine's memory was.
#include "run_compare.hpp"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>

#include <faultline/errno.hpp>

#include "scenario/snapshot.hpp"

namespace faultline {
namespace {

constexpr std::uint64_t page = 4096;
constexpr std::uint64_t frame_numbers = 0x1000;  // page offsets from here on are frames

// The driver's log names places near the mapping only.
std::string place(Vaddr at) {
  const auto pages = static_cast<std::int64_t>(at.v - run_base) / static_cast<std::int64_t>(page);
  return pages < -512 || pages > 512 ? "elsewhere" : fmt::format("V{:+}", pages);
}

class Comparison {
 public:
  Comparison(const Json& run, const PlannedRun& plan, const Scenario& scenario,
             const RunResult& result)
      : run_(run), plan_(plan), scenario_(scenario), result_(result) {}
  std::vector<std::string> all();

 private:
  const StepResult* step(std::string_view id) const {
    for (std::size_t t = 0; t < scenario_.tasks.size(); ++t) {
      const TaskSpec& task = scenario_.tasks[t];
      for (std::size_t i = 0; i < task.steps.size(); ++i) {
        if (scenario_.strings[task.steps[i].id] == id) return &result_.steps[t][i];
      }
    }
    return nullptr;
  }
  const MmSnapshot* snapshot(std::string_view id) const {
    const StepResult* const s = step(id);
    return s ? s->snapshot.get() : nullptr;
  }
  template <class A, class B>
  void same(std::string_view what, const A& reference, const B& ours) {
    const std::string r = fmt::format("{}", reference), o = fmt::format("{}", ours);
    if (r != o) wrong_.push_back(fmt::format("{}: {} there, {} here", what, r, o));
  }
  std::string error_of(std::string_view id) const;
  void errors();
  void counters();
  void vmas(const Json& run, const std::string& key, const std::string& when);
  void page_counts(const char* key, const char* when);
  void entry(const Json& run, const std::string& key, const char* when, std::uint64_t index);
  void touches(const Json& run, const char* key, const std::string& id);
  void values();
  void child();
  void hooks();
  std::string hook_line(const HookCall& call, const std::string& device) const;

  const Json& run_;
  const PlannedRun& plan_;
  const Scenario& scenario_;
  const RunResult& result_;
  std::vector<std::string> wrong_;
};

std::string Comparison::error_of(std::string_view id) const {
  const StepResult* const s = step(id);
  if (!s || s->state != StepState::done) return "not played";
  return s->failed ? std::string(errno_name(static_cast<int>(-s->result))) : "0";
}

void Comparison::errors() {
  const std::pair<const char*, const char*> all[] = {{"errno", "map"},
                                                     {"last_errno", "map"},
                                                     {"second_errno", "second"},
                                                     {"gapfill_errno", "gapfill"},
                                                     {"munmap_errno", "munmap"},
                                                     {"mremap_errno", "mremap"},
                                                     {"mprotect_errno", "mprotect"},
                                                     {"madvise_errno", "madvise"},
                                                     {"mlock_errno", "mlock"},
                                                     {"msync_errno", "msync"},
                                                     {"mprotect_back_errno", "mprotect_back"}};
  for (const auto& [key, id] : all) {
    if (run_.contains(key)) same(key, run_[key].get<std::string>(), error_of(id));
  }
}

void Comparison::counters() {
  const MmSnapshot* const before = snapshot("vmas_before");
  const MmSnapshot* const after = snapshot("vmas");
  if (run_.contains("leaked_pages_per_call")) {
    const std::uint64_t gone = snapshot("end")->committed - before->committed;
    same("leaked pages",
         run_["leaked_pages_per_call"].get<double>() * run_["repeats"].get<double>(), gone);
    return;
  }
  const auto delta = [](std::uint64_t a, std::uint64_t b) {
    return static_cast<std::int64_t>(b - a);
  };
  same("vmsize", run_["vmsize_delta_pages"].get<std::int64_t>(),
       delta(before->total_vm, after->total_vm));
  same("committed", run_["committed_delta_pages_after_mmap"].get<std::int64_t>(),
       delta(before->committed, after->committed));
  const Json& rss = run_["rss_delta_pages_after_mmap"];
  same("rss file", rss["file"].get<std::int64_t>(), after->rss.file - before->rss.file);
  same("rss shmem", rss["shmem"].get<std::int64_t>(), after->rss.shmem - before->rss.shmem);
  const MmSnapshot* const end = snapshot("end");
  const bool all_gone = run_["scenario"] != "mremap-dontunmap";
  if (end && all_gone) same("rss file at the end", before->rss.file * 0, end->rss.file);
}

void Comparison::vmas(const Json& run, const std::string& key, const std::string& when) {
  const MmSnapshot* const ours = snapshot(when);
  if (!run.contains(key) || !ours) return;
  std::string there, here;
  for (const Json& v : run[key]) {
    const std::uint64_t pgoff = v["pgoff"];
    std::string name = v["name"];
    if (name == "/mp-shmem") name = "/dev/zero";
    there += fmt::format("[V{:+} {} {} {} {} rss {} anon {} {}]", v["page"].get<int>(),
                         v["pages"].get<int>(), v["perms"].get<std::string>(),
                         pgoff >= frame_numbers ? "frame" : std::to_string(pgoff), name,
                         v["rss_pages"].get<int>(), v["anon_pages"].get<int>(),
                         v["vmflags"].get<std::string>());
  }
  for (const VmaSnapshot& v : ours->vmas) {
    std::string flags;
    for (const std::string& f : v.vmflags) flags += (flags.empty() ? "" : " ") + f;
    const bool anon = v.file.empty();
    const std::uint64_t pgoff = anon ? 0 : v.pgoff;
    here +=
        fmt::format("[{} {} {} {} {} rss {} anon {} {}]", place(v.start), (v.end - v.start) / page,
                    v.perms, pgoff >= frame_numbers ? "frame" : std::to_string(pgoff),
                    anon ? "[anon]" : v.file, v.rss, v.anon, flags);
  }
  same(when, there, here);
}

void Comparison::page_counts(const char* key, const char* when) {
  const MmSnapshot* const after = snapshot(when);
  if (!after || !run_.contains(key)) return;
  std::string there = run_[key];
  const std::string inner = run_["case"].get<std::string>();
  if (there == "all 1/0") there.clear();
  for (std::size_t at = 0; at < there.size(); at += 4) {
    if (there[at] != there[at + 2] + 1) return;  // references of an LRU batch
  }
  std::string here;
  for (const auto& [device, counts] : after->pages) {
    if (device != (inner.starts_with("stack+") ? inner.substr(6) : inner)) continue;
    for (const auto& [refs, maps] : counts) {
      here += fmt::format("{}{}/{}", here.empty() ? "" : " ", refs == 0 ? 1 : refs, maps);
    }
  }
  while (here.ends_with("1/0")) here.resize(here.size() - std::min<std::size_t>(here.size(), 4));
  while (there.ends_with("1/0")) {
    there.resize(there.size() - std::min<std::size_t>(there.size(), 4));
  }
  if (run_["scenario"] != "fixed-over-dev" || inner == "nothing-ok") {
    same(key, there, here);
  }
}

// "pfn_rel=0 writable=1 special=1 pte_cache=WB vma_cache=WB vma_rw=1 priv=0"
void Comparison::entry(const Json& run, const std::string& key, const char* when,
                       std::uint64_t index) {
  const MmSnapshot* const ours = snapshot(when);
  if (!run.contains(key) || !ours) return;
  const Vaddr at(run_base + index * page);
  std::string here = "no pfn-mapped pte";
  for (const VmaSnapshot& v : ours->vmas) {
    if (v.start > at || v.end <= at) continue;
    bool pfnmap = false;
    for (const std::string& f : v.vmflags) pfnmap = pfnmap || f == "pf" || f == "io";
    for (const PteSnapshot& pte : ours->ptes) {
      if (pte.at != at || !pfnmap) continue;
      here = fmt::format("writable={} special={} pte_cache={}", int(pte.writable), int(pte.special),
                         pte.cache);
    }
    here +=
        fmt::format(" vma_cache={} vma_rw={} priv={:x}", v.cache, int(v.writable), v.private_data);
  }
  std::string there = run[key];
  if (there.starts_with("pfn_rel=")) there = there.substr(there.find(' ') + 1);
  same(std::string(when) + " " + key, there, here);
}

void Comparison::touches(const Json& run, const char* key, const std::string& id) {
  if (!run.contains(key)) return;
  const std::string there = run[key];
  std::string here;
  for (std::size_t i = 0; i < there.size(); ++i) {
    const StepResult* const s = step(id + std::to_string(i));
    const int signal = s && s->signal ? s->signal->sig : 0;
    here += !s ? '?' : signal == SIGBUS ? 'B' : signal == SIGSEGV ? 'S' : '.';
  }
  same(id, there, here);
}

// A forked process before and after it has touched every page.
void Comparison::child() {
  if (!run_.contains("fork_child")) return;
  const Json& child = run_["fork_child"];
  vmas(child, "vmas", "child_vmas");
  vmas(child, "vmas_after_touch", "child_vmas_after_touch");
  entry(child, "pte_first_page", "child_vmas", 0);
  touches(child, "read", "child_read");
  touches(child, "write", "child_write");
}

void Comparison::values() {
  if (!run_.contains("read_values") || run_["case"] == "/dev/mem") return;
  // Whoever looks first: what stores leave behind is no driver's doing.
  const std::string id = run_.contains("fork_child") ? "child_read" : "read";
  std::size_t i = 0;
  for (const Json& value : run_["read_values"]) {
    const StepResult* const s = step(id + std::to_string(i));
    if (s && !s->signal) same(fmt::format("byte of page {}", i), value.get<int>(), s->result);
    ++i;
  }
}

std::string pgoff_text(Pgoff pgoff) {
  return pgoff.v >= frame_numbers ? "frame" : fmt::format("{:x}", pgoff.v);
}

std::string Comparison::hook_line(const HookCall& call, const std::string& device) const {
  const char* const locks[] = {"?", "no", "read", "write"};
  const char* const states[] = {"?", "not-in-tree", "detached", "attached",
                                "attached,write-locked"};
  const std::string range = place(call.start) + "-" + place(call.end);
  const auto lock = [&](HookLock l) { return locks[static_cast<int>(l)]; };
  const std::string pgoff = pgoff_text(call.pgoff.value_or(Pgoff(0)));
  const std::string state = states[static_cast<int>(call.vma)];
  switch (call.kind) {
    case HookKind::mmap_prepare:
      return fmt::format("prepare {} {} pgoff {} mmap_lock={} range-in-tree={}", device, range,
                         pgoff, lock(call.mmap_lock), *call.occupied ? "occupied" : "empty");
    case HookKind::mmap:
      return fmt::format("legacy mmap {} {} pgoff {} mmap_lock={} i_mmap={} vma={}", device, range,
                         pgoff, lock(call.mmap_lock), lock(call.i_mmap), state);
    case HookKind::mapped:
      return fmt::format("mapped {} pgoff {} priv {:x} mmap_lock={} i_mmap={} tree={}", range,
                         pgoff, *call.private_data, lock(call.mmap_lock), lock(call.i_mmap), state);
    case HookKind::open:
      return fmt::format("open {} pgoff {} mmap_lock={} i_mmap={} vma={}", range, pgoff,
                         lock(call.mmap_lock), lock(call.i_mmap), state);
    case HookKind::close:
      return fmt::format("close {} pgoff {} priv {:x} mmap_lock={} i_mmap={} vma={}", range, pgoff,
                         *call.private_data, lock(call.mmap_lock), lock(call.i_mmap), state);
    case HookKind::fault:
      return fmt::format("fault pgoff {} addr {} flags {:x}{}", pgoff, place(*call.address),
                         *call.flags, *call.flags & 1 ? " WRITE" : "");
    case HookKind::huge_fault:  // no driver of the real runs has one
      return fmt::format("huge_fault pgoff {} addr {}", pgoff, place(*call.address));
    case HookKind::may_split:
      return fmt::format("may_split {} at {}", range, place(*call.address));
    case HookKind::mremap:
      return "mremap new " + range;
    case HookKind::mprotect:
      return fmt::format("mprotect {} newflags {:x}", range, *call.flags);
    case HookKind::success_hook:
      return fmt::format("success_hook {} i_mmap={}", range, lock(call.i_mmap));
    case HookKind::error_hook:
      return fmt::format("error_hook {} -> {}", *call.error,
                         "-" + std::string(errno_name(static_cast<int>(-*call.returned))));
  }
  return {};
}

// A line of the reference's log as hook_line writes it; "" if it is none of a callback.
std::string reference_line(std::string line) {
  for (const char* const other :
       {"mapped returns", "prepare returns", "bad page", "vfs_mmap(inner)", "vm_insert_page",
        "legacy mmap returns", "fault:"}) {
    if (line.starts_with(other)) return {};
  }
  for (const std::string drop : {" vm_ops NULL", " old-file=same"}) {
    if (const auto at = line.find(drop); at != line.npos) line.erase(at, drop.size());
  }
  const auto at = line.find("pgoff ");
  if (at != line.npos) {
    const auto end = std::min(line.find(' ', at + 6), line.size());
    const std::uint64_t pgoff = std::stoull(line.substr(at + 6, end - at - 6), nullptr, 16);
    if (pgoff >= frame_numbers) line.replace(at + 6, end - at - 6, "frame");
  }
  return line;
}

void Comparison::hooks() {
  if (!run_.contains("hook_log")) return;
  std::string there;
  for (const Json& line : run_["hook_log"]) {
    const std::string text = reference_line(line);
    if (!text.empty()) there += text + "\n";
  }
  std::vector<std::pair<std::uint64_t, std::string>> calls;
  for (const DeviceResult& device : result_.devices) {
    for (const HookCall& call : device.hooks) {
      if (call.task == TaskId(0) && call.step < plan_.map_step) continue;
      calls.emplace_back(call.seq, hook_line(call, device.name));
    }
  }
  std::sort(calls.begin(), calls.end());
  std::string here;
  for (const auto& [seq, line] : calls) here += line + "\n";
  if (there != here) wrong_.push_back("hooks there:\n" + there + "here:\n" + here);
}

std::vector<std::string> Comparison::all() {
  errors();
  counters();
  for (const char* const key :
       {"vmas_before", "vmas", "vmas_after_touch", "vmas_second", "vmas_third_with_gap",
        "vmas_gap_filled", "vmas_back", "vmas_mlocked"}) {
    vmas(run_, key, key);
  }
  if (run_["scenario"] == "commit-charge") return wrong_;
  page_counts("page_ref_map_after_mmap", "vmas");
  page_counts("page_ref_map_end", "end");
  const std::uint64_t last = run_["pages"].get<std::uint64_t>() - 1;
  entry(run_, "pte_first_page", "vmas", 0);
  entry(run_, "pte_last_page", "vmas", last);
  entry(run_, "pte_first_page_after_touch", "vmas_after_touch", 0);
  touches(run_, "read", "read");
  touches(run_, "write", "write");
  child();
  values();
  hooks();
  return wrong_;
}

}  // namespace

std::vector<std::string> compare_run(const Json& run, const PlannedRun& plan,
                                     const Scenario& scenario, const RunResult& result) {
  return Comparison(run, plan, scenario, result).all();
}

}  // namespace faultline
