// The document as a whole: its top-level keys, the kernel, the machine, locks, injected errors and
// tasks.
#include "scenario/rule.hpp"

namespace faultline {
namespace {

using enum RuleKind;
using enum Need;

constexpr Rule format_rule{.kind = integer, .what = "1", .min = 1, .max = 1};

constexpr std::string_view profile_words[] = {"linux-6.12",
                                              "linux-7.1",
                                              "linux-4.13+map-direct-v5",
                                              "linux-4.13+map-direct-v6",
                                              "linux-4.13+map-direct-v7",
                                              "linux-7.1+map-direct"};
constexpr Rule doc_line{.kind = text, .what = "a string"};
constexpr Rule doc_rule{.kind = list, .what = "a list of strings", .item = &doc_line};
constexpr Rule profile_rule{
    .kind = word, .what = "a profile", .words = profile_words, .support = "profile"};
constexpr Rule knob_integer{.kind = integer, .what = "an integer", .min = INT64_MIN};
constexpr const Rule* knob_options[] = {&text_rule, &knob_integer, &boolean_rule};
constexpr Rule knob_value{
    .kind = either, .what = "a word, an integer or a boolean", .options = knob_options};
constexpr Rule set_rule{
    .kind = map, .what = "an object of knobs and values", .item = &knob_value, .key = &text_rule};
constexpr RuleField kernel_fields[] = {{"profile", &profile_rule}, {"set", &set_rule}};
constexpr Rule kernel_rule{.kind = object, .what = "an object", .fields = kernel_fields};

constexpr Rule cpus_rule{.kind = integer, .what = "1..4096", .min = 1, .max = 4096};
constexpr Rule levels_rule{.kind = integer, .what = "4 or 5", .min = 4, .max = 5};
constexpr RuleField machine_fields[] = {
    {"cpus", &cpus_rule},
    {"preset", &preset_rule, optional, "", "what things cost"},
    {"tick", &duration_rule, optional, "", "timestamp granularity, 4ms if absent"},
    {"page_table_levels", &levels_rule, optional, "", "4, or 5 with 57-bit addresses"}};
constexpr Rule machine_rule{.kind = object, .what = "an object", .fields = machine_fields};

constexpr std::string_view lock_words[] = {"mutex",    "rwsem",        "rwlock",
                                           "spinlock", "percpu_rwsem", "annotation"};
constexpr Rule lock_type{.kind = word, .what = "a type of lock", .words = lock_words};
constexpr Rule subclass_rule{.kind = integer, .what = "0..7", .min = 0, .max = 7};
constexpr RuleField lock_fields[] = {
    {"type", &lock_type, required}, {"class", &text_rule}, {"subclass", &subclass_rule}};
constexpr Rule lock_rule{.kind = object, .what = "a lock", .fields = lock_fields};
constexpr Rule locks_rule{
    .kind = map, .what = "an object of locks by name", .item = &lock_rule, .key = &text_rule};

constexpr Rule nth_rule{.kind = integer, .what = "a number of 1 or more", .min = 1};
constexpr Rule error_name{.kind = errno_word, .what = "the name of an error"};
constexpr RuleField inject_fields[] = {
    {"at", &text_rule, required}, {"nth", &nth_rule}, {"errno", &error_name, required}};
constexpr Rule inject_entry{.kind = object, .what = "an injected error", .fields = inject_fields};
constexpr Rule inject_rule{
    .kind = list, .what = "a list of injected errors", .item = &inject_entry};

constexpr std::string_view chooser_words[] = {"timed", "sequential", "random", "replay"};
constexpr Rule chooser_rule{
    .kind = word, .what = "a chooser", .words = chooser_words, .support = "chooser"};
constexpr RuleField schedule_fields[] = {{"chooser", &chooser_rule}, {"seed", &count_rule}};
constexpr Rule schedule_rule{.kind = object, .what = "an object", .fields = schedule_fields};

// ---- tasks ------------------------------------------------------------------------------------

constexpr Rule cpu_rule{.kind = integer, .what = "a CPU number", .min = 0, .max = 4095};
constexpr Rule cpu_list{.kind = list, .what = "a list of CPU numbers", .item = &cpu_rule, .min = 1};
constexpr Rule caps_rule{.kind = list, .what = "a list of capabilities", .item = &capability_rule};
constexpr std::string_view unlimited_words[] = {"unlimited"};
constexpr Rule unlimited_rule{.kind = word, .what = "\"unlimited\"", .words = unlimited_words};
constexpr const Rule* limit_options[] = {&unlimited_rule, &size_rule};
constexpr Rule limit_rule{
    .kind = either, .what = "a size, a number or \"unlimited\"", .options = limit_options};
constexpr Rule limits_rule{.kind = map,
                           .what = "an object of limits by RLIMIT_ name",
                           .item = &limit_rule,
                           .key = &rlimit_key_rule};
constexpr std::string_view on_signal_words[] = {"skip", "die"};
constexpr Rule on_signal{.kind = word, .what = "\"skip\" or \"die\"", .words = on_signal_words};
constexpr Rule signals_rule{
    .kind = map, .what = "an object of signals", .item = &on_signal, .key = &signal_key_rule};
constexpr Rule priority_rule{.kind = integer, .what = "-20..99", .min = -20, .max = 99};
constexpr std::string_view policy_words[] = {"normal", "fifo", "rr"};
constexpr Rule policy_rule{.kind = word, .what = "a scheduling policy", .words = policy_words};
constexpr std::string_view image_words[] = {"static"};
constexpr Rule image_rule{.kind = word, .what = "an image", .words = image_words};
constexpr RuleField stack_fields[] = {{"top", &argument_rule, required}, {"size", &size_rule}};
constexpr Rule stack_rule{.kind = object, .what = "an object", .fields = stack_fields};

constexpr std::string_view of_task = "task key";
constexpr RuleField task_fields[] = {
    {"cpu", &cpu_rule},
    {"cpus", &cpu_list},
    {"process", &text_rule, optional, "", "tasks with the same one share an mm"},
    {"parent", &ident_rule, optional, of_task},
    {"start", &duration_rule, optional, "", "when it may begin"},
    {"caps", &caps_rule},
    {"uid", &uid_rule, optional, "", "the user it runs as, for file systems; 0 if absent"},
    {"limits", &limits_rule},
    {"policy", &policy_rule, optional, of_task, "normal if absent"},
    {"priority", &priority_rule, optional, of_task,
     "of a normal task its nice value, -20..19; of the others 1..99"},
    {"signals", &signals_rule, optional, "", "die unless the step expects the signal"},
    {"image", &image_rule, optional, of_task},
    {"stack", &stack_rule, optional, of_task},
    {"steps", &steps_rule, required},
};
constexpr Rule task_rule{.kind = object, .what = "a task", .name = "task", .fields = task_fields};
constexpr Rule tasks_rule{.kind = map,
                          .what = "an object of tasks by name",
                          .item = &task_rule,
                          .key = &ident_rule,
                          .min = 1};

constexpr RuleField top_fields[] = {
    {"$schema", &text_rule},
    {"format", &format_rule, required},
    {"name", &text_rule, optional, "", "the name of the file if absent"},
    {"doc", &doc_rule, optional, "", "what the scenario asks, in prose"},
    {"kernel", &kernel_rule},
    {"machine", &machine_rule},
    {"devices", &devices_rule},
    {"filesystems", &filesystems_rule},
    {"files", &files_rule},
    {"locks", &locks_rule, optional, "top-level key"},
    {"inject", &inject_rule, optional, "top-level key", "make a modelled function fail"},
    {"schedule", &schedule_rule},
    {"tasks", &tasks_rule, required},
    {"expect", &expectations_rule},
};

}  // namespace

constexpr Rule scenario_rule{
    .kind = object, .what = "a scenario (an object)", .fields = top_fields};

}  // namespace faultline
