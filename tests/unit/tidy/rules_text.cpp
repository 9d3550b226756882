// Rules about the text of one file: its size, its head, and words it must not contain.
#include <array>
#include <cctype>

#include "rules.hpp"

namespace faultline::tidy {
namespace {

constexpr std::size_t max_columns = 100;
constexpr std::size_t max_lines = 400;
constexpr std::size_t max_function_lines = 60;

std::size_t columns(std::string_view line) {
  std::size_t n = 0;
  for (const char c : line) n += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  return n;
}

bool ends_with(std::string_view text, std::string_view tail) {
  return text.size() >= tail.size() && text.substr(text.size() - tail.size()) == tail;
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\n") - first + 1);
}

// `template <class T>` and attributes say nothing of what a brace opens.
std::string_view without_template(std::string_view head) {
  while (head.substr(0, 8) == "template") {
    std::size_t i = head.find('<');
    int depth = 0;
    for (; i < head.size(); ++i) {
      if (head[i] == '<') ++depth;
      if (head[i] == '>' && --depth == 0) break;
    }
    if (i >= head.size()) return head;
    head = trim(head.substr(i + 1));
  }
  return head;
}

std::string_view first_word(std::string_view head) {
  std::size_t n = 0;
  while (n < head.size() && is_word_char(head[n])) ++n;
  return head.substr(0, n);
}

// Whether `=` at the top level of the head makes the brace an initialiser.
bool has_assignment(std::string_view head) {
  int depth = 0;
  for (std::size_t i = 0; i < head.size(); ++i) {
    if (head[i] == '(' || head[i] == '[') ++depth;
    if (head[i] == ')' || head[i] == ']') --depth;
    if (head[i] == '=' && depth == 0 &&
        head.substr(0, i).find("operator") == std::string_view::npos)
      return true;
  }
  return false;
}

enum class Scope { outer, initialiser, function };

// What the brace after `head` opens, outside of any function.
Scope scope_of(std::string_view head) {
  head = without_template(trim(head));
  const auto word = first_word(head);
  for (const std::string_view type : {"namespace", "class", "struct", "union", "enum"}) {
    if (word == type) return Scope::outer;
  }
  if (has_assignment(head) && head.find("](") == std::string_view::npos) return Scope::initialiser;
  return head.find('(') == std::string_view::npos ? Scope::outer : Scope::function;
}

Finding at_line(const Source& source, std::size_t line, std::string rule, std::string text) {
  return {source.path, line, std::move(rule), std::move(text)};
}

bool allowed_word(const std::vector<std::string_view>& lines, std::size_t line) {
  constexpr std::string_view marker = "// not in output: ";
  if (lines[line - 1].find(marker) != std::string_view::npos) return true;
  return line >= 2 && trim(lines[line - 2]).substr(0, marker.size()) == marker;
}

constexpr auto banned_words = std::to_array<std::string_view>({
    "unordered_map",
    "unordered_set",
    "unordered_multimap",
    "unordered_multiset",
    "system_clock",
    "steady_clock",
    "high_resolution_clock",
    "random_device",
    "mt19937",
    "mt19937_64",
    "default_random_engine",
    "uniform_int_distribution",
    "uniform_real_distribution",
    "normal_distribution",
    "exponential_distribution",
    "bernoulli_distribution",
    "rand",
    "srand",
    "clock_gettime",
    "gettimeofday",
    "float",
    "double",
    "uintptr_t",
    "std::hash",
    "std::locale",
});

}  // namespace

Findings check_text(const Source& source) {
  Findings found;
  const auto lines = lines_of(source.text);
  const auto prose = lines_of(source.prose);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (columns(lines[i]) > max_columns) {
      found.push_back(at_line(source, i + 1, "columns",
                              std::to_string(columns(lines[i])) + " columns; at most 100"));
    }
    for (const std::string_view word : {"TODO", "FIXME", "XXX"}) {
      if (!find_word(prose[i], word).empty()) {
        found.push_back(at_line(source, i + 1, "unfinished", std::string(word)));
      }
    }
  }
  if (lines.size() > max_lines) {
    found.push_back(at_line(source, 0, "file-length",
                            std::to_string(lines.size()) + " lines; at most 400: split it"));
  }
  if (lines.empty() || trim(lines[0]).substr(0, 2) != "//") {
    found.push_back(at_line(source, 1, "head-comment", "the first line must say what the file is"));
  }
  if (ends_with(source.path, ".hpp") &&
      source.prose.find("\n#pragma once\n") == std::string::npos) {
    found.push_back(at_line(source, 1, "pragma-once", "a header needs #pragma once"));
  }
  return found;
}

Findings check_functions(const Source& source) {
  Findings found;
  const std::string_view code = source.code;
  std::size_t head = 0;
  for (std::size_t i = 0; i < code.size(); ++i) {
    const auto scope = code[i] == '{' ? scope_of(code.substr(head, i - head)) : Scope::outer;
    if (scope == Scope::initialiser) i = skip_brackets(code, i) - 1;
    if (scope == Scope::function) {
      const auto start = code.find_first_not_of(" \t\n", head);
      const auto end = skip_brackets(code, i);
      const auto length = line_at(source, end - 1) - line_at(source, start) + 1;
      if (length > max_function_lines) {
        found.push_back(at_line(source, line_at(source, start), "function-length",
                                std::to_string(length) + " lines; at most 60"));
      }
      i = end - 1;
    }
    if (code[i] == ';' || code[i] == '{' || code[i] == '}') head = i + 1;
  }
  return found;
}

Findings check_words(const Source& source) {
  Findings found;
  const auto lines = lines_of(source.text);
  for (const auto word : banned_words) {
    for (const auto at : find_word(source.code, word)) {
      const auto line = line_at(source, at);
      if (allowed_word(lines, line)) continue;
      found.push_back(at_line(source, line, "determinism",
                              std::string(word) + " can make two runs differ; if it cannot here: "
                                                  "`// not in output: REASON`"));
    }
  }
  return found;
}

}  // namespace faultline::tidy
