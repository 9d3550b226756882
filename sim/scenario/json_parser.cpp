// A hand-written parser, because positions of keys and values, messages a person can act on, and
// speed on files of a hundred megabytes are all wanted at once.
#include "scenario/json_parser.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/bug.hpp"
#include "scenario/json_strings.hpp"

namespace faultline {
namespace {

class Parser {
 public:
  Parser(JsonTree& tree, std::uint16_t source, ErrorList& errors)
      : tree_(tree), errors_(errors), source_(source), text_(tree.sources[source].text) {}
  NodeId parse();

 private:
  struct Level {
    NodeId node;
    NodeId last = no_node;  // last child so far
    std::uint32_t entries = 0;
  };
  enum class Next : std::uint8_t { value, after_value, done, failed };

  Next read_value();
  Next open(JsonKind kind);
  Next read_key();
  Next close();
  Next read_after_value();
  Next read_number();
  Next read_word();
  Next read_string();
  NodeId add(JsonKind kind, std::uint64_t value);
  void check_duplicates(NodeId object, std::uint32_t entries);
  void skip_space();
  Next fail(std::string what) { return fail_at(pos_, std::move(what)); }
  Next fail_at(std::size_t pos, std::string what);
  std::string opened() const;
  bool at_end() const { return pos_ >= text_.size(); }

