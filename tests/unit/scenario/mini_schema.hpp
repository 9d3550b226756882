// A validator for the part of JSON Schema draft-07 that the scenario schema uses; it refuses to
// judge by a keyword it does not know. Independent of the loader on purpose.
#pragma once

#include <map>
#include <regex>
#include <stdexcept>
#include <string>

#include <nlohmann/json.hpp>

namespace faultline::test {

class MiniSchema {
 public:
  using Json = nlohmann::json;
  explicit MiniSchema(Json schema) : root_(std::move(schema)) {}
  bool valid(const Json& value) { return check(value, root_); }

 private:
  bool check(const Json& value, const Json& schema) {
    for (const auto& [keyword, rule] : schema.items()) {
      if (!check_keyword(keyword, rule, value, schema)) return false;
    }
    return true;
  }

  bool check_keyword(const std::string& keyword, const Json& rule, const Json& value,
                     const Json& schema) {
    if (keyword == "$schema" || keyword == "title" || keyword == "description" ||
        keyword == "definitions") {
      return true;
    }
    if (keyword == "$ref") {
      const std::string prefix = "#/definitions/";
      return check(value,
                   root_.at("definitions").at(rule.get<std::string>().substr(prefix.size())));
    }
    if (keyword == "type") return has_type(value, rule.get<std::string>());
    if (keyword == "anyOf") return matches(value, rule) > 0;
    if (keyword == "oneOf") return matches(value, rule) == 1;
    if (keyword == "allOf") return matches(value, rule) == rule.size();
    if (keyword == "enum") return std::find(rule.begin(), rule.end(), value) != rule.end();
    if (value.is_object()) return check_object(keyword, rule, value, schema);
    if (keyword == "items") {
      if (!value.is_array()) return true;
      for (const Json& each : value) {
        if (!check(each, rule)) return false;
      }
      return true;
    }
    if (keyword == "minItems") return !value.is_array() || value.size() >= rule.get<std::size_t>();
    if (keyword == "minimum") return !value.is_number() || !less(value, rule);
    if (keyword == "maximum") return !value.is_number() || !less(rule, value);
    if (keyword == "minLength") return !value.is_string() || !value.get<std::string>().empty();
    if (keyword == "pattern") return !value.is_string() || fits(value.get<std::string>(), rule);
    return check_object(keyword, rule, value, schema);
  }

  bool check_object(const std::string& keyword, const Json& rule, const Json& value,
                    const Json& schema) {
    static const std::map<std::string, int> known = {
        {"properties", 0},    {"additionalProperties", 1},
        {"required", 2},      {"propertyNames", 3},
        {"minProperties", 4}, {"items", 5},
        {"minItems", 5},      {"minimum", 5},
        {"maximum", 5},       {"minLength", 5},
        {"pattern", 5}};
    const auto found = known.find(keyword);
    if (found == known.end()) throw std::runtime_error("keyword " + keyword);
    if (!value.is_object()) return true;
    switch (found->second) {
      case 0:
        for (const auto& [key, each] : value.items()) {
          if (rule.contains(key) && !check(each, rule.at(key))) return false;
        }
        return true;
      case 1:
        for (const auto& [key, each] : value.items()) {
          if (schema.contains("properties") && schema.at("properties").contains(key)) continue;
          if (rule.is_boolean() ? !rule.get<bool>() : !check(each, rule)) return false;
        }
        return true;
      case 2:
        for (const Json& key : rule) {
          if (!value.contains(key.get<std::string>())) return false;
        }
        return true;
      case 3:
        for (const auto& [key, each] : value.items()) {
          if (!check(Json(key), rule)) return false;
        }
        return true;
      case 4:
        return value.size() >= rule.get<std::size_t>();
      default:
        return true;
    }
  }

  std::size_t matches(const Json& value, const Json& options) {
    std::size_t count = 0;
    for (const Json& option : options) count += check(value, option) ? 1 : 0;
    return count;
  }

  static bool has_type(const Json& value, const std::string& type) {
    if (type == "object") return value.is_object();
    if (type == "array") return value.is_array();
    if (type == "string") return value.is_string();
    if (type == "boolean") return value.is_boolean();
    if (type == "null") return value.is_null();
    if (type == "integer") {
      return value.is_number_integer() ||
             (value.is_number_float() && value.get<double>() == std::floor(value.get<double>()));
    }
    throw std::runtime_error("type " + type);
  }

  /// nlohmann compares signed with unsigned by casting, which is wrong below 0.
  static bool less(const Json& a, const Json& b) {
    const bool integers = a.is_number_integer() && b.is_number_integer();
    if (!integers) return a.get<double>() < b.get<double>();
    const auto wide = [](const Json& n) {
      return n.is_number_unsigned() ? static_cast<__int128>(n.get<std::uint64_t>())
                                    : static_cast<__int128>(n.get<std::int64_t>());
    };
    return wide(a) < wide(b);
  }

  bool fits(const std::string& text, const std::string& pattern) {
    auto found = patterns_.find(pattern);
    if (found == patterns_.end()) found = patterns_.emplace(pattern, std::regex(pattern)).first;
    return std::regex_search(text, found->second);
  }

  Json root_;
  std::map<std::string, std::regex> patterns_;
};

}  // namespace faultline::test
