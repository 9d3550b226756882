// Hunks in the manner of a unified diff: differences that are at most twice the context apart are
// shown together.
#include "analysis/trace_diff_hunks.hpp"

#include <algorithm>

namespace faultline {
namespace {

/// What lies between two blocks: a[a .. a_end) was replaced by b[b .. b_end).
struct Change {
  std::size_t a, a_end, b, b_end;
};

std::vector<Change> changes_between(const std::vector<MatchBlock>& blocks, std::size_t a_size,
                                    std::size_t b_size) {
  std::vector<Change> changes;
  std::size_t a = 0;
  std::size_t b = 0;
  const auto gap = [&](std::size_t a_end, std::size_t b_end) {
    if (a < a_end || b < b_end) changes.push_back({a, a_end, b, b_end});
  };
  for (const auto& block : blocks) {
    gap(block.a, block.b);
    a = block.a + block.length;
    b = block.b + block.length;
  }
  gap(a_size, b_size);
  return changes;
}

class HunkWriter {
 public:
  HunkWriter(std::span<const DiffItem> a, std::span<const DiffItem> b, const DiffPlace& place,
             const DiffOptions& options)
      : a_(a), b_(b), place_(place), options_(options) {
    hunk_.task = place.task;
    hunk_.step = place.step;
  }

  DiffHunk write(std::span<const Change> changes) {
    const auto& first = changes.front();
    const auto before = std::min({options_.context, first.a, first.b});
    equal(first.a - before, first.b - before, before);
    for (std::size_t i = 0; i < changes.size(); ++i) {
      const auto& change = changes[i];
      for (auto at = change.a; at < change.a_end; ++at) one('-', at, 0);
      for (auto at = change.b; at < change.b_end; ++at) one('+', 0, at);
      const bool last = i + 1 == changes.size();
      const auto until =
          last ? std::min(a_.size(), change.a_end + options_.context) : changes[i + 1].a;
      equal(change.a_end, change.b_end, until - change.a_end);
    }
    return std::move(hunk_);
  }

 private:
  void equal(std::size_t a, std::size_t b, std::size_t length) {
    for (std::size_t i = 0; i < length; ++i) one(' ', a + i, b + i);
  }
  void one(char mark, std::size_t a, std::size_t b) {
    if (hunk_.lines.size() >= options_.max_lines) {
      ++hunk_.lines_left_out;
      return;
    }
    DiffLine line;
    line.mark = mark;
    if (mark != '+') line.line_a = a_[a].line;
    if (mark != '-') line.line_b = b_[b].line;
    line.text = mark == '+' ? place_.text_b(b_[b]) : place_.text_a(a_[a]);
    hunk_.lines.push_back(std::move(line));
  }

  std::span<const DiffItem> a_;
  std::span<const DiffItem> b_;
  const DiffPlace& place_;
  const DiffOptions& options_;
  DiffHunk hunk_;
};

}  // namespace

std::vector<MatchBlock> diff_items(std::span<const DiffItem> a, std::span<const DiffItem> b,
                                   const DiffPlace& place, const DiffOptions& options,
                                   DiffResult& result) {
  std::vector<std::uint64_t> keys_a(a.size());
  std::vector<std::uint64_t> keys_b(b.size());
  std::transform(a.begin(), a.end(), keys_a.begin(), [](auto& item) { return item.key; });
  std::transform(b.begin(), b.end(), keys_b.begin(), [](auto& item) { return item.key; });
  auto blocks = match_sequences(keys_a, keys_b);
  for (const auto& block : blocks) result.equal += block.length;
  const auto changes = changes_between(blocks, a.size(), b.size());
  for (const auto& change : changes) {
    result.only_a += change.a_end - change.a;
    result.only_b += change.b_end - change.b;
  }
  for (std::size_t first = 0; first < changes.size();) {
    std::size_t last = first + 1;
    while (last < changes.size() &&
           changes[last].a - changes[last - 1].a_end <= 2 * options.context) {
      ++last;
    }
    ++result.places;
    if (result.hunks.size() < options.max_hunks) {
      HunkWriter writer(a, b, place, options);
      result.hunks.push_back(writer.write({changes.data() + first, last - first}));
    }
    first = last;
  }
  return blocks;
}

}  // namespace faultline
