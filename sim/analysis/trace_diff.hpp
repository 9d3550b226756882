// Compares two traces: record by record, aligned by task and step, or as views (see views.hpp),
// when either may be Faultline's text, a real kernel's ftrace text or the reduced reference format.
// The result is data; diff_text() prints it for people.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "analysis/views.hpp"
#include "base/diagnostic.hpp"

namespace faultline {

struct DiffOptions {
  /// Without a view: what is not compared. `time`, `cpu`, `flags` and `pid` are the columns before
  /// the event, `id` the number of a lock; any other word is a field by its printed name.
  std::vector<std::string> ignore;
  /// Compare views instead of records.
  std::optional<ViewKind> view;
  /// With a view: names whose lines are dropped from both sides and counted.
  std::vector<std::string> allow;
  std::size_t context = 3;     ///< equal lines shown around a difference
  std::size_t max_hunks = 10;  ///< places shown; all are counted
  std::size_t max_lines = 60;  ///< lines shown of one place
};

/// One line of a difference. Line numbers are from 1; 0 where the line is not on that side.
struct DiffLine {
  char mark = ' ';  ///< ' ' on both sides, '-' only in A, '+' only in B
  std::uint64_t line_a = 0;
  std::uint64_t line_b = 0;
  std::string text;
};

/// One place where the traces differ.
struct DiffHunk {
  std::string task;
  std::string step;
  std::vector<DiffLine> lines;
  std::size_t lines_left_out = 0;  ///< beyond DiffOptions::max_lines
};

/// Records that agree but for one column: how many, and the first of them.
struct ColumnChange {
  std::uint64_t count = 0;
  std::uint64_t line_a = 0;
  std::uint64_t line_b = 0;
  std::string a;
  std::string b;
};

struct DiffResult {
  bool same = false;               ///< no difference, and both could be read
  std::vector<Diagnostic> errors;  ///< why not compared; empty otherwise
  std::uint64_t equal = 0;         ///< records or lines that both have
  std::uint64_t only_a = 0;
  std::uint64_t only_b = 0;
  std::uint64_t places = 0;                     ///< how many hunks there are, shown or not
  std::vector<DiffHunk> hunks;                  ///< the first of them, by task and step
  std::map<std::string, ColumnChange> columns;  ///< by column: time, cpu, flags, pid
  std::vector<std::string> facts;  ///< differences that are no lines: outcome, tasks, order
  std::vector<std::string> notes;  ///< no differences, but to be known: incomplete, left out
  std::map<std::string, std::uint64_t> allowed;  ///< lines dropped from both, by name
};

/// Compares the traces in two files. Problems with the input are returned in `errors`.
DiffResult diff_traces(const std::string& path_a, const std::string& path_b,
                       const DiffOptions& options);

/// Compares two reduced traces that share `pool`.
DiffResult diff_views(const ViewTrace& a, const ViewTrace& b, const TextPool& pool,
                      const DiffOptions& options);

/// The result as text, ending with a newline; `a` and `b` are the names shown for the two sides.
std::string diff_text(const DiffResult& result, const std::string& a, const std::string& b);

}  // namespace faultline
