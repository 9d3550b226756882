// Coroutine code that gcc 12.2 miscompiles without a word. An awaited value used directly as a
// condition can take the wrong branch; a braced temporary in an awaited call is destroyed twice.
// The idiom is `if (const auto err = co_await x; err)`, and a named local for the aggregate.
#include <array>
#include <utility>

#include "rules.hpp"

namespace faultline::tidy {
namespace {

// The strong types of faultline/types.hpp have nothing to destroy: braces on them are harmless.
constexpr auto trivial_types =
    std::to_array<std::string_view>({"Nanos", "Vaddr", "Paddr", "Pfn", "Pgoff", "Loff", "FileBlock",
                                     "FsBlock", "Daddr", "Ino", "CpuId", "TaskId", "Pid"});

std::size_t skip_space(std::string_view code, std::size_t at) {
  const auto next = code.find_first_not_of(" \t\n", at);
  return next == std::string_view::npos ? code.size() : next;
}

// The parts of a parenthesised head that `;` separates at its top level.
std::vector<std::string_view> head_parts(std::string_view inside) {
  std::vector<std::string_view> parts;
  std::size_t start = 0;
  for (std::size_t i = 0; i < inside.size(); ++i) {
    if (inside[i] == '(' || inside[i] == '[' || inside[i] == '{') i = skip_brackets(inside, i) - 1;
    if (i < inside.size() && inside[i] == ';') {
      parts.push_back(inside.substr(start, i - start));
      start = i + 1;
    }
  }
  parts.push_back(inside.substr(start));
  return parts;
}

// The part of a statement's head that decides, if it has one.
std::string_view condition_of(std::string_view keyword,
                              const std::vector<std::string_view>& parts) {
  if (keyword != "for") return parts.back();
  return parts.size() == 3 ? parts[1] : std::string_view{};
}

void check_conditions(const Source& source, Findings& found) {
  for (const std::string_view keyword : {"if", "while", "switch", "for"}) {
    for (const auto at : find_word(source.code, keyword)) {
      const auto open = skip_space(source.code, at + keyword.size());
      if (open >= source.code.size() || source.code[open] != '(') continue;
      const auto end = skip_brackets(source.code, open);
      const auto inside = std::string_view(source.code).substr(open + 1, end - open - 2);
      if (find_word(condition_of(keyword, head_parts(inside)), "co_await").empty()) continue;
      found.push_back({source.path, line_at(source, at), "await-condition",
                       "gcc 12 miscompiles an awaited value as the condition of `" +
                           std::string(keyword) +
                           "`: write `if (const auto x = co_await ...; x)`"});
    }
  }
}

std::string_view word_before(std::string_view code, std::size_t at) {
  std::size_t end = at;
  while (end > 0 && (code[end - 1] == ' ' || code[end - 1] == '\n')) --end;
  std::size_t begin = end;
  while (begin > 0 && is_word_char(code[begin - 1])) --begin;
  return code.substr(begin, end - begin);
}

enum class Brace { lambda, trivial, aggregate };

Brace brace_kind(std::string_view code, std::size_t brace) {
  const auto word = word_before(code, brace);
  for (const auto type : trivial_types) {
    if (word == type) return Brace::trivial;
  }
  if (word == "mutable" || word == "noexcept") return Brace::lambda;
  const auto before = code.find_last_not_of(" \t\n", brace - 1);
  if (word.empty() && (code[before] == ')' || code[before] == ']')) return Brace::lambda;
  return Brace::aggregate;
}

// Walks one awaited expression, from just after `co_await` to where it ends.
void check_expression(const Source& source, std::size_t start, Findings& found) {
  const std::string_view code = source.code;
  int depth = 0;
  for (std::size_t i = start; i < code.size(); ++i) {
    const char c = code[i];
    if (depth == 0 && (c == ';' || c == ',' || c == ')' || c == ']' || c == '}')) return;
    if (depth == 0 && c == '?') {
      found.push_back({source.path, line_at(source, i), "await-condition",
                       "gcc 12 miscompiles an awaited value as the condition of `?:`"});
      return;
    }
    if (c == '{' && depth > 0) {
      const auto kind = brace_kind(code, i);
      if (kind == Brace::aggregate) {
        found.push_back({source.path, line_at(source, i), "await-temporary",
                         "gcc 12 destroys a braced temporary in an awaited call twice: name it"});
        return;
      }
      i = skip_brackets(code, i) - 1;
      continue;
    }
    if (c == '(' || c == '[' || c == '{') ++depth;
    if (c == ')' || c == ']' || c == '}') --depth;
  }
}

}  // namespace

Findings check_awaits(const Source& source) {
  Findings found;
  check_conditions(source, found);
  constexpr std::string_view keyword = "co_await";
  for (const auto at : find_word(source.code, keyword)) {
    if (word_before(source.code, at) == "operator") continue;
    check_expression(source, at + keyword.size(), found);
  }
  return found;
}

}  // namespace faultline::tidy
