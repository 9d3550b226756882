// Declared files: where they lie, how large they are, their times and flags, and what of them is
// cached. Their extents are read in read_extents.cpp.
#include <fmt/format.h>

#include "base/units.hpp"
#include "scenario/reader.hpp"

namespace faultline {
namespace {

constexpr std::string_view type_words[] = {"regular", "directory", "char", "pipe"};

std::uint32_t octal(std::string_view digits) {
  std::uint32_t value = 0;
  for (const char c : digits) value = value << 3 | static_cast<std::uint32_t>(c - '0');
  return value;
}

}  // namespace

void Reader::read_files(NodeId files) {
  for (const NodeId node : Children(tree_, files)) {
    FileSpec file;
    file.name = tree_.key(node);
    read_file(node, file);
    scenario_.files.push_back(std::move(file));
  }
  check_shared();
  check_space();
}

void Reader::read_file(NodeId node, FileSpec& file) {
  file.type = values_.word(get(node, "type"), type_words, FileType::regular);
  read_place(node, file);
  const NodeId size = get(node, "size");
  file.size = values_.size(size);
  if (file.size > largest_file) {
    wrong(size, [&] {
      return fmt::format("{} is too large: a file has at most 2^63 - 1 bytes",
                         size_text(file.size));
    });
  }
  file.uid = static_cast<std::uint32_t>(values_.size(get(node, "uid")));
  const NodeId mode = get(node, "mode");
  const std::string_view digits = values_.text(mode);
  const bool is_octal = digits.find_first_not_of("01234567") == std::string_view::npos;
  if (!digits.empty() && is_octal && digits.size() <= 5)
    file.mode = octal(digits);
  else if (digits.empty())
    file.mode = static_cast<std::uint32_t>(values_.size(mode, file.mode));
  for (const NodeId flag : Children(tree_, get(node, "flags"))) {
    const std::string_view word = values_.text(flag);
    if (word == "append") file.flags |= file_append;
    if (word == "immutable") file.flags |= file_immutable;
    if (word == "noexec") file.flags |= file_noexec;
  }
  file.atime = read_time(get(node, "atime"));
  file.mtime = read_time(get(node, "mtime"));
  const NodeId extsize = get(node, "extsize");
  file.extsize = values_.size(extsize);
  check_blocks(extsize, "an extent-size hint");
  if (file.extsize != 0 && file.type != FileType::regular) {
    wrong(extsize, [] { return std::string("only a regular file has an extent-size hint"); });
  }
  const NodeId extents = get(node, "extents");
  if (extents != no_node && tree_[extents].kind == JsonKind::array)
    read_extents(extents, file);
  else if (extents != no_node)
    read_pattern(get(extents, "pattern"), file);
  read_cached(get(node, "cached"), file);
}

void Reader::read_place(NodeId node, FileSpec& file) {
  const NodeId fs = get(node, "fs");
  const NodeId device = get(node, "device");
  if (file.type == FileType::character) {
    const auto index = named(device, devices_, "device");
    file.device = DeviceRef(index.value_or(0));
    if (device == no_node) {
      wrong(node, [] { return std::string("a file of type char needs \"device\""); });
    } else if (index && !std::holds_alternative<CharSpec>(scenario_.devices[*index].what)) {
      wrong(device, [&] {
        return fmt::format("{} is not a character device", json_quote(values_.text(device)));
      });
    }
    return;
  }
  if (device != no_node) {
    wrong(device, [] { return std::string("only a file of type char has \"device\""); });
  }
  if (file.type == FileType::pipe) return;
  const auto index = named(fs, filesystems_, "file system");
  if (fs == no_node) {
    wrong(node, [] { return std::string("a file needs \"fs\", the file system it is on"); });
  }
  if (!index) {
    file.fs = FsRef(no_index);
    return;
  }
  file.fs = FsRef(*index);
  const auto* xfs = std::get_if<XfsSpec>(&scenario_.filesystems[*index].what);
  if (xfs != nullptr) file.device = xfs->device;
}

FileTime Reader::read_time(NodeId node) const {
  const std::string_view word = values_.text(node);
  if (node == no_node || word == "fresh") return {};
  if (word == "stale") return {FileTime::Kind::stale, 0};
  return {FileTime::Kind::at, values_.duration(node)};
}

/// Blocks are reserved for what has been written and is not on the device yet.
void Reader::check_clean(NodeId node, const FileSpec& file, const CachedRange& range) {
  if (range.dirty) return;
  for (const ExtentSpec& e : file.extents) {
    if (e.state != ExtentState::delalloc) continue;
    if (e.at >= range.at + range.length || e.at + e.length <= range.at) continue;
    return wrong(node, [] {
      return std::string("the pages of a delalloc extent are dirty; they need not be declared");
    });
  }
}

void Reader::read_cached(NodeId list, FileSpec& file) {
  for (const NodeId node : Children(tree_, list)) {
    CachedRange range;
    range.at = values_.size(get(node, "at"));
    range.length = values_.size(get(node, "length"));
    range.dirty = values_.truth(get(node, "dirty"), false);
    range.folio = values_.size(get(node, "folio"));
    check_blocks(get(node, "at"), "the start of a cached range");
    check_blocks(get(node, "length"), "the length of a cached range");
    check_clean(node, file, range);
    file.cached.push_back(range);
  }
}

}  // namespace faultline
