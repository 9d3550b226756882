// Character devices whose driver a scenario describes as data: which hook it has, what the hook
// sets up, what it returns, and how its vm_ops answer.
#include "scenario/rule.hpp"

namespace faultline {
namespace {

using enum RuleKind;
using enum Need;

constexpr Rule any_integer{.kind = integer, .what = "an integer", .min = INT64_MIN};
constexpr Rule error_name{.kind = errno_word, .what = "the name of an error"};
constexpr const Rule* returns_options[] = {&error_name, &any_integer};
constexpr Rule returns_rule{
    .kind = either, .what = "an error name or an integer", .options = returns_options};
constexpr RuleField sleep_fields[] = {{"for", &duration_rule, required}, {"nth", &count_rule}};
constexpr Rule sleep_rule{.kind = object, .what = "an object", .fields = sleep_fields};

constexpr std::string_view hook_words[] = {"mmap_prepare", "mmap", "both", "none"};
constexpr Rule hook_word{.kind = word, .what = "a hook", .words = hook_words};
constexpr RuleField stacked_fields[] = {{"stacked", &text_rule, required}};
constexpr Rule hook_stacked{
    .kind = object, .what = "{\"stacked\": DEVICE}", .fields = stacked_fields};
constexpr const Rule* hook_options[] = {&hook_word, &hook_stacked};
constexpr Rule hook_rule{
    .kind = either, .what = "a hook or {\"stacked\": DEVICE}", .options = hook_options};

constexpr RuleField phys_fields[] = {{"at", &size_rule, required}, {"size", &size_rule, required}};
constexpr Rule phys_range{.kind = object, .what = "a physical range", .fields = phys_fields};
constexpr std::string_view offset_words[] = {"offset"};
constexpr Rule phys_word{.kind = word, .what = "\"offset\"", .words = offset_words};
constexpr const Rule* phys_options[] = {&phys_range, &phys_word};
constexpr Rule phys_rule{
    .kind = either, .what = "a physical range or \"offset\"", .options = phys_options};

constexpr std::string_view bad_words[] = {"ref0", "slab", "zero", "duplicate"};
constexpr Rule bad_word{.kind = word, .what = "a sort of bad page", .words = bad_words};
constexpr Rule bad_rule{
    .kind = map, .what = "an object of bad pages by index", .item = &bad_word, .key = &text_rule};
constexpr RuleField pages_fields[] = {{"count", &count_rule, required}, {"bad", &bad_rule}};
constexpr Rule pages_rule{.kind = object, .what = "a page array", .fields = pages_fields};

// ---- actions and the calls of a legacy hook ---------------------------------------------------

constexpr std::string_view action_words[] = {
    "none",         "remap",          "remap_full",       "ioremap",
    "ioremap_full", "simple_ioremap", "map_kernel_pages", "map_kernel_pages_full"};
constexpr Rule action_word{.kind = word, .what = "an action", .words = action_words};
constexpr const Rule* action_type_options[] = {&action_word, &any_integer};
constexpr Rule action_type{
    .kind = either, .what = "an action or an integer", .options = action_type_options};
constexpr std::string_view half_words[] = {"half"};
constexpr Rule half_word{.kind = word, .what = "\"half\"", .words = half_words};
constexpr const Rule* size_options[] = {&half_word, &argument_rule};
constexpr Rule action_size{.kind = either, .what = "a size or \"half\"", .options = size_options};
constexpr RuleField action_fields[] = {
    {"type", &action_type, required}, {"start", &argument_rule}, {"pfn", &argument_rule},
    {"phys", &argument_rule},         {"pages", &argument_rule}, {"size", &action_size},
    {"from", &argument_rule},
};
constexpr Rule action_object{.kind = object, .what = "an action", .fields = action_fields};
constexpr Rule action_list{.kind = list, .what = "a list of actions", .item = &action_object};
constexpr const Rule* action_options[] = {&action_object, &action_list};
constexpr Rule action_rule{
    .kind = either, .what = "an action or a list of them", .options = action_options};

constexpr RuleField remap_fields[] = {
    {"start", &argument_rule}, {"size", &action_size}, {"pfn", &argument_rule}};
constexpr Rule remap_call{.kind = object, .what = "an object", .fields = remap_fields};
constexpr RuleField iomap_fields[] = {{"phys", &argument_rule}, {"size", &action_size}};
constexpr Rule iomap_call{.kind = object, .what = "an object", .fields = iomap_fields};
constexpr RuleField page_fields[] = {{"start", &argument_rule}, {"from", &argument_rule}};
constexpr Rule page_call{.kind = object, .what = "an object", .fields = page_fields};
constexpr RuleField insert_fields[] = {
    {"start", &argument_rule}, {"pages", &argument_rule}, {"from", &argument_rule}};
constexpr Rule insert_call{.kind = object, .what = "an object", .fields = insert_fields};
constexpr RuleField map_fields[] = {{"pages", &argument_rule}};
constexpr Rule map_call{.kind = object, .what = "an object", .fields = map_fields};
constexpr RuleField call_fields[] = {
    {"remap_pfn_range", &remap_call, choice},  {"io_remap_pfn_range", &remap_call, choice},
    {"vm_iomap_memory", &iomap_call, choice},  {"vm_insert_page", &page_call, choice},
    {"vm_insert_pages", &insert_call, choice}, {"vm_map_pages", &map_call, choice},
};
constexpr Rule call_rule{.kind = object, .what = "a call", .fields = call_fields};
constexpr Rule calls_rule{.kind = list, .what = "a list of calls", .item = &call_rule};

// ---- vm_ops -----------------------------------------------------------------------------------

constexpr RuleField op_fields[] = {{"returns", &returns_rule}, {"sleep", &sleep_rule}};
constexpr Rule op_rule{.kind = object, .what = "an object", .fields = op_fields};
constexpr RuleField mapped_fields[] = {
    {"returns", &returns_rule}, {"sleep", &sleep_rule}, {"private_data", &argument_rule}};
constexpr Rule mapped_rule{.kind = object, .what = "an object", .fields = mapped_fields};
constexpr std::string_view fault_words[] = {"insert_page",           "insert_pfn",   "sigbus",
                                            "insert_pfn_unless_cow", "insert_mixed", "dax"};
constexpr Rule fault_word{.kind = word, .what = "what the fault does", .words = fault_words};
constexpr RuleField fault_fields[] = {{"how", &fault_word, required}, {"sleep", &sleep_rule}};
constexpr Rule fault_object{.kind = object, .what = "an object", .fields = fault_fields};
constexpr const Rule* fault_options[] = {&fault_word, &fault_object};
constexpr Rule fault_rule{.kind = either, .what = "what the fault does", .options = fault_options};
constexpr std::string_view huge_fault_words[] = {"insert_pfn", "insert_pfn_if_aligned", "fallback",
                                                 "sigbus", "dax"};
constexpr Rule huge_fault_word{
    .kind = word, .what = "what a huge fault does", .words = huge_fault_words};
constexpr RuleField huge_fault_fields[] = {{"how", &huge_fault_word, required},
                                           {"sleep", &sleep_rule}};
constexpr Rule huge_fault_object{.kind = object, .what = "an object", .fields = huge_fault_fields};
constexpr const Rule* huge_fault_options[] = {&huge_fault_word, &huge_fault_object};
constexpr Rule huge_fault_rule{
    .kind = either, .what = "what a huge fault does", .options = huge_fault_options};
constexpr RuleField vm_ops_fields[] = {
    {"open", &op_rule},       {"close", &op_rule},
    {"mapped", &mapped_rule}, {"fault", &fault_rule},
    {"may_split", &op_rule},  {"mremap", &op_rule},
    {"mprotect", &op_rule},   {"huge_fault", &huge_fault_rule},
};
constexpr Rule vm_ops_object{.kind = object, .what = "an object", .fields = vm_ops_fields};
constexpr const Rule* vm_ops_options[] = {&vm_ops_object, &null_rule};
constexpr Rule vm_ops_rule{
    .kind = either, .what = "an object of operations or null", .options = vm_ops_options};

constexpr std::string_view prot_words[] = {"noncached", "writecombine"};
constexpr Rule page_prot_rule{.kind = word, .what = "a cache mode", .words = prot_words};

constexpr RuleField char_fields[] = {
    {"preset", &text_rule, optional, "", "a driver that is known by name, or /dev/zero"},
    {"hook", &hook_rule},
    {"phys", &phys_rule},
    {"pages", &pages_rule},
    {"action", &action_rule},
    {"calls", &calls_rule},
    {"returns", &returns_rule},
    {"set_flags", &vma_flags_rule},
    {"clear_flags", &vma_flags_rule},
    {"page_prot", &page_prot_rule},
    {"page_prot_after", &page_prot_rule},
    {"private_data", &argument_rule},
    {"replace_file", &text_rule},
    {"pgoff_shift", &argument_rule},
    {"align", &size_rule, optional, "", "device-dax: bytes of a page, 4KiB, 2MiB or 1GiB"},
    {"vm_ops", &vm_ops_rule},
    {"success_hook", &op_rule},
    {"error_hook", &op_rule},
    {"hide_from_rmap", &boolean_rule},
    {"sleep", &sleep_rule},
};

}  // namespace

constexpr Rule char_device_rule{
    .kind = object, .what = "a driver", .name = "char_device", .fields = char_fields};

}  // namespace faultline
