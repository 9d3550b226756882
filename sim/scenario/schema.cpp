// Rules -> JSON Schema. Rules with a name become definitions, which also ends the recursion of
// steps in steps. What a schema cannot express (64-bit overflow of strings, names that must exist)
// is left to the loader.
#include "scenario/schema.hpp"

#include <set>
#include <vector>

#include <nlohmann/json.hpp>

#include <faultline/errno.hpp>

#include "scenario/rule.hpp"

namespace faultline {
namespace {

using Json = nlohmann::ordered_json;

const std::string ident = "[A-Za-z_][A-Za-z0-9_-]*";
const std::string number = "(0[xX][0-9a-fA-F]+|[0-9]+(B|KiB|MiB|GiB|TiB|PiB|EiB)?)";

Json pattern(const std::string& text) {
  return {{"type", "string"}, {"pattern", "^" + text + "$"}};
}

Json integer_from(std::int64_t min, std::uint64_t max) {
  return {{"type", "integer"}, {"minimum", min}, {"maximum", max}};
}

Json any_of(Json a, Json b) { return {{"anyOf", Json::array({std::move(a), std::move(b)})}}; }

Json enumeration(const std::vector<std::string>& words) {
  return {{"type", "string"}, {"enum", words}};
}

class Writer {
 public:
  Json document();

 private:
  Json reference(const Rule& rule);
  Json describe(const Rule& rule);
  Json scalar(const Rule& rule);
  Json object(const Rule& rule);
  Json map(const Rule& rule);

  Json definitions_ = Json::object();
  std::set<std::string_view> known_;
};

Json Writer::reference(const Rule& rule) {
  if (rule.name.empty()) return describe(rule);
  if (known_.insert(rule.name).second) {
    const std::string name(rule.name);
    definitions_[name] = Json();  // keeps its place in order of first use
    Json described = describe(rule);
    definitions_[name] = std::move(described);
  }
  return {{"$ref", "#/definitions/" + std::string(rule.name)}};
}

Json Writer::scalar(const Rule& rule) {
  switch (rule.kind) {
    case RuleKind::text: {
      Json schema = {{"type", "string"}};
      if (rule.min > 0) schema["minLength"] = rule.min;
      return schema;
    }
    case RuleKind::ident:
      return pattern(ident);
    case RuleKind::step:
      return pattern(ident + "\\." + ident);
    case RuleKind::step_name:
      return pattern(ident + "(\\." + ident + ")?");
    case RuleKind::boolean:
      return {{"type", "boolean"}};
    case RuleKind::null:
      return {{"type", "null"}};
    case RuleKind::integer:
      return integer_from(rule.min, rule.max);
    case RuleKind::size:
      return any_of(integer_from(0, UINT64_MAX), pattern(number));
    case RuleKind::argument:
      return any_of(integer_from(INT64_MIN, UINT64_MAX), pattern("-?" + number));
    case RuleKind::duration:
      return any_of(integer_from(0, UINT64_MAX), pattern("[0-9]+(\\.[0-9]+)?(ns|us|ms|s)?"));
    case RuleKind::mode:
      return pattern("[0-7]{3,5}");
    case RuleKind::word:
      return enumeration({rule.words.begin(), rule.words.end()});
    case RuleKind::flag:
      return enumeration(flag_spellings(*rule.table));
    case RuleKind::errno_word: {
      std::vector<std::string> names;
      for (int n = 1; n <= errno_max; ++n) {
        if (!errno_name(n).empty()) names.emplace_back(errno_name(n));
      }
      for (const char* synonym : {"EWOULDBLOCK", "EDEADLOCK", "ENOTSUP"}) names.push_back(synonym);
      return enumeration(names);
    }
    case RuleKind::code_word: {
      std::vector<std::string> names;
      for (const SignalCode& code : signal_codes()) names.emplace_back(code.word);
      return enumeration(names);
    }
    default:
      return any_of(
          integer_from(INT64_MIN, UINT64_MAX),
          pattern("(-?" + number + "|" + ident + "(\\." + ident + ")?([+-]" + number + ")?)"));
  }
}

Json Writer::object(const Rule& rule) {
  Json schema = {{"type", "object"}};
  Json properties = Json::object();
  Json required = Json::array();
  Json choices = Json::array();
  for (const RuleField& field : rule.fields) {
    Json value = reference(*field.rule);
    if (!field.doc.empty()) {
      // Beside a $ref everything else is ignored, so it is wrapped.
      if (value.contains("$ref")) value = {{"allOf", Json::array({std::move(value)})}};
      value["description"] = field.doc;
    }
    properties[std::string(field.key)] = std::move(value);
    if (field.need == Need::required) required.push_back(field.key);
    if (field.need == Need::choice) {
      choices.push_back({{"required", Json::array({field.key})}});
    }
  }
  schema["properties"] = std::move(properties);
  schema["additionalProperties"] = false;
  if (!required.empty()) schema["required"] = std::move(required);
  if (!choices.empty()) schema["oneOf"] = std::move(choices);
  return schema;
}

Json Writer::map(const Rule& rule) {
  Json schema = {{"type", "object"}, {"propertyNames", reference(*rule.key)}};
  schema["additionalProperties"] = reference(*rule.item);
  if (rule.min > 0) schema["minProperties"] = rule.min;
  return schema;
}

Json Writer::describe(const Rule& rule) {
  switch (rule.kind) {
    case RuleKind::object:
      return object(rule);
    case RuleKind::map:
      return map(rule);
    case RuleKind::list: {
      Json schema = {{"type", "array"}, {"items", reference(*rule.item)}};
      if (rule.min > 0) schema["minItems"] = rule.min;
      return schema;
    }
    case RuleKind::either: {
      Json options = Json::array();
      for (const Rule* option : rule.options) options.push_back(reference(*option));
      return {{"anyOf", std::move(options)}};
    }
    default:
      return scalar(rule);
  }
}

Json Writer::document() {
  Json schema = {{"$schema", "http://json-schema.org/draft-07/schema#"},
                 {"title", "Faultline scenario, format 1"}};
  const Json top = describe(scenario_rule);
  for (const auto& [key, value] : top.items()) schema[key] = value;
  schema["definitions"] = std::move(definitions_);
  return schema;
}

}  // namespace

std::string schema_text() { return Writer().document().dump(2) + "\n"; }

}  // namespace faultline
