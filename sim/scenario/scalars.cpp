// One switch per question over RuleKind; structures are the business of check_shape.cpp.
#include "scenario/scalars.hpp"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include <faultline/errno.hpp>

#include "base/suggest.hpp"
#include "base/units.hpp"
#include "scenario/references.hpp"

namespace faultline {
namespace {

Fit fit_of(const Quantity& quantity) {
  if (quantity.value) return Fit::yes;
  const bool beyond =
      quantity.error == UnitError::too_large || quantity.error == UnitError::not_whole;
  return beyond ? Fit::beyond : Fit::no;
}

Fit fit_if(bool condition) { return condition ? Fit::yes : Fit::no; }

bool is_octal_mode(std::string_view text) {
  return text.size() >= 3 && text.size() <= 5 &&
         text.find_first_not_of("01234567") == std::string_view::npos;
}

bool is_code_word(std::string_view text) {
  const auto codes = signal_codes();
  return std::any_of(codes.begin(), codes.end(),
                     [&](const SignalCode& code) { return code.word == text; });
}

Fit fit_address(std::string_view text) {
  const auto address = parse_address(text);
  if (!address) return Fit::no;
  return address->too_large ? Fit::beyond : Fit::yes;
}

Fit fit_text(std::string_view text, const Rule& rule) {
  switch (rule.kind) {
    case RuleKind::text:
      return fit_if(rule.min == 0 || !text.empty());
    case RuleKind::ident:
      return fit_if(is_ident(text));
    case RuleKind::step: {
      const auto name = split_step_name(text);
      return fit_if(name && !name->task.empty());
    }
    case RuleKind::step_name:
      return fit_if(split_step_name(text).has_value());
    case RuleKind::size:
      return fit_of(parse_size(text));
    case RuleKind::argument:
      return fit_of(parse_signed_size(text));
    case RuleKind::duration:
      return fit_of(parse_duration(text));
    case RuleKind::mode:
      return fit_if(is_octal_mode(text));
    case RuleKind::word:
      return fit_if(std::find(rule.words.begin(), rule.words.end(), text) != rule.words.end());
    case RuleKind::flag:
      return fit_if(flag_value(*rule.table, text).has_value());
    case RuleKind::errno_word:
      return fit_if(errno_from_name(text).has_value());
    case RuleKind::code_word:
      return fit_if(is_code_word(text));
    case RuleKind::address:
      return fit_address(text);
    default:
      return Fit::no;
  }
}

bool integer_fits(const JsonNode& node, const Rule& rule) {
  if (rule.kind == RuleKind::argument || rule.kind == RuleKind::address) return true;
  if (rule.kind != RuleKind::integer) return !node.negative;
  if (node.negative) return static_cast<std::int64_t>(node.value) >= rule.min;
  const bool enough = rule.min <= 0 || node.value >= static_cast<std::uint64_t>(rule.min);
  return enough && node.value <= rule.max;
}

/// All words that a rule or its options would have taken.
void collect_words(const Rule& rule, std::vector<std::string>& words) {
  switch (rule.kind) {
    case RuleKind::word:
      for (const std::string_view each : rule.words) words.emplace_back(each);
      break;
    case RuleKind::flag:
      for (std::string& each : flag_spellings(*rule.table)) words.push_back(std::move(each));
      break;
    case RuleKind::errno_word:
      for (int number = 1; number <= errno_max; ++number) words.emplace_back(errno_name(number));
      break;
    case RuleKind::code_word:
      for (const SignalCode& code : signal_codes()) words.emplace_back(code.word);
      break;
    case RuleKind::either:
      for (const Rule* option : rule.options) collect_words(*option, words);
      break;
    default:
      break;
  }
}

std::string explain_word(std::string_view text, const Rule& rule) {
  std::string message = fmt::format("{} is not {}", json_quote(text), rule.what);
  std::vector<std::string> words;
  collect_words(rule, words);
  const std::string hint = did_you_mean(text, words);
  if (!hint.empty()) return message + hint;
  if (words.empty() || words.size() > 8) return message;
  return message + " (" + fmt::format("{}", fmt::join(words, ", ")) + ")";
}

std::string explain_text(std::string_view text, const Rule& rule) {
  const auto quantity = [&](const Quantity& q, std::string_view kind) {
    return json_quote(text) + " " + explain(q.error, kind);
  };
  switch (rule.kind) {
    case RuleKind::text:
      return "must not be an empty string";
    case RuleKind::size:
      return quantity(parse_size(text), "size");
    case RuleKind::argument:
      return quantity(parse_signed_size(text), "size");
    case RuleKind::duration:
      return quantity(parse_duration(text), "duration");
    case RuleKind::address:
      if (fit_address(text) == Fit::beyond) return json_quote(text) + " does not fit in 64 bits";
      break;
    default:
      break;
  }
  return explain_word(text, rule);
}

}  // namespace

bool is_scalar(const Rule& rule) { return rule.kind < RuleKind::object; }

bool accepts_kind(const Rule& rule, JsonKind kind) {
  switch (rule.kind) {
    case RuleKind::boolean:
      return kind == JsonKind::boolean;
    case RuleKind::null:
      return kind == JsonKind::null;
    case RuleKind::integer:
      return kind == JsonKind::integer;
    case RuleKind::size:
    case RuleKind::argument:
    case RuleKind::duration:
    case RuleKind::address:
      return kind == JsonKind::integer || kind == JsonKind::string;
    case RuleKind::object:
    case RuleKind::map:
      return kind == JsonKind::object;
    case RuleKind::list:
      return kind == JsonKind::array;
    case RuleKind::either:
      return std::any_of(rule.options.begin(), rule.options.end(),
                         [&](const Rule* option) { return accepts_kind(*option, kind); });
    default:
      return kind == JsonKind::string;
  }
}

Fit fits(const JsonTree& tree, NodeId id, const Rule& rule) {
  const JsonNode& node = tree[id];
  if (!accepts_kind(rule, node.kind)) return Fit::no;
  if (node.kind == JsonKind::integer) return fit_if(integer_fits(node, rule));
  if (node.kind == JsonKind::string) return fit_text(tree.text(id), rule);
  return Fit::yes;
}

bool key_fits(std::string_view key, const Rule& rule) { return fit_text(key, rule) == Fit::yes; }

std::string explain_misfit(const JsonTree& tree, NodeId id, const Rule& rule) {
  const JsonNode& node = tree[id];
  if (!accepts_kind(rule, node.kind)) {
    return fmt::format("must be {}, not {}", rule.what, kind_text(node.kind));
  }
  if (node.kind == JsonKind::string) return explain_text(tree.text(id), rule);
  return fmt::format("must be {}, not {}", rule.what, tree.compact(id));
}

std::string explain_key_misfit(std::string_view key, const Rule& rule) {
  return explain_text(key, rule);
}

}  // namespace faultline