  JsonTree& tree_;
  ErrorList& errors_;
  std::uint16_t source_;
  std::string_view text_;
  std::size_t pos_ = 0;
  std::vector<Level> levels_;
  std::uint32_t key_ = 0;  // of the member whose value comes next
  std::uint32_t key_pos_ = 0;
  NodeId root_ = no_node;
  std::string scratch_;
  std::vector<std::pair<std::uint32_t, NodeId>> sorted_;
};

void Parser::skip_space() {
  while (!at_end()) {
    const char c = text_[pos_];
    if (c != ' ' && c != '\n' && c != '\r' && c != '\t') return;
    ++pos_;
  }
}

Parser::Next Parser::fail_at(std::size_t pos, std::string what) {
  const NodeId where = levels_.empty() ? no_node : levels_.back().node;
  errors_.add_at(source_, static_cast<std::uint32_t>(pos), where, Complaint::syntax,
                 [&] { return std::move(what); });
  return Next::failed;
}

std::string Parser::opened() const {
  const JsonNode& node = tree_[levels_.back().node];
  const LineColumn place = tree_.sources[source_].place(node.pos);
  return fmt::format("{} opened at line {}, column {}",
                     node.kind == JsonKind::object ? "object" : "list", place.line, place.column);
}

NodeId Parser::add(JsonKind kind, std::uint64_t value) {
  const auto id = static_cast<NodeId>(tree_.nodes.size());
  JsonNode node;
  node.kind = kind;
  node.value = value;
  node.pos = static_cast<std::uint32_t>(pos_);
  node.source = source_;
  if (levels_.empty()) {
    root_ = id;
  } else {
    Level& level = levels_.back();
    node.parent = level.node;
    node.key = key_;
    node.key_pos = key_pos_;
    if (level.last == no_node)
      tree_.nodes[level.node].value = id;
    else
      tree_.nodes[level.last].next = id;
    level.last = id;
    ++level.entries;
  }
  tree_.nodes.push_back(node);
  key_ = 0;
  key_pos_ = 0;
  return id;
}

Parser::Next Parser::open(JsonKind kind) {
  if (levels_.size() >= deepest_nesting) {
    return fail(fmt::format("nested deeper than {} levels", deepest_nesting));
  }
  levels_.push_back({add(kind, no_node)});
  ++pos_;
  skip_space();
  if (kind == JsonKind::object) {
    if (!at_end() && text_[pos_] == '}') return close();
    return read_key();
  }
  return !at_end() && text_[pos_] == ']' ? close() : Next::value;
}

Parser::Next Parser::read_key() {
  skip_space();
  if (at_end()) return fail("the text ends inside the " + opened());
  if (text_[pos_] == '}') return fail("a comma before '}'");
  if (text_[pos_] != '"') return fail("expected a key in double quotes");
  key_pos_ = static_cast<std::uint32_t>(pos_++);
  std::string_view key;
  if (const char* wrong = read_json_string(text_, pos_, scratch_, key); wrong != nullptr) {
    return fail(wrong);
  }
  key_ = tree_.strings.intern(key);
  skip_space();
  if (at_end()) return fail("the text ends inside the " + opened());
  if (text_[pos_] != ':') return fail("expected ':' after a key");
  ++pos_;
  return Next::value;
}

void Parser::check_duplicates(NodeId object, std::uint32_t entries) {
  sorted_.clear();
  sorted_.reserve(entries);
  for (const NodeId child : Children(tree_, object)) sorted_.emplace_back(tree_[child].key, child);
  std::sort(sorted_.begin(), sorted_.end());
  for (std::size_t i = 1; i < sorted_.size(); ++i) {
    if (sorted_[i].first != sorted_[i - 1].first) continue;
    const NodeId again = sorted_[i].second;
    errors_.add_at_key(again, Complaint::syntax, [&] {
      std::size_t first = i;
      while (first > 0 && sorted_[first - 1].first == sorted_[i].first) --first;
      const JsonNode& before = tree_[sorted_[first].second];
      return fmt::format("the key {} is here twice; it first stands at line {}",
                         json_quote(tree_.key(again)),
                         tree_.sources[source_].place(before.key_pos).line);
    });
  }
}

Parser::Next Parser::close() {
  ++pos_;
  const Level level = levels_.back();
  if (tree_[level.node].kind == JsonKind::object && level.entries > 1) {
    check_duplicates(level.node, level.entries);
  }
  levels_.pop_back();
  return Next::after_value;
}

Parser::Next Parser::read_after_value() {
  if (levels_.empty()) return Next::done;
  skip_space();
  if (at_end()) return fail("the text ends inside the " + opened());
  const bool object = tree_[levels_.back().node].kind == JsonKind::object;
  const char c = text_[pos_];
  if (c == (object ? '}' : ']')) return close();
  if (c != ',') {
    return fail(fmt::format("expected ',' or '{}' in the {}", object ? '}' : ']', opened()));
  }
  if (levels_.back().entries >= most_entries) {
    return fail(
        fmt::format("more than {} million entries in one list; that many steps is the limit",
                    most_entries / 1'000'000));
  }
  ++pos_;
  if (object) return read_key();
  skip_space();
  if (!at_end() && text_[pos_] == ']') return fail("a comma before ']'");
  return Next::value;
}

Parser::Next Parser::read_number() {
  const std::size_t begin = pos_;
  const bool negative = text_[pos_] == '-';
  std::size_t p = pos_ + (negative ? 1 : 0);
  const auto digit_at = [&](std::size_t at) {
    return at < text_.size() && text_[at] >= '0' && text_[at] <= '9';
  };
  if (!digit_at(p)) return fail("expected digits after '-'");
  if (text_[p] == '0' && digit_at(p + 1)) return fail("a number must not begin with 0");
  std::uint64_t value = 0;
  bool big = false;
  for (; digit_at(p); ++p) {
    const auto digit = static_cast<std::uint64_t>(text_[p] - '0');
    big = big || __builtin_mul_overflow(value, 10, &value) ||
          __builtin_add_overflow(value, digit, &value);
  }
  if (p < text_.size() && (text_[p] == 'x' || text_[p] == 'X')) {
    return fail("a hexadecimal number is written as a string, \"0x...\"");
  }
  bool real = false;
  if (p < text_.size() && text_[p] == '.') {
    real = true;
    if (!digit_at(++p)) return fail_at(p, "expected digits after '.'");
    while (digit_at(p)) ++p;
  }
  if (p < text_.size() && (text_[p] == 'e' || text_[p] == 'E')) {
    real = true;
    ++p;
    if (p < text_.size() && (text_[p] == '+' || text_[p] == '-')) ++p;
    if (!digit_at(p)) return fail_at(p, "expected digits in the exponent");
    while (digit_at(p)) ++p;
  }
  big = big || (negative && value > 1ULL << 63);
  const JsonKind kind = real ? JsonKind::real : big ? JsonKind::big : JsonKind::integer;
  const NodeId id = add(kind, negative ? 0 - value : value);
  tree_.nodes[id].negative = negative && value != 0;
  pos_ = begin + (p - begin);
  return Next::after_value;
}

Parser::Next Parser::read_word() {
  static constexpr std::pair<std::string_view, JsonKind> words[] = {
      {"true", JsonKind::boolean}, {"false", JsonKind::boolean}, {"null", JsonKind::null}};
  for (const auto& [word, kind] : words) {
    if (text_.substr(pos_, word.size()) != word) continue;
    add(kind, word == "true" ? 1 : 0);
    pos_ += word.size();
    return Next::after_value;
  }
  const char c = text_[pos_];
  if (c == '\'') return fail("strings stand in double quotes");
  if (c == '/') return fail("expected a value; JSON has no comments (use \"doc\")");
  if (static_cast<unsigned char>(c) >= 0x80 && utf8_length(text_, pos_) == 0) {
    return fail("invalid UTF-8");
  }
  return fail("expected a value");
}

Parser::Next Parser::read_string() {
  const NodeId id = add(JsonKind::string, 0);
  ++pos_;
  std::string_view string;
  if (const char* wrong = read_json_string(text_, pos_, scratch_, string); wrong != nullptr) {
    return fail(wrong);
  }
  tree_.nodes[id].value = tree_.strings.intern(string);
  return Next::after_value;
}

Parser::Next Parser::read_value() {
  skip_space();
  if (at_end()) {
    return fail(levels_.empty() ? "expected a value" : "the text ends inside the " + opened());
  }
  const char c = text_[pos_];
  if (c == '{') return open(JsonKind::object);
  if (c == '[') return open(JsonKind::array);
  if (c == '"') return read_string();
  if (c == '-' || (c >= '0' && c <= '9')) return read_number();
  return read_word();
}

NodeId Parser::parse() {
  if (text_.substr(0, 3) == "\xef\xbb\xbf") pos_ = 3;  // a byte-order mark says nothing: skipped
  skip_space();
  if (at_end()) {
    fail_at(0, text_.empty() ? "is empty" : "holds nothing but white space");
    return no_node;
  }
  Next next = Next::value;
  while (next == Next::value || next == Next::after_value) {
    next = next == Next::value ? read_value() : read_after_value();
  }
  if (next == Next::failed) return no_node;
  skip_space();
  if (!at_end()) {
    fail("something follows the end of the document");
    return no_node;
  }
  return root_;
}

}  // namespace

NodeId parse_json(JsonTree& tree, std::string name, std::string text, ErrorList& errors) {
  FL_ASSERT(tree.sources.size() < 0xffff && text.size() <= largest_text);
  JsonSource source{std::move(name), std::move(text), {0}};
  for (std::size_t at = source.text.find('\n'); at != std::string::npos;
       at = source.text.find('\n', at + 1)) {
    source.line_starts.push_back(static_cast<std::uint32_t>(at + 1));
  }
  if (tree.sources.empty()) tree.nodes.reserve(source.text.size() / 10 + 16);
  tree.sources.push_back(std::move(source));
  return Parser(tree, static_cast<std::uint16_t>(tree.sources.size() - 1), errors).parse();
}

}  // namespace faultline
