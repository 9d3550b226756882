// Addresses and private data are hexadecimal words, as elsewhere in the report; counts, offsets in
// pages and flags are numbers; errors have names.
#include "scenario/report_devices.hpp"

#include <fmt/format.h>

#include "scenario/report_words.hpp"

namespace faultline {
namespace {

std::string hex(std::uint64_t value) { return fmt::format("{:#x}", value); }

const char* kind_text(HookKind kind) {
  switch (kind) {
    case HookKind::mmap_prepare:
      return "mmap_prepare";
    case HookKind::mmap:
      return "mmap";
    case HookKind::mapped:
      return "mapped";
    case HookKind::open:
      return "open";
    case HookKind::close:
      return "close";
    case HookKind::fault:
      return "fault";
    case HookKind::may_split:
      return "may_split";
    case HookKind::mremap:
      return "mremap";
    case HookKind::mprotect:
      return "mprotect";
    case HookKind::success_hook:
      return "success_hook";
    case HookKind::error_hook:
      return "error_hook";
    case HookKind::huge_fault:
      return "huge_fault";
  }
  return "";
}

Json lock_json(HookLock lock) {
  switch (lock) {
    case HookLock::unknown:
      return nullptr;
    case HookLock::none:
      return "no";
    case HookLock::read:
      return "read";
    case HookLock::write:
      return "write";
  }
  return nullptr;
}

Json vma_json(HookVma vma) {
  switch (vma) {
    case HookVma::unknown:
      return nullptr;
    case HookVma::not_in_tree:
      return "not-in-tree";
    case HookVma::detached:
      return "detached";
    case HookVma::attached:
      return "attached";
    case HookVma::write_locked:
      return "attached,write-locked";
  }
  return nullptr;
}

Json error_json(std::int64_t value) {
  if (value >= 0) return value;
  const std::string text = errno_text(-value);
  if (!text.starts_with('E')) return value;
  return text;
}

Json args_json(const HookCall& call) {
  Json args;
  if (call.end.v != 0) {
    args["start"] = hex(call.start.v);
    args["end"] = hex(call.end.v);
  }
  if (call.pgoff) args["pgoff"] = call.pgoff->v;
  if (call.private_data) args["private_data"] = hex(*call.private_data);
  if (call.address) args["address"] = hex(call.address->v);
  if (call.order) args["order"] = *call.order;
  if (call.flags) args[call.kind == HookKind::mprotect ? "newflags" : "flags"] = *call.flags;
  if (call.error) args["error"] = error_json(*call.error);
  return args;
}

Json hook_json(const Scenario& scenario, const HookCall& call) {
  Json json;
  json["seq"] = call.seq;
  json["name"] = kind_text(call.kind);
  const TaskSpec& task = scenario.tasks[call.task.v];
  json["task"] = task.name;
  json["step"] = nullptr;
  if (call.step < task.steps.size()) {
    json["step"] = task.name + "." + step_name(scenario, call.task, call.step);
  }
  json["args"] = args_json(call);
  json["mmap_lock"] = lock_json(call.mmap_lock);
  json["i_mmap"] = lock_json(call.i_mmap);
  json["vma"] = vma_json(call.vma);
  json["tree"] = nullptr;
  if (call.occupied) json["tree"] = *call.occupied ? "occupied" : "empty";
  json["returned"] = nullptr;
  if (call.returned && call.kind == HookKind::fault) {
    json["returned"] = fault_words(static_cast<std::uint32_t>(*call.returned));
  } else if (call.returned) {
    json["returned"] = error_json(*call.returned);
  }
  return json;
}

Json vma_snapshot_json(const VmaSnapshot& vma) {
  Json json;
  json["start"] = hex(vma.start.v);
  json["end"] = hex(vma.end.v);
  json["perms"] = vma.perms;
  json["pgoff"] = vma.pgoff;
  json["file"] = nullptr;
  if (!vma.file.empty()) json["file"] = vma.file;
  json["rss"] = vma.rss;
  json["anon"] = vma.anon;
  json["vmflags"] = vma.vmflags;
  json["cache"] = vma.cache;
  json["writable"] = vma.writable;
  json["private_data"] = hex(vma.private_data);
  return json;
}

}  // namespace

Json snapshot_json(const MmSnapshot& snapshot) {
  Json json;
  json["vmas"] = Json::array();
  for (const VmaSnapshot& vma : snapshot.vmas) json["vmas"].push_back(vma_snapshot_json(vma));
  json["rss"] = {
      {"anon", snapshot.rss.anon}, {"file", snapshot.rss.file}, {"shmem", snapshot.rss.shmem}};
  json["total_vm"] = snapshot.total_vm;
  json["committed"] = snapshot.committed;
  json["ptes"] = Json::array();
  for (const PteSnapshot& pte : snapshot.ptes) {
    Json entry;
    entry["at"] = hex(pte.at.v);
    entry["pfn"] = pte.pfn;
    entry["writable"] = pte.writable;
    entry["special"] = pte.special;
    entry["cache"] = pte.cache;
    json["ptes"].push_back(std::move(entry));
  }
  json["pages"] = Json::object();
  for (const auto& [device, counts] : snapshot.pages) {
    Json& list = json["pages"][device] = Json::array();
    for (const auto& [references, mapcount] : counts) {
      list.push_back(Json::array({references, mapcount}));
    }
  }
  return json;
}

Json devices_json(const Scenario& scenario, const std::vector<DeviceResult>& devices) {
  Json json = Json::object();
  for (const DeviceResult& device : devices) {
    Json& entry = json[device.name];
    entry["hooks"] = Json::array();
    for (const HookCall& call : device.hooks) entry["hooks"].push_back(hook_json(scenario, call));
    if (device.dropped) entry["hooks_not_kept"] = device.dropped;
  }
  return json;
}

}  // namespace faultline
