// Names of the locks view, and the three spellings they come in: the reduced reference format, the
// lock events of ftrace, and our own sim_bitlock_* events, which have the same shape.
#include "analysis/views_locks.hpp"

#include <algorithm>
#include <array>

#include "analysis/views_text.hpp"

namespace faultline {
namespace {

constexpr std::array<std::string_view, 23> counted_classes{
    "&(&ip->i_mmaplock)->mr_lock",
    "&(&mapping->tree_lock)->rlock",
    "&(&mm->page_table_lock)->rlock",
    "&(ptlock_ptr(page))->rlock",
    "&anon_vma->rwsem",
    "&cil->xc_ctx_lock",
    "&mapping->i_mmap_rwsem",
    "&mm->mmap_lock",
    "&mm->mmap_sem",
    "&mm->page_table_lock",
    "&sb->s_type->i_mutex_key",
    "&vma->vm_lock->lock",
    "&xa->xa_lock",
    "&xfs_dir_ilock_class",
    "&xfs_nondir_ilock_class",
    "dax_entry",
    "dax_srcu",
    "mapping.invalidate_lock",
    "ptlock_ptr(ptdesc)",
    "sb_internal",
    "sb_pagefaults",
    "sb_writers",
    "vm_lock",
};
static_assert(std::is_sorted(counted_classes.begin(), counted_classes.end()));

/// Cuts off `/1` and `#2` where digits alone follow the mark.
std::string_view without_suffix(std::string_view name, char mark) {
  const auto at = name.rfind(mark);
  if (at == name.npos || at + 1 == name.size()) return name;
  const auto digits = name.substr(at + 1);
  const bool number =
      std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
  return number ? name.substr(0, at) : name;
}

bool has_modes(std::string_view counted) {
  return counted != "dax_entry" && !counted.starts_with("xfs_buf(");
}

}  // namespace

std::optional<std::string> counted_class(std::string_view name) {
  name = without_suffix(without_suffix(name, '/'), '#');
  if (name.starts_with("xfs_buf(") && name.ends_with(')')) {
    auto kind = name.substr(8, name.size() - 9);
    if (kind.ends_with("_buf")) kind.remove_suffix(4);
    return "xfs_buf(" + std::string(kind) + ")";
  }
  if (!std::binary_search(counted_classes.begin(), counted_classes.end(), name)) {
    return std::nullopt;
  }
  return std::string(name);
}

std::string acquire_text(std::string_view counted, LockTake take) {
  std::string text = "ACQ " + std::string(counted);
  if (has_modes(counted)) text += take.read ? " read" : " excl";
  if (take.trylock) text += " trylock";
  return text;
}

std::string release_text(std::string_view counted) { return "REL " + std::string(counted); }

std::string_view split_lock_event(std::string_view body, LockTake& take) {
  next_word(body);
  body = trim(body);
  if (body.starts_with("try ")) {
    take.trylock = true;
    body = trim(body.substr(4));
  }
  if (body.starts_with("read ")) {
    take.read = true;
    body = trim(body.substr(5));
  }
  return body;
}

std::optional<std::string> buffer_class(std::string_view body) {
  const auto ops = field_of(body, "bufops");
  if (!ops) return std::nullopt;
  auto kind = plain_symbol(*ops);
  if (!kind.starts_with("xfs_") || !kind.ends_with("_buf_ops")) return std::nullopt;
  kind.remove_prefix(4);
  kind.remove_suffix(8);
  return "xfs_buf(" + std::string(kind) + ")";
}

}  // namespace faultline
