// The account as tables. Rows are sorted by what hurts most: time waited, then time held, then
// name.
#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "analysis/stats.hpp"

namespace faultline {

namespace {

using Row = std::vector<std::string>;

// Columns as wide as needed; the first `left` are aligned left.
std::string table(const std::vector<Row>& rows, std::size_t left) {
  std::vector<std::size_t> width;
  for (const Row& row : rows) {
    width.resize(std::max(width.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) width[i] = std::max(width[i], row[i].size());
  }
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += "  ";
      line += i < left ? fmt::format("{:<{}}", row[i], width[i])
                       : fmt::format("{:>{}}", row[i], width[i]);
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

std::string number(std::uint64_t n) { return std::to_string(n); }

void add_durations(Row& row, const Durations& durations) {
  const DurationSummary s = durations.summary();
  for (const auto n : {s.total, s.average, s.p50, s.p90, s.p99, s.max}) row.push_back(number(n));
}

struct Line {
  std::string name;
  const LockUsage* usage;
  LockSide side;
};

std::vector<Line> sorted(std::vector<Line> lines) {
  const auto key = [](const Line& l) {
    const LockUsage& u = *l.usage;
    const std::uint64_t wait = u.wait.total() + u.abandoned_ns + u.unfinished_ns;
    return std::tuple(~wait, ~u.contended, ~u.hold.total(), l.name, l.side);
  };
  std::sort(lines.begin(), lines.end(),
            [&](const Line& a, const Line& b) { return key(a) < key(b); });
  return lines;
}

void add_lines(std::vector<Line>& lines, const std::string& name, const LockUsage (&side)[2]) {
  for (const LockSide s : {LockSide::write, LockSide::read}) {
    const LockUsage& u = side[static_cast<int>(s)];
    if (u.acquisitions + u.contended > 0) lines.push_back({name, &u, s});
  }
}

std::string lock_tables(std::vector<Line> lines, const std::string& title, std::size_t top) {
  lines = sorted(std::move(lines));
  const std::size_t all = lines.size();
  if (lines.size() > top) lines.resize(top);
  std::vector<Row> waits{{title, "mode", "contended", "wait total", "avg", "p50", "p90", "p99",
                          "max", "unfinished", "so far", "given up", "after"}};
  std::vector<Row> holds{{title, "mode", "acquired", "try", "annot.", "hold total", "avg", "p50",
                          "p90", "p99", "max"}};
  for (const Line& l : lines) {
    const LockUsage& u = *l.usage;
    const std::string mode = l.side == LockSide::read ? "read" : "write";
    Row hold{l.name, mode, number(u.acquisitions), number(u.trylocks), number(u.annotations)};
    add_durations(hold, u.hold);
    holds.push_back(std::move(hold));
    if (u.contended == 0) continue;
    Row wait{l.name, mode, number(u.contended)};
    add_durations(wait, u.wait);
    for (const auto n : {u.unfinished, u.unfinished_ns, u.abandoned, u.abandoned_ns}) {
      wait.push_back(number(n));
    }
    waits.push_back(std::move(wait));
  }
  std::string text;
  if (waits.size() > 1) text += table(waits, 2) + "\n";
  text += table(holds, 2);
  if (all > top) text += fmt::format("  ... {} more\n", all - top);
  return text;
}

std::string chain_text(const Stats& stats, const WaitChain& chain) {
  const auto word = [&](WordId id) { return std::string(stats.locks.words().view(id)); };
  std::string text;
  for (std::size_t i = 0; i < chain.links.size(); ++i) {
    const WaitLink& link = chain.links[i];
    if (i == 0) text = word(link.who);
    text += fmt::format(" -> {} ({}) ", stats.locks.classes()[link.cls].name,
                        link.side == LockSide::read ? "read" : "write");
    const bool last = i + 1 == chain.links.size();
    const std::string next = word(last ? chain.root : chain.links[i + 1].who);
    switch (link.reason) {
      case WaitReason::held:
        text += "held by " + next;
        break;
      case WaitReason::queued:
        text += "behind queued writer " + next;
        break;
      case WaitReason::handover:
        text += "free, being handed over";
        break;
      case WaitReason::unknown:
        text += "held by nobody knows whom";
        break;
    }
  }
  return chain.closed ? text + " (a cycle: deadlock)" : text;
}

std::string chains_text(const Stats& stats, std::size_t top) {
  std::vector<std::pair<const WaitChain*, const WaitShare*>> all;
  for (const auto& [chain, share] : stats.locks.chains()) all.emplace_back(&chain, &share);
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
    if (a.second->total_ns != b.second->total_ns) return a.second->total_ns > b.second->total_ns;
    return *a.first < *b.first;
  });
  if (all.empty()) return {};
  std::vector<Row> rows{{"who waited for whom", "waits", "total", "max"}};
  for (std::size_t i = 0; i < std::min(top, all.size()); ++i) {
    const WaitShare& s = *all[i].second;
    rows.push_back(
        {chain_text(stats, *all[i].first), number(s.waits), number(s.total_ns), number(s.max_ns)});
  }
  std::string text = "\n" + table(rows, 1);
  if (all.size() > top) text += fmt::format("  ... {} more\n", all.size() - top);
  return text;
}

std::string sites_text(const Stats& stats, std::size_t top) {
  struct Site {
    const LockClassUsage* cls;
    WordId word;
    const SiteUsage* usage;
  };
  std::vector<Site> all;
  for (const LockClassUsage& cls : stats.locks.classes()) {
    for (const auto& [word, usage] : cls.sites) {
      if (usage.contended + usage.blocking > 0) all.push_back({&cls, word, &usage});
    }
  }
  std::sort(all.begin(), all.end(), [](const Site& a, const Site& b) {
    const std::uint64_t x = a.usage->wait_ns + a.usage->blocked_ns;
    const std::uint64_t y = b.usage->wait_ns + b.usage->blocked_ns;
    return x != y ? x > y : std::tie(a.cls->name, a.word) < std::tie(b.cls->name, b.word);
  });
  if (all.empty()) return {};
  std::vector<Row> rows{
      {"call site", "class", "acquired", "waited", "wait total", "kept waiting", "for"}};
  for (std::size_t i = 0; i < std::min(top, all.size()); ++i) {
    const SiteUsage& u = *all[i].usage;
    rows.push_back({std::string(stats.locks.words().view(all[i].word)), all[i].cls->name,
                    number(u.acquisitions), number(u.contended), number(u.wait_ns),
                    number(u.blocking), number(u.blocked_ns)});
  }
  return "\n" + table(rows, 2);
}

// Bars of faults by duration, each twice as long as the one before.
std::string histogram(const Durations& every) {
  const auto counts = every.powers_of_two();
  const std::uint64_t most = *std::max_element(counts.begin(), counts.end());
  std::string text = fmt::format("  {:>12}  {:>8}\n", "ns", "faults");
  bool begun = false;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    begun = begun || counts[i] > 0;
    if (!begun) continue;
    constexpr std::uint64_t widest = 50;
    const std::uint64_t length = (counts[i] * widest + most - 1) / most;
    const std::string from = fmt::format(">= {}", i == 0 ? 0 : 1ULL << (i - 1));
    text += fmt::format("  {:>12}  {:>8}  {}", from, counts[i], std::string(length, '#'));
    text = text.substr(0, text.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

// Where the time of faults went; of each part the share of all of it, in percent.
std::string parts_text(const FaultParts& parts) {
  if (parts.faults() == 0) return {};
  std::uint64_t all = 0;
  for (std::size_t i = 0; i < fault_part_count; ++i) all += parts.of(FaultPart(i)).total();
  std::vector<Row> rows{{"part of a fault", "percent", "total", "avg", "p50", "p90", "p99", "max"}};
  for (std::size_t i = 0; i < fault_part_count; ++i) {
    const Durations& times = parts.of(FaultPart(i));
    Row row{std::string(fault_part_names[i]), number(all == 0 ? 0 : times.total() * 100 / all)};
    add_durations(row, times);
    rows.push_back(std::move(row));
  }
  return "\n" + table(rows, 1);
}

std::string faults_text(const Stats& stats) {
  if (stats.faults.kinds().empty()) return {};
  std::vector<Row> rows{
      {"faults", "count", "total", "avg", "p50", "p90", "p99", "max", "lower bounds"}};
  Durations every;
  for (const auto& [kind, times] : stats.faults.kinds()) {
    Row row{kind, number(times.time.count())};
    add_durations(row, times.time);
    row.push_back(number(times.bounded));
    rows.push_back(std::move(row));
    every.add(times.time);
  }
  return "\n" + table(rows, 1) + parts_text(stats.parts) + "\n" + histogram(every);
}

std::string head_text(const Stats& stats) {
  std::uint64_t records = 0, unknown = 0, unparsed = 0;
  std::string notes;
  for (const StatsTrace& t : stats.traces) {
    records += t.records;
    unknown += t.unknown_events;
    unparsed += t.unparsed;
    if (t.lost > 0)
      notes += fmt::format("note: {}: events were lost in {} places\n", t.file, t.lost);
    if (t.overwritten > 0) {
      notes += fmt::format("note: {}: {} events were overwritten\n", t.file, t.overwritten);
    }
    if (t.malformed > 0) {
      notes += fmt::format("note: {}: {} lines are no trace text\n", t.file, t.malformed);
    }
    if (t.inferred) {
      notes += fmt::format(
          "note: {}: no lock events; locks are those of its mmap_lock and XFS inode lock events\n",
          t.file);
    }
    if (t.native && !t.complete) notes += fmt::format("note: {}: incomplete\n", t.file);
  }
  std::string text;
  if (stats.traces.size() == 1) {
    const StatsTrace& t = stats.traces[0];
    text = fmt::format("{}: {} records, {} ns\n", t.file, records, t.last_ns - t.first_ns);
  } else {
    text = fmt::format("{} traces, {} records\n", stats.traces.size(), records);
  }
  if (unknown > 0)
    notes += fmt::format("note: {} records of events not in the catalogue\n", unknown);
  if (unparsed > 0) notes += fmt::format("note: {} records with fields not understood\n", unparsed);
  if (stats.locks.unmatched_releases() > 0) {
    notes += fmt::format("note: {} releases of locks whose acquisition was not seen\n",
                         stats.locks.unmatched_releases());
  }
  return text + notes + "times in ns\n\n";
}

}  // namespace

std::string stats_text(const Stats& stats, std::size_t top) {
  std::string text = head_text(stats);
  if (!stats.any_locks) {
    text += "no lock events\n";
  } else {
    std::vector<Line> classes, instances;
    for (const LockClassUsage& c : stats.locks.classes()) add_lines(classes, c.name, c.side);
    for (const LockInstanceUsage& i : stats.locks.instances()) {
      std::string name = fmt::format("{:016x} {}", i.id, stats.locks.classes()[i.cls].name);
      if (stats.traces.size() > 1) name += fmt::format(" (trace {})", i.trace + 1);
      add_lines(instances, name, i.side);
    }
    text += lock_tables(std::move(classes), "class", ~std::size_t{0}) + "\n";
    text += lock_tables(std::move(instances), "instance", top);
    text += chains_text(stats, top) + sites_text(stats, top);
  }
  return text + faults_text(stats);
}

}  // namespace faultline
