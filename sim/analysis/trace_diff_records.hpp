// Reads a trace as numbered records for comparing: 32 bytes a record, whatever its text is long,
// grouped by task and step. The text is read again from the file when a difference is shown.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "analysis/trace_diff_hunks.hpp"
#include "analysis/views_lines.hpp"
#include "base/diagnostic.hpp"

namespace faultline {

/// A step's records, the one that begins it first. What a task did before its first step has no
/// label.
struct RecordStep {
  std::string label;
  std::vector<DiffItem> items;
};

/// A task by name, and by how many tasks of that name came before it.
struct RecordTask {
  std::string name;
  std::int64_t pid = 0;
  std::uint32_t ordinal = 0;
  std::uint64_t id = 0;  ///< hash of name and ordinal
  std::vector<RecordStep> steps;
};

struct RecordTrace {
  bool native = false;
  bool complete = true;                       ///< a native trace has its end line
  std::map<std::string, std::string> header;  ///< of the native header line
  std::map<std::string, std::string> end;     ///< of the native end line
  std::vector<RecordTask> tasks;              ///< by first record
  std::uint64_t records = 0;
  std::uint64_t other_lines = 0;   ///< neither records nor comments
  std::uint64_t interleaving = 0;  ///< hash over the records of all tasks, in order
};

/// What of a record is compared.
class RecordFilter {
 public:
  explicit RecordFilter(const std::vector<std::string>& ignore);

  bool ignores(const std::string& column) const { return ignore_.count(column) > 0; }
  /// The body with the values of ignored fields replaced by `*`.
  std::string canonical(std::string_view event, std::string_view body);
  /// Ignored words that are no column and were in no record so far.
  std::vector<std::string> unused() const;

 private:
  std::set<std::string, std::less<>> ignore_;
  std::set<std::string, std::less<>> fields_;  // of ignore_, those that are no column
  std::set<std::string, std::less<>> used_;
};

/// Reads all records of a file, whose name is `path`. Problems are appended to `problems`.
RecordTrace read_records(LineReader& reader, const std::string& path, RecordFilter& filter,
                         std::vector<Diagnostic>& problems);

/// `key=value` words of a line, as the native header has them.
std::map<std::string, std::string> key_values(std::string_view text);

}  // namespace faultline
