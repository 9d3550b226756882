// Compiles the rows of events.inc, while Faultline is compiled, into formats and descriptions of
// events. A mistake in a row (unknown type or field, too many fields) is a compile error here.
#include "trace/catalogue.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace faultline {
namespace {

struct FormatRow {
  bool primary;
  const char* name;
  std::uint8_t families;
  const char* format;
};

constexpr FormatRow format_rows[] = {
#define FL_EVENT(name, level, families, format) {true, #name, families, format},
#define FL_FORMAT(name, families, format) {false, #name, families, format},
#include "trace/events.inc"
#undef FL_EVENT
#undef FL_FORMAT
};
constexpr std::size_t format_count = sizeof(format_rows) / sizeof(format_rows[0]);

struct TypeWord {
  std::string_view name;
  FieldType type;
};

#define FL_TYPE(name) {#name, FieldType::name}
constexpr TypeWord type_words[] = {FL_TYPE(dec),
                                   FL_TYPE(dec3),
                                   FL_TYPE(sdec),
                                   FL_TYPE(hex),
                                   FL_TYPE(xhex),
                                   FL_TYPE(ptr),
                                   FL_TYPE(dev),
                                   FL_TYPE(boolean),
                                   FL_TYPE(sym),
                                   FL_TYPE(ksym),
                                   FL_TYPE(ip),
                                   FL_TYPE(memcg),
                                   FL_TYPE(vm_shared),
                                   FL_TYPE(rw_word),
                                   FL_TYPE(lock_mode),
                                   FL_TYPE(contention),
                                   FL_TYPE(xfs_lock),
                                   FL_TYPE(xfs_buf),
                                   FL_TYPE(xfs_tic),
                                   FL_TYPE(fault_flags),
                                   FL_TYPE(vm_fault),
                                   FL_TYPE(iomap_type),
                                   FL_TYPE(iomap_map_612),
                                   FL_TYPE(iomap_map_71),
                                   FL_TYPE(iomap_op_612),
                                   FL_TYPE(iomap_op_71),
                                   FL_TYPE(xfs_fork),
                                   FL_TYPE(xfs_io),
                                   FL_TYPE(pfn_words),
                                   FL_TYPE(xfs_queue),
                                   FL_TYPE(tlb_612),
                                   FL_TYPE(tlb_71),
                                   FL_TYPE(errno_name),
                                   FL_TYPE(ret_kind),
                                   FL_TYPE(ret_value)};
#undef FL_TYPE

// Not constexpr: reaching it during compilation is the error message.
void bad_row_in_events_inc() {}

constexpr FieldType type_of(std::string_view name) {
  for (const auto& word : type_words) {
    if (word.name == name) return word.type;
  }
  bad_row_in_events_inc();
  return FieldType::literal;
}

// One `{...}` taken apart: `[=]slot[/label]:type`.
struct Placeholder {
  bool again = false;
  std::string_view slot;
  std::string_view label;
  FieldType type = FieldType::literal;
};

constexpr Placeholder parse_placeholder(std::string_view text) {
  Placeholder p;
  if (!text.empty() && text[0] == '=') {
    p.again = true;
    text.remove_prefix(1);
  }
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) bad_row_in_events_inc();
  p.slot = p.label = text.substr(0, colon);
  p.type = type_of(text.substr(colon + 1));
  const auto slash = p.slot.find('/');
  if (slash != std::string_view::npos) {
    p.label = p.slot.substr(slash + 1);
    p.slot = p.slot.substr(0, slash);
  }
  return p;
}

struct Slots {
  std::array<std::string_view, max_args> names{};
  std::uint8_t n = 0;

  constexpr std::uint8_t find(std::string_view name) const {
    for (std::uint8_t i = 0; i < n; ++i) {
      if (names[i] == name) return i;
    }
    bad_row_in_events_inc();
    return 0;
  }
};

