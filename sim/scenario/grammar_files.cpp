// Devices, file systems and files.
#include "scenario/rule.hpp"

namespace faultline {
namespace {

using enum RuleKind;
using enum Need;

// ---- devices ----------------------------------------------------------------------------------

constexpr RuleField poison_fields[] = {
    {"at", &size_rule, required},
    {"length", &size_rule, required},
    {"known", &boolean_rule, optional, "", "whether the driver knows of it; true if absent"}};
constexpr Rule poisoned_range{.kind = object, .what = "a range", .fields = poison_fields};
constexpr Rule poison_rule{.kind = list, .what = "a list of ranges", .item = &poisoned_range};
constexpr RuleField pmem_fields[] = {{"size", &size_rule, required},
                                     {"preset", &preset_rule},
                                     {"poison", &poison_rule, optional, "pmem key"}};
constexpr Rule pmem_rule{.kind = object, .what = "an object", .fields = pmem_fields};
constexpr RuleField block_fields[] = {{"size", &size_rule, required}, {"preset", &text_rule}};
constexpr Rule block_rule{.kind = object, .what = "an object", .fields = block_fields};
constexpr RuleField device_fields[] = {{"pmem", &pmem_rule, choice, "device"},
                                       {"block", &block_rule, choice, "device"},
                                       {"char", &char_device_rule, choice, "device"}};
constexpr Rule device_rule{.kind = object, .what = "a device", .fields = device_fields};

// ---- file systems -----------------------------------------------------------------------------

constexpr std::string_view dax_words[] = {"always", "never", "inode"};
constexpr Rule dax_rule{
    .kind = word, .what = "a dax mode", .words = dax_words, .support = "dax mode"};
constexpr Rule agcount_rule{.kind = integer, .what = "1..65535", .min = 1, .max = 65535};
constexpr RuleField xfs_fields[] = {{"device", &text_rule, required},
                                    {"dax", &dax_rule},
                                    {"reflink", &boolean_rule},
                                    {"relatime", &boolean_rule},
                                    {"agcount", &agcount_rule, optional, "xfs key"},
                                    {"sunit", &size_rule, optional, "xfs key"},
                                    {"swidth", &size_rule, optional, "xfs key"},
                                    {"log_size", &size_rule}};
constexpr Rule xfs_rule{.kind = object, .what = "an object", .fields = xfs_fields};
constexpr RuleField filesystem_fields[] = {{"xfs", &xfs_rule, choice, "file system"},
                                           {"tmpfs", &empty_object_rule, choice, "file system"}};
constexpr Rule filesystem_rule{
    .kind = object, .what = "a file system", .fields = filesystem_fields};

// ---- files ------------------------------------------------------------------------------------

constexpr std::string_view type_words[] = {"regular", "directory", "char", "pipe"};
constexpr Rule type_rule{
    .kind = word, .what = "a file type", .words = type_words, .support = "file type"};
constexpr std::string_view flag_words[] = {"append", "immutable", "noexec"};
constexpr Rule flag_rule{.kind = word, .what = "a file flag", .words = flag_words};
constexpr Rule flag_list{.kind = list, .what = "a list of file flags", .item = &flag_rule};
constexpr std::string_view time_words[] = {"stale", "fresh"};
constexpr Rule time_word{.kind = word, .what = "\"stale\" or \"fresh\"", .words = time_words};
constexpr const Rule* time_options[] = {&time_word, &duration_rule};
constexpr Rule time_rule{
    .kind = either, .what = "\"stale\", \"fresh\" or a time", .options = time_options};

constexpr RuleField cached_fields[] = {{"at", &size_rule, required},
                                       {"length", &size_rule, required},
                                       {"dirty", &boolean_rule},
                                       {"folio", &size_rule}};
constexpr Rule cached_entry{.kind = object, .what = "a cached range", .fields = cached_fields};
constexpr Rule cached_rule{.kind = list, .what = "a list of cached ranges", .item = &cached_entry};

constexpr RuleField shared_fields[] = {{"file", &text_rule, required},
                                       {"at", &size_rule, required}};
constexpr Rule shared_rule{.kind = object, .what = "an object", .fields = shared_fields};
constexpr RuleField extent_fields[] = {{"at", &size_rule, required},
                                       {"length", &size_rule, required},
                                       {"state", &extent_state_rule},
                                       {"phys", &size_rule},
                                       {"shared_with", &shared_rule, optional, "extent key"}};
constexpr Rule extent_rule{.kind = object, .what = "an extent", .fields = extent_fields};
constexpr Rule extent_list{.kind = list, .what = "a list of extents", .item = &extent_rule};
constexpr RuleField pattern_fields[] = {{"every", &size_rule, required},
                                        {"length", &size_rule, required},
                                        {"count", &count_rule, required},
                                        {"state", &extent_state_rule}};
constexpr Rule pattern_rule{.kind = object, .what = "a pattern", .fields = pattern_fields};
constexpr RuleField extents_object_fields[] = {{"pattern", &pattern_rule, required}};
constexpr Rule extents_object{
    .kind = object, .what = "{\"pattern\": ...}", .fields = extents_object_fields};
constexpr const Rule* extents_options[] = {&extent_list, &extents_object};
constexpr Rule extents_rule{
    .kind = either, .what = "a list of extents or a pattern", .options = extents_options};

constexpr Rule mode_number{.kind = integer, .what = "a mode", .min = 0, .max = 07777};
constexpr const Rule* mode_options[] = {&mode_rule, &mode_number};
constexpr Rule file_mode{
    .kind = either, .what = "a mode (\"0644\" or an integer)", .options = mode_options};

constexpr RuleField file_fields[] = {
    {"fs", &text_rule},
    {"device", &text_rule, optional, "", "of a file of type char"},
    {"type", &type_rule},
    {"size", &size_rule},
    {"mode", &file_mode},
    {"uid", &uid_rule, optional, "", "its owner, 0 if absent"},
    {"flags", &flag_list},
    {"atime", &time_rule},
    {"mtime", &time_rule, optional, "", "stale: the next change logs the inode"},
    {"extsize", &size_rule, optional, "file key"},
    {"extents", &extents_rule, optional, "", "what is not in an extent is a hole"},
    {"cached", &cached_rule, optional, "file key"},
};
constexpr Rule file_rule{.kind = object, .what = "a file", .fields = file_fields};

}  // namespace

constexpr Rule devices_rule{
    .kind = map, .what = "an object of devices by name", .item = &device_rule, .key = &text_rule};
constexpr Rule filesystems_rule{.kind = map,
                                .what = "an object of file systems by name",
                                .item = &filesystem_rule,
                                .key = &text_rule};
constexpr Rule files_rule{
    .kind = map, .what = "an object of files by name", .item = &file_rule, .key = &text_rule};

}  // namespace faultline
