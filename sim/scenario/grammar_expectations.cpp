// What a scenario expects: of a step, and of the whole run.
#include "scenario/rule.hpp"

namespace faultline {
namespace {

using enum RuleKind;
using enum Need;

// ---- of a step --------------------------------------------------------------------------------

constexpr std::string_view leaf_words[] = {"4KiB", "2MiB", "1GiB", "none"};
constexpr Rule leaf_rule{.kind = word, .what = "a leaf size", .words = leaf_words};

constexpr std::string_view of_step = "step expectation";
constexpr RuleField step_expectation_fields[] = {
    {"errno", &errno_rule, optional, of_step},
    {"value", &address_rule, optional, of_step},
    {"signal", &signal_rule, optional, of_step},
    {"code", &code_rule, optional, of_step},
    {"fault", &vm_fault_rule, optional, of_step, "result of the last fault"},
    {"faults", &count_rule, optional, of_step, "how many faults"},
    {"leaf", &leaf_rule, optional, of_step, "size of the leaf the last fault installed"},
};

// ---- of a run ---------------------------------------------------------------------------------

constexpr std::string_view outcome_words[] = {"completed", "deadlock", "stuck", "kernel-bug",
                                              "limit"};
constexpr Rule outcome_rule{.kind = word, .what = "an outcome", .words = outcome_words};

constexpr Rule field_integer{.kind = integer, .what = "an integer", .min = INT64_MIN};
constexpr const Rule* field_options[] = {&text_rule, &field_integer};
constexpr Rule field_value{
    .kind = either, .what = "a string or an integer", .options = field_options};
constexpr Rule where_rule{
    .kind = map, .what = "an object of fields and values", .item = &field_value, .key = &text_rule};
constexpr RuleField match_fields[] = {
    {"event", &text_rule, required}, {"where", &where_rule}, {"task", &ident_rule}};
constexpr Rule match_rule{
    .kind = object, .what = "a record to match", .name = "match", .fields = match_fields};
constexpr Rule order_rule{
    .kind = list, .what = "a list of records to match", .item = &match_rule, .min = 1};
constexpr RuleField count_fields[] = {{"event", &text_rule, required}, {"where", &where_rule},
                                      {"task", &ident_rule},           {"is", &count_rule},
                                      {"at_least", &count_rule},       {"at_most", &count_rule}};
constexpr Rule count_expectation{
    .kind = object, .what = "a record to count", .fields = count_fields};

constexpr std::string_view none_words[] = {"none"};
constexpr Rule none_rule{.kind = word, .what = "\"none\"", .words = none_words};
constexpr const Rule* cycles_options[] = {&none_rule, &count_rule};
constexpr Rule cycles_rule{
    .kind = either, .what = "\"none\" or a number", .options = cycles_options};

constexpr RuleField deadlock_fields[] = {{"tasks", &ident_list_rule}, {"locks", &text_list_rule}};
constexpr Rule deadlock_rule{.kind = object, .what = "an object", .fields = deadlock_fields};

constexpr std::string_view finding_words[] = {
    "deadlock",    "stuck",      "lock-cycle", "recursion", "bad-release", "invariant",
    "kernel-warn", "kernel-bug", "data-race",  "stale-tlb", "livelock"};
constexpr Rule finding_kind{.kind = word, .what = "a kind of finding", .words = finding_words};
constexpr RuleField finding_fields[] = {{"kind", &finding_kind, required},
                                        {"names", &text_list_rule}};
constexpr Rule finding_rule{.kind = object, .what = "an object", .fields = finding_fields};

constexpr std::string_view state_words[] = {"written", "unwritten", "delalloc", "hole"};
constexpr Rule state_rule{.kind = word, .what = "the state of an extent", .words = state_words};
constexpr RuleField extent_fields[] = {{"at", &size_rule, required},
                                       {"length", &size_rule, required},
                                       {"state", &state_rule, required}};
constexpr Rule extent_rule{.kind = object, .what = "an extent", .fields = extent_fields};
constexpr Rule extent_list{.kind = list, .what = "a list of extents", .item = &extent_rule};
constexpr RuleField extents_fields[] = {{"file", &text_rule, required},
                                        {"is", &extent_list, required}};
constexpr Rule extents_rule{.kind = object, .what = "an object", .fields = extents_fields};

constexpr std::string_view pte_words[] = {"none", "ro", "rw", "special"};
constexpr Rule pte_is{.kind = word, .what = "the state of an entry", .words = pte_words};
constexpr RuleField pte_fields[] = {
    {"at", &address_rule, required}, {"is", &pte_is, required}, {"leaf", &leaf_rule}};
constexpr Rule pte_rule{.kind = object, .what = "an object", .fields = pte_fields};

constexpr std::string_view in_words[] = {"every", "some", "none"};
constexpr Rule in_rule{.kind = word, .what = "\"every\", \"some\" or \"none\"", .words = in_words};

constexpr RuleField content_fields[] = {
    {"file", &text_rule, required},
    {"at", &size_rule, required},
    {"value", &argument_rule, required, "", "eight bytes, little endian"},
    {"images", &in_rule, optional, "", "after a power cut: in which of the images it may leave"}};
constexpr Rule content_rule{.kind = object, .what = "an object", .fields = content_fields};

constexpr RuleField of_run(std::string_view key, const Rule& rule) {
  return {key, &rule, choice, "expectation"};
}

constexpr RuleField run_fields[] = {
    of_run("outcome", outcome_rule),
    of_run("count", count_expectation),
    of_run("order", order_rule),
    of_run("never", match_rule),
    of_run("lock_cycles", cycles_rule),
    of_run("deadlock", deadlock_rule),
    of_run("finding", finding_rule),
    of_run("extents", extents_rule),
    of_run("pte", pte_rule),
    of_run("content", content_rule),
    {"in", &in_rule, optional, "expectation key", "in which of the explored schedules"},
};
constexpr Rule run_rule{.kind = object, .what = "an expectation", .fields = run_fields};

}  // namespace

constexpr Rule step_expectation_rule{.kind = object,
                                     .what = "an object",
                                     .name = "step_expectation",
                                     .fields = step_expectation_fields};
constexpr Rule expectations_rule{.kind = list, .what = "a list of expectations", .item = &run_rule};

}  // namespace faultline