constexpr Slots slots_of(std::string_view format) {
  Slots slots;
  for (auto open = format.find('{'); open != std::string_view::npos;
       open = format.find('{', open + 1)) {
    const auto p = parse_placeholder(format.substr(open + 1, format.find('}', open) - open - 1));
    if (p.again) continue;
    if (slots.n == max_args) bad_row_in_events_inc();
    slots.names[slots.n++] = p.slot;
  }
  return slots;
}

constexpr void add_literal(Format& f, std::size_t& used, std::string_view text) {
  if (text.empty()) return;
  FormatOp op;
  op.offset = static_cast<std::uint16_t>(used);
  op.length = static_cast<std::uint16_t>(text.size());
  for (const char c : text) f.text[used++] = c;
  f.ops[f.n_ops++] = op;
}

constexpr std::size_t primary_row(std::size_t row) {
  while (!format_rows[row].primary) --row;
  return row;
}

constexpr Format compile(std::size_t index) {
  const FormatRow& row = format_rows[index];
  const Slots slots = slots_of(format_rows[primary_row(index)].format);
  Format f;
  f.families = row.families;
  std::size_t used = 0;
  // The name goes into the first literal, so that the writer copies both at once.
  for (const char* c = row.name; *c; ++c) f.text[used++] = *c;
  f.text[used++] = ':';
  f.text[used++] = ' ';
  std::string_view rest = row.format;
  const auto first = rest.substr(0, rest.find('{'));
  f.ops[f.n_ops++] = {FieldType::literal, 0, 0, static_cast<std::uint16_t>(used + first.size())};
  for (const char c : first) f.text[used++] = c;
  rest.remove_prefix(first.size());
  while (!rest.empty()) {
    const auto close = rest.find('}');
    const auto p = parse_placeholder(rest.substr(1, close - 1));
    const auto slot = slots.find(p.slot);
    if (!p.again) f.fields[slot] = {p.label, p.type};
    f.ops[f.n_ops++] = {p.type, slot, 0, 0};
    rest.remove_prefix(close + 1);
    const auto literal = rest.substr(0, rest.find('{'));
    add_literal(f, used, literal);
    rest.remove_prefix(literal.size());
  }
  if (used + 32 > Format::max_text) bad_row_in_events_inc();  // the padding for wide copies
  return f;
}

template <std::size_t Index>
constexpr Format compiled = compile(Index);

template <std::size_t... Index>
constexpr std::array<const Format*, format_count> all_formats(std::index_sequence<Index...>) {
  return {&compiled<Index>...};
}
constexpr auto format_table = all_formats(std::make_index_sequence<format_count>());

constexpr std::size_t nth_primary(std::size_t event) {
  std::size_t row = 0;
  for (;; ++row) {
    if (format_rows[row].primary && event-- == 0) return row;
  }
}

constexpr std::uint32_t code_of(std::string_view name) {
  std::uint32_t h = 2166136261u;  // FNV-1a
  for (const char c : name) h = (h ^ static_cast<unsigned char>(c)) * 16777619u;
  return h;
}

constexpr EventInfo describe(std::size_t event) {
  const std::size_t row = nth_primary(event);
  std::size_t end = row + 1;
  while (end < format_count && !format_rows[end].primary) ++end;
  const Format& primary = *format_table[row];
  EventInfo info{};
  info.name = format_rows[row].name;
  info.level = catalogue::rows[event].level;
  info.n_fields = static_cast<std::uint8_t>(catalogue::arity(Event(event)));
  info.code = code_of(info.name);
  info.fields = std::span(primary.fields.data(), info.n_fields);
  info.formats = std::span(format_table.data() + row, end - row);
  for (std::size_t i = row; i < end; ++i) info.families |= format_rows[i].families;
  for (std::size_t i = 0; i < info.n_fields; ++i) {
    const auto type = primary.fields[i].type;
    if (type == FieldType::sym || type == FieldType::ksym) info.symbol_words |= 1u << i;
    if (type == FieldType::ip) info.ip_words |= 1u << i;
  }
  return info;
}

