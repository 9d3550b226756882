// A walk over document and grammar together. It recurses, which is safe because the parser bounds
// the nesting of documents.
#include "scenario/check_shape.hpp"

#include <vector>

#include <fmt/format.h>

#include "base/suggest.hpp"
#include "scenario/scalars.hpp"
#include "scenario/support.hpp"

namespace faultline {
namespace {

class Shape {
 public:
  Shape(const JsonTree& tree, ErrorList& errors) : tree_(tree), errors_(errors) {}
  void check(NodeId node, const Rule& rule);

 private:
  void check_scalar(NodeId node, const Rule& rule);
  void check_object(NodeId node, const Rule& rule);
  void check_needs(NodeId node, const Rule& rule, bool had_unknown);
  void check_choice(NodeId node, const Rule& rule, bool had_unknown);
  void check_map(NodeId node, const Rule& rule);
  void check_list(NodeId node, const Rule& rule);
  void check_either(NodeId node, const Rule& rule);
  void misfit(NodeId node, const Rule& rule, Complaint complaint) {
    errors_.add(node, complaint, [&] { return explain_misfit(tree_, node, rule); });
  }
  void unknown_key(NodeId child, const Rule& rule);

  const JsonTree& tree_;
  ErrorList& errors_;
};

void Shape::check(NodeId node, const Rule& rule) {
  if (rule.kind == RuleKind::either) return check_either(node, rule);
  if (is_scalar(rule)) return check_scalar(node, rule);
  if (!accepts_kind(rule, tree_[node].kind)) return misfit(node, rule, Complaint::shape);
  switch (rule.kind) {
    case RuleKind::object:
      return check_object(node, rule);
    case RuleKind::map:
      return check_map(node, rule);
    default:
      return check_list(node, rule);
  }
}

void Shape::check_scalar(NodeId node, const Rule& rule) {
  const Fit fit = fits(tree_, node, rule);
  if (fit == Fit::no) return misfit(node, rule, Complaint::shape);
  if (fit == Fit::beyond) return misfit(node, rule, Complaint::meaning);
  if (rule.support.empty() || is_built(rule.support, tree_.text(node))) return;
  errors_.add(node, Complaint::not_built, [&] {
    return fmt::format("the {} {} is not built yet", rule.support, json_quote(tree_.text(node)));
  });
}

void Shape::unknown_key(NodeId child, const Rule& rule) {
  errors_.add_at_key(child, Complaint::shape, [&] {
    std::vector<std::string_view> known;
    for (const RuleField& field : rule.fields) known.push_back(field.key);
    const std::string_view key = tree_.key(child);
    std::string message = fmt::format("unknown key {}", json_quote(key));
    const std::string hint = did_you_mean(key, known);
    if (!hint.empty() || known.empty() || known.size() > 16) return message + hint;
    return message + fmt::format(" (known here: {})", fmt::join(known, ", "));
  });
}

void Shape::check_object(NodeId node, const Rule& rule) {
  bool had_unknown = false;
  for (const NodeId child : Children(tree_, node)) {
    const RuleField* field = find_field(rule, tree_.key(child));
    if (field == nullptr) {
      had_unknown = true;
      unknown_key(child, rule);
      continue;
    }
    if (!field->support.empty() && !is_built(field->support, field->key)) {
      errors_.add_at_key(child, Complaint::not_built, [&] {
        return fmt::format("the {} {} is not built yet", field->support, json_quote(field->key));
      });
    }
    check(child, *field->rule);
  }
  check_needs(node, rule, had_unknown);
}

void Shape::check_needs(NodeId node, const Rule& rule, bool had_unknown) {
  bool choice = false;
  for (const RuleField& field : rule.fields) {
    choice = choice || field.need == Need::choice;
    if (field.need != Need::required || tree_.find(node, field.key) != no_node) continue;
    errors_.add(node, Complaint::shape,
                [&] { return fmt::format("the key {} is missing", json_quote(field.key)); });
  }
  if (choice) check_choice(node, rule, had_unknown);
}

void Shape::check_choice(NodeId node, const Rule& rule, bool had_unknown) {
  const RuleField* first = nullptr;
  for (const NodeId child : Children(tree_, node)) {
    const RuleField* field = find_field(rule, tree_.key(child));
    if (field == nullptr || field->need != Need::choice) continue;
    if (first == nullptr) {
      first = field;
      continue;
    }
    errors_.add_at_key(child, Complaint::shape, [&] {
      return fmt::format("{} cannot be both {} and {}", rule.what, json_quote(first->key),
                         json_quote(field->key));
    });
  }
  // An unknown key is most likely the misspelt choice; one message about it is enough.
  if (first != nullptr || had_unknown) return;
  errors_.add(node, Complaint::shape, [&] {
    std::vector<std::string_view> words;
    for (const RuleField& field : rule.fields) {
      if (field.need == Need::choice) words.push_back(field.key);
    }
    if (words.size() > 12) return fmt::format("{} needs a verb", rule.what);
    return fmt::format("{} needs one of {}", rule.what, fmt::join(words, ", "));
  });
}

void Shape::check_map(NodeId node, const Rule& rule) {
  std::int64_t entries = 0;
  for (const NodeId child : Children(tree_, node)) {
    ++entries;
    if (!key_fits(tree_.key(child), *rule.key)) {
      errors_.add_at_key(child, Complaint::shape,
                         [&] { return explain_key_misfit(tree_.key(child), *rule.key); });
    }
    check(child, *rule.item);
  }
  if (entries >= rule.min) return;
  errors_.add(node, Complaint::shape, [&] { return std::string("must not be empty"); });
}

void Shape::check_list(NodeId node, const Rule& rule) {
  std::int64_t entries = 0;
  for (const NodeId child : Children(tree_, node)) {
    ++entries;
    check(child, *rule.item);
  }
  if (entries >= rule.min) return;
  errors_.add(node, Complaint::shape, [&] { return std::string("must not be empty"); });
}

void Shape::check_either(NodeId node, const Rule& rule) {
  const Rule* only = nullptr;  // the option this kind of value must mean
  bool several = false;
  for (const Rule* option : rule.options) {
    if (!accepts_kind(*option, tree_[node].kind)) continue;
    several = only != nullptr;
    only = option;
    if (!is_scalar(*option)) continue;
    const Fit fit = fits(tree_, node, *option);
    if (fit == Fit::yes) return check(node, *option);
    if (fit == Fit::beyond) return misfit(node, *option, Complaint::meaning);
  }
  if (only != nullptr && !several && !is_scalar(*only)) return check(node, *only);
  misfit(node, rule, Complaint::shape);
}

}  // namespace

void check_shape(const JsonTree& tree, NodeId node, const Rule& rule, ErrorList& errors) {
  Shape(tree, errors).check(node, rule);
}

}  // namespace faultline
