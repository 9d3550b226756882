// One type, one definition. Two types of one qualified name in different files are no error to
// compiler or linker, but the templates made for them (a span's iterator, say) are merged at link
// time, and one of the two then walks its array in the other's steps.
#include "rules.hpp"

namespace faultline::tidy {
namespace {

std::size_t skip_space(std::string_view code, std::size_t at) {
  const auto next = code.find_first_not_of(" \t\n", at);
  return next == std::string_view::npos ? code.size() : next;
}

// The identifier, or the name of a nested namespace (`a::b`), at a place.
std::string_view name_at(std::string_view code, std::size_t at) {
  std::size_t end = at;
  while (end < code.size() && (is_word_char(code[end]) || code.substr(end, 2) == "::" ||
                               (end > at && code.substr(end - 1, 2) == "::"))) {
    ++end;
  }
  return code.substr(at, end - at);
}

// Where a declaration that began before `at` opens its braces; npos if it ends without.
std::size_t opening_brace(std::string_view code, std::size_t at) {
  const auto stop = code.find_first_of("{;()=", at);
  if (stop == std::string_view::npos || code[stop] != '{') return std::string_view::npos;
  return stop;
}

class Scanner {
 public:
  explicit Scanner(const Source& source) : source_(source), code_(source.code) {}

  std::vector<Definition> scan() {
    scan_namespace(0, code_.size(), "");
    return std::move(found_);
  }

 private:
  // Looks at what stands directly in one namespace, [from, to).
  void scan_namespace(std::size_t from, std::size_t to, const std::string& qualifier) {
    for (std::size_t i = from; i < to;) {
      const auto word = is_word_char(code_[i]) ? name_at(code_, i) : std::string_view{};
      if (word == "namespace") {
        i = enter_namespace(i + word.size(), qualifier);
      } else if (word == "struct" || word == "class" || word == "union" || word == "enum") {
        i = take_type(i + word.size(), qualifier);
      } else if (word == "template") {
        i = skip_parameters(i + word.size());
      } else if (!word.empty()) {
        i += word.size();
      } else {
        i = code_[i] == '{' || code_[i] == '(' ? skip_brackets(code_, i) : i + 1;
      }
    }
  }

  // Types inside an unnamed namespace are the file's own: they are passed over.
  std::size_t enter_namespace(std::size_t at, const std::string& qualifier) {
    at = skip_space(code_, at);
    const auto name = name_at(code_, at);
    const auto open = opening_brace(code_, at);
    if (open == std::string_view::npos) return at + 1;
    const auto end = skip_brackets(code_, open);
    if (!name.empty()) {
      scan_namespace(open + 1, end - 1, qualifier + std::string(name) + "::");
    }
    return end;
  }

  std::size_t take_type(std::size_t at, const std::string& qualifier) {
    at = skip_space(code_, at);
    for (const std::string_view word : {"class", "struct"}) {
      if (name_at(code_, at) == word) at = skip_space(code_, at + word.size());
    }
    if (name_at(code_, at) == "alignas") {
      at = skip_space(code_, skip_brackets(code_, code_.find('(', at)));
    }
    const auto name = name_at(code_, at);
    const auto open = opening_brace(code_, at);
    if (open == std::string_view::npos || name.empty()) return at + 1;
    const auto after = skip_space(code_, at + name.size());
    if (code_[after] != '<') {  // else a specialisation, which has its own name
      found_.push_back({qualifier + std::string(name), source_.path, line_at(source_, at)});
    }
    return skip_brackets(code_, open);
  }

  std::size_t skip_parameters(std::size_t at) {
    at = skip_space(code_, at);
    int depth = 0;
    for (; at < code_.size(); ++at) {
      if (code_[at] == '<') ++depth;
      if (code_[at] == '>' && --depth == 0) return at + 1;
    }
    return at;
  }

  const Source& source_;
  std::string_view code_;
  std::vector<Definition> found_;
};

}  // namespace

std::vector<Definition> definitions(const Source& source) { return Scanner(source).scan(); }

void DefinitionTable::add(const Source& source, Findings& found) {
  for (auto& definition : definitions(source)) {
    const auto [it, fresh] = first_.emplace(definition.name, definition);
    if (fresh || it->second.path == definition.path) continue;
    found.push_back({definition.path, definition.line, "one-definition",
                     definition.name + " is defined in " + it->second.path + " too"});
  }
}

}  // namespace faultline::tidy