template <std::size_t... Index>
constexpr std::array<EventInfo, catalogue::count> all_infos(std::index_sequence<Index...>) {
  return {describe(Index)...};
}
constexpr auto infos = all_infos(std::make_index_sequence<catalogue::count>());

constexpr bool codes_differ() {
  for (std::size_t i = 0; i < infos.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (infos[i].code == infos[j].code) return false;
    }
  }
  return true;
}
static_assert(codes_differ(), "two event names share a digest code (or a name occurs twice)");

// Glob match with `*` and `?`, iterative: the last star is the only place to come back to.
bool glob_matches(std::string_view glob, std::string_view name) {
  std::size_t g = 0, n = 0, star = std::string_view::npos, mark = 0;
  while (n < name.size()) {
    if (g < glob.size() && glob[g] == '*') {
      star = g++;
      mark = n;
    } else if (g < glob.size() && (glob[g] == '?' || glob[g] == name[n])) {
      ++g;
      ++n;
    } else if (star != std::string_view::npos) {
      g = star + 1;
      n = ++mark;
    } else {
      return false;
    }
  }
  while (g < glob.size() && glob[g] == '*') ++g;
  return g == glob.size();
}

constexpr std::string_view level_words[] = {"kernel", "locks", "calls", "all"};

// Event numbers ordered by name, for find().
constexpr std::array<std::uint16_t, catalogue::count> sorted_by_name() {
  std::array<std::uint16_t, catalogue::count> order{};
  for (std::size_t i = 0; i < order.size(); ++i) {
    std::size_t at = i;
    for (; at > 0 && infos[order[at - 1]].name > infos[i].name; --at) order[at] = order[at - 1];
    order[at] = static_cast<std::uint16_t>(i);
  }
  return order;
}
constexpr auto by_name = sorted_by_name();

}  // namespace

namespace catalogue {

const EventInfo& info(Event event) { return infos[static_cast<std::size_t>(event)]; }

const Format& format(Event event, Family family) {
  const auto formats = info(event).formats;
  for (const Format* f : formats) {
    if (f->families & family) return *f;
  }
  return *formats.front();
}

std::optional<Event> find(std::string_view name) {
  std::size_t low = 0, high = count;
  while (low < high) {
    const auto middle = (low + high) / 2;
    if (infos[by_name[middle]].name < name) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == count || infos[by_name[low]].name != name) return std::nullopt;
  return static_cast<Event>(by_name[low]);
}

}  // namespace catalogue

Family family_of(std::string_view profile) {
  if (profile.starts_with("linux-4.")) return linux_4_13;
  if (profile.starts_with("linux-7.")) return linux_7_1;
  return linux_6_12;
}

EventMask EventMask::of_level(Level level) {
  EventMask mask;
  for (std::size_t i = 0; i < event_count; ++i) {
    if (infos[i].level <= level) mask.set(Event(i));
  }
  return mask;
}

EventMask EventMask::of_family(Family family) {
  EventMask mask;
  for (std::size_t i = 0; i < event_count; ++i) {
    if (infos[i].families & family) mask.set(Event(i));
  }
  return mask;
}

EventMask EventMask::of_globs(std::string_view globs) {
  EventMask mask;
  for (std::size_t begin = 0; begin <= globs.size();) {
    const auto end = std::min(globs.find(',', begin), globs.size());
    const auto glob = globs.substr(begin, end - begin);
    for (std::size_t i = 0; i < event_count; ++i) {
      if (!glob.empty() && glob_matches(glob, infos[i].name)) mask.set(Event(i));
    }
    begin = end + 1;
  }
  return mask;
}

std::string_view level_name(Level level) { return level_words[static_cast<std::size_t>(level)]; }

std::optional<Level> parse_level(std::string_view name) {
  for (std::size_t i = 0; i < std::size(level_words); ++i) {
    if (level_words[i] == name) return static_cast<Level>(i);
  }
  return std::nullopt;
}

}  // namespace faultline
