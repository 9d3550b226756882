// A small lexer: it knows comments, string, raw string and character literals, digit separators and
// preprocessor lines, and nothing else of C++.
#include "source_text.hpp"

#include <algorithm>
#include <cctype>
#include <utility>

namespace faultline::tidy {
namespace {

void blank(std::string& text, std::size_t from, std::size_t to) {
  for (std::size_t i = from; i < std::min(to, text.size()); ++i) {
    if (text[i] != '\n') text[i] = ' ';
  }
}

std::size_t end_of_line(std::string_view text, std::size_t at) {
  const auto end = text.find('\n', at);
  return end == std::string_view::npos ? text.size() : end;
}

// The position just after the quote that ends a literal begun at `open`; a literal does not span
// lines.
std::size_t end_of_literal(std::string_view text, std::size_t open) {
  std::size_t i = open + 1;
  while (i < text.size() && text[i] != text[open] && text[i] != '\n') i += text[i] == '\\' ? 2 : 1;
  return std::min(i + 1, text.size());
}

bool is_raw_string(std::string_view text, std::size_t quote) {
  return quote > 0 && text[quote - 1] == 'R' && (quote < 2 || !is_word_char(text[quote - 2]));
}

std::size_t end_of_raw_string(std::string_view text, std::size_t quote) {
  const auto paren = text.find('(', quote);
  if (paren == std::string_view::npos) return text.size();
  const auto tail = ")" + std::string(text.substr(quote + 1, paren - quote - 1)) + "\"";
  const auto end = text.find(tail, paren);
  return end == std::string_view::npos ? text.size() : end + tail.size();
}

// Blanks literals in both copies and comments in `code`.
void blank_literals_and_comments(Source& source) {
  const std::string& text = source.text;
  for (std::size_t i = 0; i < text.size();) {
    const char next = i + 1 < text.size() ? text[i + 1] : '\0';
    std::size_t end = i + 1;
    if (text[i] == '/' && next == '/') {
      end = end_of_line(text, i);
      blank(source.code, i, end);
    } else if (text[i] == '/' && next == '*') {
      const auto close = text.find("*/", i + 2);
      end = close == std::string::npos ? text.size() : close + 2;
      blank(source.code, i, end);
    } else if (text[i] == '"' || (text[i] == '\'' && (i == 0 || !is_word_char(text[i - 1])))) {
      const bool raw = text[i] == '"' && is_raw_string(text, i);
      end = raw ? end_of_raw_string(text, i) : end_of_literal(text, i);
      blank(source.prose, i + 1, end - 1);
      blank(source.code, i + 1, end - 1);
    }
    i = end;
  }
}

void blank_preprocessor(Source& source) {
  std::string& code = source.code;
  for (std::size_t i = 0; i < code.size();) {
    std::size_t end = end_of_line(code, i);
    const auto first = code.find_first_not_of(" \t", i);
    if (first < end && code[first] == '#') {
      while (end < code.size() && end > i && code[end - 1] == '\\')
        end = end_of_line(code, end + 1);
      blank(code, i, end);
    }
    i = end + 1;
  }
}

}  // namespace

Source make_source(std::string path, std::string text) {
  Source source{std::move(path), text, text, text};
  blank_literals_and_comments(source);
  blank_preprocessor(source);
  return source;
}

std::size_t line_at(const Source& source, std::size_t position) {
  const auto end = source.text.begin() + std::ptrdiff_t(std::min(position, source.text.size()));
  return 1 + std::size_t(std::count(source.text.begin(), end, '\n'));
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  for (std::size_t i = 0; i < text.size();) {
    const auto end = end_of_line(text, i);
    lines.push_back(text.substr(i, end - i));
    i = end + 1;
  }
  return lines;
}

bool is_word_char(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

std::vector<std::size_t> find_word(std::string_view code, std::string_view word) {
  std::vector<std::size_t> found;
  for (auto at = code.find(word); at != std::string_view::npos; at = code.find(word, at + 1)) {
    const auto after = at + word.size();
    if (at > 0 && is_word_char(code[at - 1])) continue;
    if (after < code.size() && is_word_char(code[after])) continue;
    found.push_back(at);
  }
  return found;
}

std::size_t skip_brackets(std::string_view code, std::size_t open) {
  int depth = 0;
  for (std::size_t i = open; i < code.size(); ++i) {
    if (std::string_view("([{").find(code[i]) != std::string_view::npos) ++depth;
    if (std::string_view(")]}").find(code[i]) != std::string_view::npos && --depth == 0) {
      return i + 1;
    }
  }
  return code.size();
}

}  // namespace faultline::tidy
