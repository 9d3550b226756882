// Writing, reading and comparing baselines.
#include "analysis/lock_baseline.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace faultline {

namespace {

using Json = nlohmann::ordered_json;
using Key = std::tuple<std::string, std::string, std::string>;  // from, to, kind

Diagnostic wrong(const std::string& file, std::size_t line, std::string what) {
  Diagnostic d;
  d.complaint = Complaint::input;
  d.file = file;
  d.line = static_cast<std::uint32_t>(line);
  d.column = line == 0 ? 0 : 1;
  d.what = std::move(what);
  return d;
}

// The edges of a baseline; false when it is none.
bool read_keys(const Json& json, std::set<Key>& keys) {
  if (!json.is_object() || json.value("faultline_lock_order", Json()) != 1) return false;
  const auto edges = json.find("edges");
  if (edges == json.end() || !edges->is_array()) return false;
  for (const Json& e : *edges) {
    if (!e.is_object()) return false;
    const auto text = [&](const char* key) {
      const auto it = e.find(key);
      return it != e.end() && it->is_string();
    };
    const auto kinds = e.find("kinds");
    if (!text("from") || !text("to") || kinds == e.end() || !kinds->is_array()) return false;
    for (const Json& kind : *kinds) {
      if (!kind.is_string()) return false;
      keys.insert(
          {e["from"].get<std::string>(), e["to"].get<std::string>(), kind.get<std::string>()});
    }
  }
  return true;
}

}  // namespace

std::string baseline_text(const LockReport& report) {
  std::map<std::pair<std::string, std::string>, std::vector<std::string>> sorted;
  for (const LockEdgeRow& e : report.edges) sorted[{e.from, e.to}] = e.kinds;
  std::string text = "{\n  \"faultline_lock_order\": 1,\n  \"edges\": [";
  bool first = true;
  for (const auto& [ends, kinds] : sorted) {
    text += first ? "\n" : ",\n";
    first = false;
    const Json from = ends.first, to = ends.second, list = kinds;
    text += fmt::format("    {{ \"from\": {}, \"to\": {}, \"kinds\": {} }}", from.dump(), to.dump(),
                        list.dump());
  }
  return text + (first ? "]\n}\n" : "\n  ]\n}\n");
}

std::variant<BaselineDiff, Diagnostic> compare_baseline(const std::string& text,
                                                        const std::string& file,
                                                        const LockReport& report) {
  std::set<Key> known;
  try {
    if (!read_keys(Json::parse(text), known)) {
      return wrong(file, 0, "this is no baseline of lock order; --update writes one");
    }
  } catch (const Json::parse_error& e) {
    const auto end = text.begin() + static_cast<std::ptrdiff_t>(std::min(e.byte, text.size()));
    const auto line = 1 + static_cast<std::size_t>(std::count(text.begin(), end, '\n'));
    return wrong(file, line, "this is not JSON");
  }
  BaselineDiff diff;
  diff.file = file;
  std::set<Key> now;
  for (const LockEdgeRow& e : report.edges) {
    const bool otherwise = std::any_of(known.begin(), known.end(), [&](const Key& k) {
      return std::get<0>(k) == e.from && std::get<1>(k) == e.to;
    });
    for (const std::string& kind : e.kinds) {
      now.insert({e.from, e.to, kind});
      if (!known.contains({e.from, e.to, kind})) diff.added.push_back({kind, otherwise, &e});
    }
  }
  for (const Key& k : known) {
    if (now.contains(k)) continue;
    diff.gone.push_back({std::get<0>(k), std::get<1>(k), std::get<2>(k)});
  }
  return diff;
}

std::string baseline_diff_text(const BaselineDiff& diff) {
  std::string text;
  for (const NewEdge& n : diff.added) {
    const LockEdgeRow& e = *n.edge;
    text += fmt::format("NEW: {} -> {} {}{}\n", e.from, e.to, n.kind,
                        n.known_otherwise ? " (known with other kinds)" : "");
    text += fmt::format("     first: {} at {} in {}\n", e.first.task, seconds_text(e.first.time),
                        e.first.trace);
    if (!e.first.wanted.path.empty()) {
      text += fmt::format("     in {}\n", fmt::join(e.first.wanted.path, " > "));
    }
  }
  for (const GoneEdge& e : diff.gone) {
    text += fmt::format("gone: {} -> {} {}\n", e.from, e.to, e.kind);
  }
  return text +
         fmt::format("{}: {} new, {} gone\n\n", diff.file, diff.added.size(), diff.gone.size());
}

}  // namespace faultline
