// The reduced format of real kernels' traces: see the header. The indentation, which shows how many
// locks are held, and the numbers of lock instances carry nothing that is compared, so both are
// dropped here.
#include "analysis/reference_trace.hpp"

#include "analysis/views_text.hpp"

namespace faultline {
namespace {

/// Whose step it is: `STEP (child) ...` and `STEP (C) ...` are the child's, `STEP n: ...` the main
/// thread's.
ReferenceLine parse_step(std::string_view rest) {
  ReferenceLine line{ReferenceKind::step, 'P', {}, {}};
  if (rest.starts_with('(')) {
    const auto close = rest.find(')');
    const auto who = rest.substr(1, close == rest.npos ? rest.npos : close - 1);
    line.actor = who.size() == 1 ? who[0] : 'C';
    line.text = close == rest.npos ? std::string_view{} : trim(rest.substr(close + 1));
  } else {
    const auto colon = rest.find(':');
    line.text = colon == rest.npos ? rest : trim(rest.substr(colon + 1));
  }
  return line;
}

/// `CLASS@INSTANCE rest`, where CLASS may hold blanks, or `dax_entry (comment)`.
void split_lock(std::string_view text, ReferenceLine& line) {
  if (text.starts_with("dax_entry")) {
    line.name = text.substr(0, 9);
    line.text = text.substr(9);
    return;
  }
  const auto at = text.rfind('@');
  if (at == text.npos) {
    line.name = text;
    return;
  }
  line.name = text.substr(0, at);
  const auto blank = text.find(' ', at);
  if (blank != text.npos) line.text = trim(text.substr(blank));
}

bool is_name(std::string_view text) {
  for (const char c : text) {
    const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!word && c != '_') return false;
  }
  return !text.empty();
}

std::optional<ReferenceLine> parse_body(char actor, std::string_view text) {
  ReferenceLine line{ReferenceKind::event, actor, {}, {}};
  if (text.starts_with("ACQ ") || text.starts_with("REL ")) {
    line.kind = text[0] == 'A' ? ReferenceKind::acquire : ReferenceKind::release;
    split_lock(trim(text.substr(4)), line);
    return line;
  }
  if (text.starts_with("call ")) {
    line.kind = ReferenceKind::call;
    line.name = trim(text.substr(5));
    return line;
  }
  if (text.starts_with("ret ")) {
    line.kind = ReferenceKind::ret;
    const auto rest = trim(text.substr(4));
    const auto equals = rest.find(" = ");
    line.name = rest.substr(0, equals);
    if (equals != rest.npos) line.text = rest.substr(equals + 3);
    return line;
  }
  if (text == "ALLOC" || text.starts_with("ALLOC ")) {
    line.kind = ReferenceKind::alloc;
    return line;
  }
  if (text == "MIGHT_FAULT" || text.starts_with("MIGHT_FAULT ")) {
    line.kind = ReferenceKind::might_fault;
    return line;
  }
  if (text.starts_with("WAIT ")) {
    line.kind = ReferenceKind::wait;
    line.name = trim(text.substr(5));
    return line;
  }
  const auto colon = text.find(':');
  if (colon == text.npos || !is_name(text.substr(0, colon))) return std::nullopt;
  line.name = text.substr(0, colon);
  line.text = trim(text.substr(colon + 1));
  return line;
}

}  // namespace

std::optional<ReferenceLine> parse_reference_line(std::string_view line) {
  line = trim(line);
  if (line.starts_with("## STEP ")) return parse_step(trim(line.substr(8)));
  if (line.empty() || line[0] == '#') return ReferenceLine{};
  const bool column = line.size() > 2 && line[0] >= 'A' && line[0] <= 'Z' && line[1] == ' ';
  if (!column) return std::nullopt;
  return parse_body(line[0], trim(line.substr(2)));
}

bool begins_reference_trace(std::string_view line) {
  return line.starts_with("# case:") || line.starts_with("## STEP ");
}

}  // namespace faultline
