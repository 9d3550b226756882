// The comm of a task may hold spaces, dashes and brackets, so a line is read from its first
// `-PID [CPU]` on which everything behind it fits as well.
#include "trace/line_parser.hpp"

namespace faultline {
namespace {

constexpr auto npos = std::string_view::npos;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

std::size_t digits_at(std::string_view text, std::size_t at) {
  std::size_t n = 0;
  while (at + n < text.size() && is_digit(text[at + n])) ++n;
  return n;
}

void skip_spaces(std::string_view text, std::size_t& at) {
  while (at < text.size() && text[at] == ' ') ++at;
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

std::optional<std::int32_t> small_number(std::string_view text) {
  const auto v = parse_decimal(text);
  if (!v || *v > 0x7fffffff) return std::nullopt;
  return static_cast<std::int32_t>(*v);
}

// SECONDS.FRACTION (1 to 9 digits), or a bare number of nanoseconds as some trace clocks print.
std::optional<std::uint64_t> parse_time(std::string_view text) {
  const auto dot = text.find('.');
  const auto whole = parse_decimal(text.substr(0, dot));
  if (!whole) return std::nullopt;
  if (dot == npos) return whole;
  const auto fraction = text.substr(dot + 1);
  const auto part = parse_decimal(fraction);
  if (!part || fraction.size() > 9) return std::nullopt;
  std::uint64_t nanos = *part;
  for (std::size_t i = fraction.size(); i < 9; ++i) nanos *= 10;
  constexpr std::uint64_t second = 1'000'000'000;
  if (*whole > (~0ULL - nanos) / second) return std::nullopt;
  return *whole * second + nanos;
}

Context context_of(std::string_view flags) {
  if (flags.size() < 3) return Context::task;
  switch (flags[2]) {
    case 'h':
    case 'H':
    case 'z':  // NMI, alone and on top of a hardirq
    case 'Z':
      return Context::hardirq;
    case 's':
      return Context::softirq;
    default:
      return Context::task;
  }
}

// `comm  TID` or `comm  PID/TID` in front of the bracket, as perf script prints it.
bool parse_perf_who(std::string_view text, LineParts& out) {
  const auto space = text.rfind(' ');
  if (space == npos) return false;
  const auto ids = text.substr(space + 1);
  const auto slash = ids.find('/');
  const auto tid = small_number(slash == npos ? ids : ids.substr(slash + 1));
  const auto tgid = slash == npos ? std::nullopt : small_number(ids.substr(0, slash));
  if (!tid || (slash != npos && !tgid)) return false;
  out.perf = true;
  out.pid = *tid;
  out.tgid = tgid.value_or(-1);
  out.task = trimmed(text.substr(0, space));
  return true;
}

// `comm-PID  (TGID)  ` in front of the bracket.
bool parse_who(std::string_view text, LineParts& out) {
  text = trimmed(text);
  if (text.ends_with(')')) {
    const auto open = text.rfind('(');
    if (open == npos) return false;
    const auto inside = trimmed(text.substr(open + 1, text.size() - open - 2));
    const auto tgid = small_number(inside);
    if (!tgid && inside.find_first_not_of('-') != npos) return false;
    out.tgid = tgid.value_or(-1);
    text = trimmed(text.substr(0, open));
  }
  const auto dash = text.rfind('-');
  const auto pid = dash == npos ? std::nullopt : small_number(text.substr(dash + 1));
  if (!pid) return parse_perf_who(text, out);
  out.pid = *pid;
  out.task = text.substr(0, dash);
  return true;
}

// `flags TIME: event: body` behind the bracket.
bool parse_what(std::string_view line, std::size_t at, LineParts& out) {
  skip_spaces(line, at);
  auto end = line.find(' ', at);
  if (end == npos) end = line.size();
  auto word = line.substr(at, end - at);
  if (!word.ends_with(':')) {  // flag columns; without irq-info there are none
    out.flags = word;
    out.context = context_of(word);
    skip_spaces(line, end);
    at = end;
    end = line.find(' ', at);
    if (end == npos) end = line.size();
    word = line.substr(at, end - at);
  }
  if (!word.ends_with(':')) return false;
  const auto time = parse_time(word.substr(0, word.size() - 1));
  if (!time) return false;
  out.time_ns = *time;
  if (end < line.size()) ++end;
  // trace-cmd aligns events, so more spaces may follow.
  auto name = end;
  skip_spaces(line, name);
  auto stop = name;
  while (stop < line.size() && is_name(line[stop])) ++stop;
  if (out.perf && stop + 1 < line.size() && line[stop] == ':' && is_name(line[stop + 1])) {
    name = ++stop;  // perf puts the name of the subsystem in front
    while (stop < line.size() && is_name(line[stop])) ++stop;
  }
  if (stop == name || stop == line.size() || line[stop] != ':') {
    out.body = line.substr(end);  // the function tracer: `function <-caller`
    return true;
  }
  out.event = line.substr(name, stop - name);
  ++stop;
  if (stop < line.size() && line[stop] == ' ') ++stop;
  out.body = line.substr(stop);
  return true;
}

}  // namespace

std::optional<std::uint64_t> parse_decimal(std::string_view text) {
  if (text.empty()) return std::nullopt;
  std::uint64_t v = 0;
  for (const char c : text) {
    if (!is_digit(c)) return std::nullopt;
    const auto digit = static_cast<unsigned>(c - '0');
    if (v > (~0ULL - digit) / 10) return std::nullopt;
    v = v * 10 + digit;
  }
  return v;
}

std::optional<LineParts> parse_line(std::string_view line, std::size_t& bad_column) {
  bad_column = 0;
  // A comm has at most 15 bytes in Linux and some dozens here; a bracket far out is not the CPU's.
  constexpr std::size_t search_limit = 512;
  const auto searched = line.substr(0, search_limit);
  for (auto open = searched.find('['); open != npos; open = searched.find('[', open + 1)) {
    const auto n = digits_at(line, open + 1);
    if (n < 3 || open + n + 1 >= line.size() || line[open + n + 1] != ']') continue;
    LineParts parts;
    if (bad_column == 0) bad_column = open;
    const auto cpu = small_number(line.substr(open + 1, n));
    if (!cpu || !parse_who(line.substr(0, open), parts)) continue;
    parts.cpu = *cpu;
    if (parse_what(line, open + n + 2, parts)) return parts;
    bad_column = open + n + 2;
  }
  return std::nullopt;
}

std::optional<LostEvents> parse_lost(std::string_view line) {
  line = trimmed(line);
  LostEvents lost;
  if (line.starts_with("CPU:") || line.starts_with("CPU ")) {
    auto rest = trimmed(line.substr(4));
    const auto n = digits_at(rest, 0);
    if (n == 0) return std::nullopt;
    lost.cpu = small_number(rest.substr(0, n)).value_or(-1);
    line = trimmed(rest.substr(n));
  }
  if (!line.starts_with('[') || !line.ends_with(']')) return std::nullopt;
  line = line.substr(1, line.size() - 2);
  if (line.find("EVENTS") == npos) return std::nullopt;
  if (line.find("LOST") == npos && line.find("DROPPED") == npos) return std::nullopt;
  const auto first = line.find_first_of("0123456789");
  if (first != npos) {
    lost.count = parse_decimal(line.substr(first, digits_at(line, first))).value_or(0);
  }
  return lost;
}

}  // namespace faultline
