// The events view's tables: event -> compared fields, inlined function -> containing function.
// An event that is missing from the first is not compared, and the caller counts it; a field that
// is missing carries an address, a time or a number that only that one run gives a meaning.
#include "analysis/views_text.hpp"

#include <algorithm>
#include <array>

namespace faultline {
namespace {

struct EventFields {
  std::string_view name;
  std::string_view fields;  ///< separated by blanks; what begins with @ has a function of its own
};

// In alphabetical order: looked up by bisection.
constexpr std::array event_fields{
    EventFields{"dax_insert_pfn_mkwrite", "@dax"},
    EventFields{"dax_insert_pfn_mkwrite_no_entry", "@dax"},
    EventFields{"dax_load_hole", "@dax"},
    EventFields{"dax_pmd_fault", "@dax"},
    EventFields{"dax_pmd_fault_done", "@dax"},
    EventFields{"dax_pmd_load_hole", "@dax"},
    EventFields{"dax_pmd_load_hole_fallback", "@dax"},
    EventFields{"dax_pte_fault", "@dax"},
    EventFields{"dax_pte_fault_done", "@dax"},
    EventFields{"dax_writeback_one", "pgoff pglen"},
    EventFields{"dax_writeback_range", "pgoff"},
    EventFields{"dax_writeback_range_done", ""},
    EventFields{"exit_mmap", ""},
    EventFields{"iomap_add_to_ioend", "offset length type flags"},
    EventFields{"iomap_dio_rw_begin", "offset length"},
    EventFields{"iomap_dio_rw_queued", "length"},
    EventFields{"iomap_invalidate_folio", "size offset length"},
    EventFields{"iomap_iter", "pos length processed status flags ops caller"},
    EventFields{"iomap_iter_dstmap", "offset length type flags"},
    EventFields{"iomap_iter_srcmap", "offset length type flags"},
    EventFields{"iomap_readahead", "nr_pages"},
    EventFields{"iomap_readpage", "nr_pages"},
    EventFields{"iomap_release_folio", "size offset length"},
    EventFields{"iomap_writeback_folio", "size offset length"},
    EventFields{"iomap_writepage", "size offset length"},
    EventFields{"iomap_writepage_map", "offset length type flags"},
    EventFields{"iomap_zero_iter", "size offset length"},
    EventFields{"mm_filemap_add_to_page_cache", "ofs order"},
    EventFields{"mm_filemap_delete_from_page_cache", "ofs order"},
    EventFields{"mm_filemap_fault", "ofs"},
    EventFields{"mm_filemap_map_pages", "ofs"},
    EventFields{"mmap_lock_acquire_returned", "write success"},
    EventFields{"mmap_lock_released", "write"},
    EventFields{"mmap_lock_start_locking", "write"},
    EventFields{"page_fault_kernel", "error_code"},
    EventFields{"page_fault_user", "error_code"},
    EventFields{"sched_switch", "@sched_switch"},
    EventFields{"signal_generate", "sig code"},
    EventFields{"tlb_flush", "@tlb_flush"},
    EventFields{"xfs_alloc_vextent_finish", "minlen maxlen len"},
    EventFields{"xfs_buf_lock", "bufops"},
    EventFields{"xfs_buf_lock_done", "bufops"},
    EventFields{"xfs_buf_trylock", "bufops"},
    EventFields{"xfs_buf_unlock", "bufops"},
    EventFields{"xfs_file_dax_read", "pos bytecount"},
    EventFields{"xfs_file_dax_write", "pos bytecount"},
    EventFields{"xfs_file_fsync", ""},
    EventFields{"xfs_filemap_fault", "order write_fault"},
    EventFields{"xfs_free_file_space", ""},
    EventFields{"xfs_ilock", "flags caller"},
    EventFields{"xfs_ilock_demote", "flags caller"},
    EventFields{"xfs_ilock_nowait", "flags caller"},
    EventFields{"xfs_iomap_alloc", "pos bytecount fork startoff fsbcount"},
    EventFields{"xfs_iomap_found", "pos bytecount fork startoff fsbcount"},
    EventFields{"xfs_itruncate_extents_end", "new_size"},
    EventFields{"xfs_itruncate_extents_start", "new_size"},
    EventFields{"xfs_iunlock", "flags caller"},
    EventFields{"xfs_log_force", "caller"},
    EventFields{"xfs_log_reserve", ""},
    EventFields{"xfs_log_reserve_exit", ""},
    EventFields{"xfs_map_blocks_found", "pos bytecount fork startoff fsbcount"},
    EventFields{"xfs_read_fault", "order"},
    EventFields{"xfs_reflink_convert_cow", "fileoff fsbcount st"},
    EventFields{"xfs_reflink_cow_remap_from", "fileoff fsbcount st"},
    EventFields{"xfs_reflink_cow_remap_to", "fileoff fsbcount st"},
    EventFields{"xfs_reflink_end_cow", "pos bytecount"},
    EventFields{"xfs_reflink_trim_around_shared", "fileoff fsbcount st"},
    EventFields{"xfs_setattr", ""},
    EventFields{"xfs_setfilesize", "pos bytecount"},
    EventFields{"xfs_trans_alloc", "flags caller"},
    EventFields{"xfs_trans_cancel", "flags caller"},
    EventFields{"xfs_trans_commit", "flags caller"},
    EventFields{"xfs_trans_free", "flags caller"},
    EventFields{"xfs_trans_roll", "flags caller"},
    EventFields{"xfs_update_time", ""},
    EventFields{"xfs_write_fault", "order"},
};
static_assert(std::is_sorted(event_fields.begin(), event_fields.end(),
                             [](auto& a, auto& b) { return a.name < b.name; }));

struct Inlined {
  std::string_view inlined;
  std::string_view into;
};

// Which function's address a tracepoint prints depends on what the compiler inlined. The right
// side is the name that all builds are compared under.
constexpr std::array inlined_functions{
    Inlined{"__xfs_write_fault", "__xfs_filemap_fault"},
    Inlined{"xfs_dax_fault_locked", "__xfs_filemap_fault"},
    Inlined{"xfs_dax_read_fault", "__xfs_filemap_fault"},
    Inlined{"xfs_file_dax_read", "xfs_ilock_iocb"},
    Inlined{"xfs_file_dax_write", "xfs_ilock_iocb"},
    Inlined{"xfs_fsync_flush_log", "xfs_file_fsync"},
    Inlined{"xfs_inode_item_release", "xlog_cil_commit"},
    Inlined{"xfs_read_fault", "__xfs_filemap_fault"},
    Inlined{"xfs_reflink_fill_cow_hole", "xfs_reflink_allocate_cow"},
    Inlined{"xfs_setattr_size", "xfs_vn_setattr_size"},
    Inlined{"xfs_unmap_extent", "xfs_free_file_space"},
    Inlined{"xfs_write_fault", "__xfs_filemap_fault"},
};

const EventFields* find_event(std::string_view name) {
  const auto row = std::lower_bound(event_fields.begin(), event_fields.end(), name,
                                    [](const EventFields& a, auto b) { return a.name < b; });
  return row != event_fields.end() && row->name == name ? row : nullptr;
}

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

void append_field(std::string& out, std::string_view key, std::string_view value) {
  out += ' ';
  out += key;
  out += '=';
  out += value;
}

/// `shared|private [FLAGS] address A ... pgoff N [max_pgoff N] [RESULT]`: sharing, flags and result
/// have no key.
void append_dax(std::string& out, std::string_view body) {
  std::string_view rest = body;
  std::string_view last_key;
  for (auto word = next_word(rest); !word.empty(); word = next_word(rest)) {
    if (word == "shared" || word == "private") {
      out += ' ';
      out += word;
      std::string_view ahead = rest;
      const auto flags = next_word(ahead);
      if (flags != "address") append_field(out, "flags", flags);
    } else if (word == "pgoff" || word == "max_pgoff") {
      append_field(out, word, next_word(rest));
      last_key = word;
    } else if (!last_key.empty()) {
      append_field(out, "result", word);
    }
  }
}

/// A task that goes to sleep is compared by why; one that is only preempted is not compared.
std::optional<std::string> sched_switch_text(std::string_view body) {
  const auto state = field_of(body, "prev_state");
  if (!state || state->starts_with('R')) return std::nullopt;
  return "sched_switch prev_state=" + std::string(*state);
}

/// When a CPU changes from one process to another is the scheduler's business.
std::optional<std::string> tlb_flush_text(std::string_view body) {
  if (body.find("flush on task switch") != body.npos) return std::nullopt;
  std::string out = "tlb_flush";
  for (auto word = next_word(body); !word.empty(); word = next_word(body)) (out += ' ') += word;
  return out;
}

std::string_view field_text(std::string_view key, std::string_view value) {
  if (key == "caller") return containing_function(value);
  if (key == "ops" || key == "bufops") return plain_symbol(value);
  // iomap_iter prints its flags as `WORDS (0xNUMBER)`; without words the number comes first.
  if (key == "flags" && value.starts_with('(')) return {};
  return value;
}

}  // namespace

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string_view next_word(std::string_view& text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  std::size_t end = 0;
  while (end < text.size() && !is_blank(text[end])) ++end;
  const auto word = text.substr(0, end);
  text.remove_prefix(end);
  return word;
}

std::optional<std::string_view> field_of(std::string_view body, std::string_view key) {
  for (auto word = next_word(body); !word.empty(); word = next_word(body)) {
    if (word == key) return next_word(body);
    if (word.size() > key.size() && word[key.size()] == '=' && word.starts_with(key)) {
      return word.substr(key.size() + 1);
    }
  }
  return std::nullopt;
}

std::string_view plain_symbol(std::string_view symbol) {
  symbol = symbol.substr(0, symbol.find('+'));
  return symbol.substr(0, symbol.find('.'));
}

std::string_view containing_function(std::string_view symbol) {
  symbol = plain_symbol(symbol);
  for (const auto& row : inlined_functions) {
    if (row.inlined == symbol) return row.into;
  }
  return symbol;
}

bool is_compared_event(std::string_view name) { return find_event(name) != nullptr; }

std::optional<std::string> event_text(std::string_view name, std::string_view body) {
  const auto* row = find_event(name);
  if (!row) return std::nullopt;
  if (row->fields == "@sched_switch") return sched_switch_text(body);
  if (row->fields == "@tlb_flush") return tlb_flush_text(body);
  std::string out(name);
  if (row->fields == "@dax") {
    append_dax(out, body);
  } else {
    std::string_view keys = row->fields;
    for (auto key = next_word(keys); !key.empty(); key = next_word(keys)) {
      if (const auto value = field_of(body, key)) append_field(out, key, field_text(key, *value));
    }
  }
  return out;
}

}  // namespace faultline
