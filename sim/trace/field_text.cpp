// Writing fields: numbers through digits.hpp, words through the tables of names.hpp.
#include "trace/field_text.hpp"

#include <cstring>

#include "base/bug.hpp"
#include "trace/digits.hpp"
#include "trace/names.hpp"

namespace faultline {
namespace {

using namespace digits;

char* put(char* p, std::string_view text) {
  std::memcpy(p, text.data(), text.size());
  return p + text.size();
}

// As the kernel's __print_flags: words in table order, then what no word covers, in hex.
char* put_flags(char* p, FieldType type, std::uint64_t bits) {
  const char* const begin = p;
  for (const auto& word : flag_words(type)) {
    if ((bits & word.value) == 0) continue;
    bits &= ~word.value;
    if (p != begin) *p++ = '|';
    p = put(p, word.name);
  }
  if (bits != 0) {
    if (p != begin) *p++ = '|';
    p = put_hex(p, bits);
  }
  return p;
}

// As the kernel's __print_symbolic.
char* put_value(char* p, FieldType type, std::uint64_t value) {
  for (const auto& word : value_words(type)) {
    if (word.value == value) return put(p, word.name);
  }
  return put_hex(p, value);
}

// A negative errno by name, anything else as a number.
char* put_error(char* p, std::uint64_t value) {
  const auto word = errno_word(0 - value);
  if (word.empty()) return put_sdec(p, value);
  *p++ = '-';
  return put(p, word);
}

char* put_ret(char* p, RetKind kind, std::uint64_t value) {
  if (kind == RetKind::none) return p;
  p = put(p, " = ");
  switch (kind) {
    case RetKind::hex:
      return put_hex(p, value);
    case RetKind::errno_:
      return put_error(p, value);
    case RetKind::vm_fault:
      return value == 0 ? put(p, "0") : put_flags(p, FieldType::vm_fault, value);
    case RetKind::boolean:
      return put(p, value != 0 ? "true" : "false");
    case RetKind::pointer:
      return put_hex16(p, value);
    case RetKind::none:
    case RetKind::integer:
      break;
  }
  return put_sdec(p, value);
}

char* put_dec3(char* p, std::uint64_t v) {
  if (v < 100) *p++ = '0';
  if (v < 10) *p++ = '0';
  return put_dec(p, v);
}

char* put_dev(char* p, std::uint64_t dev) {
  p = put_dec(p, dev >> 20);
  *p++ = ':';
  return put_dec(p, dev & 0xfffff);
}

char* put_memcg(char* p, std::uint64_t id) {
  if (id == 0) return p;
  *p++ = '/';
  return id == 1 ? p : put_dec(p, id);
}

char* put_lock_mode(char* p, std::uint64_t flags) {
  if (flags & 1) p = put(p, "try ");
  if (flags & 2) p = put(p, "read ");
  return p;
}

char* put_errno_name(char* p, std::uint64_t number) {
  const auto word = errno_word(number);
  return word.empty() ? put_dec(p, number) : put(p, word);
}

}  // namespace

char* put_field(char* p, FieldType type, std::uint64_t word, std::uint64_t previous) {
  switch (type) {
    case FieldType::dec:
      return put_dec(p, word);
    case FieldType::dec3:
      return put_dec3(p, word);
    case FieldType::sdec:
      return put_sdec(p, word);
    case FieldType::ip:
    case FieldType::hex:
      return put_hex(p, word);
    case FieldType::xhex:
      return put_xhex(p, word);
    case FieldType::ptr:
      return put_hex16(p, word);
    case FieldType::dev:
      return put_dev(p, word);
    case FieldType::boolean:
      return put(p, word != 0 ? "true" : "false");
    case FieldType::memcg:
      return put_memcg(p, word);
    case FieldType::vm_shared:
      return put(p, (word & 8) != 0 ? "shared" : "private");
    case FieldType::rw_word:
      return put(p, word != 0 ? "write" : "read");
    case FieldType::lock_mode:
      return put_lock_mode(p, word);
    case FieldType::xfs_queue:
      return put(p, word != 0 ? "active" : "empty");
    case FieldType::errno_name:
      return put_errno_name(p, word);
    case FieldType::ret_kind:
      return p;
    case FieldType::ret_value:
      return put_ret(p, static_cast<RetKind>(previous), word);
    case FieldType::contention:
    case FieldType::xfs_lock:
    case FieldType::xfs_buf:
    case FieldType::xfs_tic:
    case FieldType::fault_flags:
    case FieldType::vm_fault:
    case FieldType::iomap_map_612:
    case FieldType::iomap_map_71:
    case FieldType::iomap_op_612:
    case FieldType::iomap_op_71:
    case FieldType::pfn_words:
      return put_flags(p, type, word);
    case FieldType::iomap_type:
    case FieldType::xfs_fork:
    case FieldType::xfs_io:
    case FieldType::tlb_612:
    case FieldType::tlb_71:
      return put_value(p, type, word);
    case FieldType::literal:
    case FieldType::sym:
    case FieldType::ksym:
      break;
  }
  FL_BUG("not a field of plain words");
}

}  // namespace faultline
