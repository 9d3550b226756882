// Linux x86-64 system call numbers (arch/x86/entry/syscalls/syscall_64.tbl, 6.12) as far as traces
// of the fault path and of the programs that exercise it contain them.
#include "analysis/views_syscalls.hpp"

#include <faultline/errno.hpp>

#include <algorithm>
#include <array>
#include <charconv>

#include "analysis/views_text.hpp"

namespace faultline {
namespace {

struct Number {
  std::int64_t number;
  std::string_view name;
};

constexpr std::array numbers{
    Number{0, "read"},
    Number{1, "write"},
    Number{2, "open"},
    Number{3, "close"},
    Number{5, "fstat"},
    Number{8, "lseek"},
    Number{9, "mmap"},
    Number{10, "mprotect"},
    Number{11, "munmap"},
    Number{12, "brk"},
    Number{13, "rt_sigaction"},
    Number{14, "rt_sigprocmask"},
    Number{15, "rt_sigreturn"},
    Number{16, "ioctl"},
    Number{17, "pread64"},
    Number{18, "pwrite64"},
    Number{19, "readv"},
    Number{20, "writev"},
    Number{22, "pipe"},
    Number{24, "sched_yield"},
    Number{25, "mremap"},
    Number{26, "msync"},
    Number{27, "mincore"},
    Number{28, "madvise"},
    Number{34, "pause"},
    Number{35, "nanosleep"},
    Number{39, "getpid"},
    Number{56, "clone"},
    Number{57, "fork"},
    Number{58, "vfork"},
    Number{59, "execve"},
    Number{60, "exit"},
    Number{61, "wait4"},
    Number{62, "kill"},
    Number{72, "fcntl"},
    Number{74, "fsync"},
    Number{75, "fdatasync"},
    Number{76, "truncate"},
    Number{77, "ftruncate"},
    Number{87, "unlink"},
    Number{131, "sigaltstack"},
    Number{149, "mlock"},
    Number{150, "munlock"},
    Number{151, "mlockall"},
    Number{152, "munlockall"},
    Number{157, "prctl"},
    Number{158, "arch_prctl"},
    Number{162, "sync"},
    Number{186, "gettid"},
    Number{200, "tkill"},
    Number{202, "futex"},
    Number{203, "sched_setaffinity"},
    Number{206, "io_setup"},
    Number{207, "io_destroy"},
    Number{208, "io_getevents"},
    Number{209, "io_submit"},
    Number{216, "remap_file_pages"},
    Number{218, "set_tid_address"},
    Number{221, "fadvise64"},
    Number{230, "clock_nanosleep"},
    Number{231, "exit_group"},
    Number{234, "tgkill"},
    Number{247, "waitid"},
    Number{257, "openat"},
    Number{263, "unlinkat"},
    Number{273, "set_robust_list"},
    Number{277, "sync_file_range"},
    Number{285, "fallocate"},
    Number{293, "pipe2"},
    Number{295, "preadv"},
    Number{296, "pwritev"},
    Number{302, "prlimit64"},
    Number{306, "syncfs"},
    Number{325, "mlock2"},
    Number{326, "copy_file_range"},
    Number{327, "preadv2"},
    Number{328, "pwritev2"},
    Number{334, "rseq"},
    Number{435, "clone3"},
};

constexpr std::array<std::string_view, 21> harness_calls{
    "clock_nanosleep",
    "futex",
    "getpid",
    "gettid",
    "nanosleep",
    "pipe",
    "pipe2",
    "prctl",
    "read",
    "rseq",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sched_setaffinity",
    "sched_yield",
    "set_robust_list",
    "set_tid_address",
    "sigaltstack",
    "wait4",
    "waitid",
    "write",
};
static_assert(std::is_sorted(harness_calls.begin(), harness_calls.end()));

constexpr std::array<std::string_view, 7> returns_process{"clone", "clone3", "fork",  "vfork",
                                                          "wait4", "waitid", "getpid"};

/// Decimal or 0x hex, with an optional minus sign. Nothing for other text.
std::optional<std::int64_t> to_number(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const int base = text.starts_with("0x") ? 16 : 10;
  if (base == 16) text.remove_prefix(2);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return static_cast<std::int64_t>(negative ? 0 - value : value);
}

std::string value_text(std::int64_t value) {
  constexpr std::int64_t small = 1 << 16;
  if (value > -4096 && value < small) return std::to_string(value);
  char digits[16];
  const auto end =
      std::to_chars(digits, digits + sizeof digits, static_cast<std::uint64_t>(value), 16).ptr;
  return "0x" + std::string(digits, end);
}

}  // namespace

std::string syscall_name(std::int64_t number) {
  const auto row = std::lower_bound(numbers.begin(), numbers.end(), number,
                                    [](const Number& a, std::int64_t b) { return a.number < b; });
  if (row != numbers.end() && row->number == number) return std::string(row->name);
  return "NR" + std::to_string(number);
}

bool is_harness_call(std::string_view name) {
  return std::binary_search(harness_calls.begin(), harness_calls.end(), name);
}

std::optional<SyscallLine> split_syscall(std::string_view body) {
  body = trim(body);
  std::optional<std::int64_t> number;
  if (body.starts_with("NR ")) {
    body.remove_prefix(3);
    number = to_number(next_word(body));
    if (!number) return std::nullopt;
  }
  const auto mark = body.find_first_of("(=");
  if (mark == body.npos) return std::nullopt;
  SyscallLine call;
  call.name = number ? syscall_name(*number) : std::string(trim(body.substr(0, mark)));
  call.rest = trim(body.substr(mark + 1));
  if (body[mark] == '(' && call.rest.ends_with(')')) call.rest.remove_suffix(1);
  return call;
}

std::string enter_text(const SyscallLine& call) { return "sys_enter " + call.name; }

std::string exit_text(const SyscallLine& call) {
  std::string text = "sys_exit " + call.name + " = ";
  auto value = to_number(call.rest);
  if (!value && call.rest.starts_with("-E")) {  // some tracers print errors by name
    const auto error = errno_from_name(call.rest.substr(1));
    if (error) value = -*error;
  }
  if (!value) return text += call.rest;
  const bool process =
      std::find(returns_process.begin(), returns_process.end(), call.name) != returns_process.end();
  return text += process && *value > 0 ? "PID" : value_text(*value);
}

}  // namespace faultline
