// The tables behind flags.hpp, values as in Linux 6.12 (include/uapi and arch/x86/include/uapi),
// plus the few newer or proposed ones that a known profile has: FALLOC_FL_WRITE_ZEROES,
// MADV_GUARD_*, MAP_DIRECT and F_MAP_DIRECT.
#include "base/flags.hpp"

#include <array>

namespace faultline {
namespace {

constexpr FlagWord open_words[] = {
    {"RDONLY", 0},         {"WRONLY", 1},         {"RDWR", 2},
    {"CREAT", 0x40},       {"EXCL", 0x80},        {"NOCTTY", 0x100},
    {"TRUNC", 0x200},      {"APPEND", 0x400},     {"NONBLOCK", 0x800},
    {"NDELAY", 0x800},     {"DSYNC", 0x1000},     {"ASYNC", 0x2000},
    {"DIRECT", 0x4000},    {"LARGEFILE", 0x8000}, {"DIRECTORY", 0x10000},
    {"NOFOLLOW", 0x20000}, {"NOATIME", 0x40000},  {"CLOEXEC", 0x80000},
    {"SYNC", 0x101000},    {"RSYNC", 0x101000},   {"PATH", 0x200000},
    {"TMPFILE", 0x410000},
};

constexpr FlagWord prot_words[] = {
    {"NONE", 0},
    {"READ", 1},
    {"WRITE", 2},
    {"EXEC", 4},
    {"SEM", 8},
    {"GROWSDOWN", 0x1000000},
    {"GROWSUP", 0x2000000},
};

constexpr FlagWord map_words[] = {
    {"FILE", 0},
    {"SHARED", 0x1},
    {"PRIVATE", 0x2},
    {"SHARED_VALIDATE", 0x3},
    {"DROPPABLE", 0x8},
    {"FIXED", 0x10},
    {"ANONYMOUS", 0x20},
    {"ANON", 0x20},
    {"32BIT", 0x40},
    {"ABOVE4G", 0x80},
    {"GROWSDOWN", 0x100},
    {"DENYWRITE", 0x800},
    {"EXECUTABLE", 0x1000},
    {"LOCKED", 0x2000},
    {"NORESERVE", 0x4000},
    {"POPULATE", 0x8000},
    {"NONBLOCK", 0x10000},
    {"STACK", 0x20000},
    {"HUGETLB", 0x40000},
    {"SYNC", 0x80000},
    {"DIRECT", 0x80000},
    {"FIXED_NOREPLACE", 0x100000},
    {"UNINITIALIZED", 0x4000000},
    {"HUGE_2MB", 0x54000000},
    {"HUGE_1GB", 0x78000000},
};

constexpr FlagWord mremap_words[] = {{"MAYMOVE", 1}, {"FIXED", 2}, {"DONTUNMAP", 4}};

constexpr FlagWord madvise_table[] = {
    {"NORMAL", 0},           {"RANDOM", 1},          {"SEQUENTIAL", 2},
    {"WILLNEED", 3},         {"DONTNEED", 4},        {"FREE", 8},
    {"REMOVE", 9},           {"DONTFORK", 10},       {"DOFORK", 11},
    {"MERGEABLE", 12},       {"UNMERGEABLE", 13},    {"HUGEPAGE", 14},
    {"NOHUGEPAGE", 15},      {"DONTDUMP", 16},       {"DODUMP", 17},
    {"WIPEONFORK", 18},      {"KEEPONFORK", 19},     {"COLD", 20},
    {"PAGEOUT", 21},         {"POPULATE_READ", 22},  {"POPULATE_WRITE", 23},
    {"DONTNEED_LOCKED", 24}, {"COLLAPSE", 25},       {"HWPOISON", 100},
    {"SOFT_OFFLINE", 101},   {"GUARD_INSTALL", 102}, {"GUARD_REMOVE", 103},
};

constexpr FlagWord msync_words[] = {{"ASYNC", 1}, {"INVALIDATE", 2}, {"SYNC", 4}};

constexpr FlagWord fallocate_words[] = {
    {"KEEP_SIZE", 0x1},   {"PUNCH_HOLE", 0x2},    {"NO_HIDE_STALE", 0x4},  {"COLLAPSE_RANGE", 0x8},
    {"ZERO_RANGE", 0x10}, {"INSERT_RANGE", 0x20}, {"UNSHARE_RANGE", 0x40}, {"WRITE_ZEROES", 0x80},
};

constexpr FlagWord fadvise_table[] = {
    {"NORMAL", 0},   {"RANDOM", 1},   {"SEQUENTIAL", 2},
    {"WILLNEED", 3}, {"DONTNEED", 4}, {"NOREUSE", 5},
};

constexpr FlagWord fcntl_words[] = {
    {"DUPFD", 0},
    {"GETFD", 1},
    {"SETFD", 2},
    {"GETFL", 3},
    {"SETFL", 4},
    {"GETLK", 5},
    {"SETLK", 6},
    {"SETLKW", 7},
    {"SETOWN", 8},
    {"GETOWN", 9},
    {"SETSIG", 10},
    {"GETSIG", 11},
    {"SETOWN_EX", 15},
    {"GETOWN_EX", 16},
    {"OFD_GETLK", 36},
    {"OFD_SETLK", 37},
    {"OFD_SETLKW", 38},
    {"SETLEASE", 1024},
    {"GETLEASE", 1025},
    {"NOTIFY", 1026},
    {"DUPFD_CLOEXEC", 1030},
    {"SETPIPE_SZ", 1031},
    {"GETPIPE_SZ", 1032},
    {"ADD_SEALS", 1033},
    {"GET_SEALS", 1034},
    {"GET_RW_HINT", 1035},
    {"SET_RW_HINT", 1036},
    {"GET_FILE_RW_HINT", 1037},
    {"SET_FILE_RW_HINT", 1038},
    {"MAP_DIRECT", 1039},
};

constexpr FlagWord lease_words[] = {{"RDLCK", 0}, {"WRLCK", 1}, {"UNLCK", 2}};

constexpr FlagWord fsxattr_words[] = {
    {"REALTIME", 0x1},       {"PREALLOC", 0x2},      {"IMMUTABLE", 0x8}, {"APPEND", 0x10},
    {"SYNC", 0x20},          {"NOATIME", 0x40},      {"NODUMP", 0x80},   {"RTINHERIT", 0x100},
    {"PROJINHERIT", 0x200},  {"NOSYMLINKS", 0x400},  {"EXTSIZE", 0x800}, {"EXTSZINHERIT", 0x1000},
    {"NODEFRAG", 0x2000},    {"FILESTREAM", 0x4000}, {"DAX", 0x8000},    {"COWEXTSIZE", 0x10000},
    {"HASATTR", 0x80000000},
};

constexpr FlagWord signal_table[] = {
    {"HUP", 1},   {"INT", 2},   {"QUIT", 3},    {"ILL", 4},   {"TRAP", 5},    {"ABRT", 6},
    {"IOT", 6},   {"BUS", 7},   {"FPE", 8},     {"KILL", 9},  {"USR1", 10},   {"SEGV", 11},
    {"USR2", 12}, {"PIPE", 13}, {"ALRM", 14},   {"TERM", 15}, {"STKFLT", 16}, {"CHLD", 17},
    {"CONT", 18}, {"STOP", 19}, {"TSTP", 20},   {"TTIN", 21}, {"TTOU", 22},   {"URG", 23},
    {"XCPU", 24}, {"XFSZ", 25}, {"VTALRM", 26}, {"PROF", 27}, {"WINCH", 28},  {"IO", 29},
    {"POLL", 29}, {"PWR", 30},  {"SYS", 31},
};

constexpr FlagWord capability_table[] = {
    {"CHOWN", 0},
    {"DAC_OVERRIDE", 1},
    {"DAC_READ_SEARCH", 2},
    {"FOWNER", 3},
    {"FSETID", 4},
    {"KILL", 5},
    {"SETGID", 6},
    {"SETUID", 7},
    {"SETPCAP", 8},
    {"LINUX_IMMUTABLE", 9},
    {"NET_BIND_SERVICE", 10},
    {"NET_BROADCAST", 11},
    {"NET_ADMIN", 12},
    {"NET_RAW", 13},
    {"IPC_LOCK", 14},
    {"IPC_OWNER", 15},
    {"SYS_MODULE", 16},
    {"SYS_RAWIO", 17},
    {"SYS_CHROOT", 18},
    {"SYS_PTRACE", 19},
    {"SYS_PACCT", 20},
    {"SYS_ADMIN", 21},
    {"SYS_BOOT", 22},
    {"SYS_NICE", 23},
    {"SYS_RESOURCE", 24},
    {"SYS_TIME", 25},
    {"SYS_TTY_CONFIG", 26},
    {"MKNOD", 27},
    {"LEASE", 28},
    {"AUDIT_WRITE", 29},
    {"AUDIT_CONTROL", 30},
    {"SETFCAP", 31},
    {"MAC_OVERRIDE", 32},
    {"MAC_ADMIN", 33},
    {"SYSLOG", 34},
    {"WAKE_ALARM", 35},
    {"BLOCK_SUSPEND", 36},
    {"AUDIT_READ", 37},
    {"PERFMON", 38},
    {"BPF", 39},
    {"CHECKPOINT_RESTORE", 40},
};

constexpr FlagWord rlimit_table[] = {
    {"CPU", 0},       {"FSIZE", 1}, {"DATA", 2},    {"STACK", 3},
    {"CORE", 4},      {"RSS", 5},   {"NPROC", 6},   {"NOFILE", 7},
    {"MEMLOCK", 8},   {"AS", 9},    {"LOCKS", 10},  {"SIGPENDING", 11},
    {"MSGQUEUE", 12}, {"NICE", 13}, {"RTPRIO", 14}, {"RTTIME", 15},
};

constexpr FlagWord vm_fault_table[] = {
    {"OOM", 0x1},          {"SIGBUS", 0x2},          {"MAJOR", 0x4},
    {"HWPOISON", 0x10},    {"HWPOISON_LARGE", 0x20}, {"SIGSEGV", 0x40},
    {"NOPAGE", 0x100},     {"LOCKED", 0x200},        {"RETRY", 0x400},
    {"FALLBACK", 0x800},   {"DONE_COW", 0x1000},     {"NEEDDSYNC", 0x2000},
    {"COMPLETED", 0x4000},
};

constexpr FlagWord vma_words[] = {
    {"READ", 0x1},
    {"WRITE", 0x2},
    {"EXEC", 0x4},
    {"SHARED", 0x8},
    {"MAYREAD", 0x10},
    {"MAYWRITE", 0x20},
    {"MAYEXEC", 0x40},
    {"MAYSHARE", 0x80},
    {"GROWSDOWN", 0x100},
    {"PFNMAP", 0x400},
    {"LOCKED", 0x2000},
    {"IO", 0x4000},
    {"SEQ_READ", 0x8000},
    {"RAND_READ", 0x10000},
    {"DONTCOPY", 0x20000},
    {"DONTEXPAND", 0x40000},
    {"LOCKONFAULT", 0x80000},
    {"ACCOUNT", 0x100000},
    {"NORESERVE", 0x200000},
    {"HUGETLB", 0x400000},
    {"SYNC", 0x800000},
    {"WIPEONFORK", 0x2000000},
    {"DONTDUMP", 0x4000000},
    {"SOFTDIRTY", 0x8000000},
    {"MIXEDMAP", 0x10000000},
    {"HUGEPAGE", 0x20000000},
    {"NOHUGEPAGE", 0x40000000},
};

constexpr SignalCode code_table[] = {
    {"BUS_ADRALN", 7, 1},    {"BUS_ADRERR", 7, 2},    {"BUS_OBJERR", 7, 3},
    {"BUS_MCEERR_AR", 7, 4}, {"BUS_MCEERR_AO", 7, 5}, {"SEGV_MAPERR", 11, 1},
    {"SEGV_ACCERR", 11, 2},  {"SEGV_BNDERR", 11, 3},  {"SEGV_PKUERR", 11, 4},
};

}  // namespace

constexpr FlagTable open_flags{"O_", open_words};
constexpr FlagTable prot_flags{"PROT_", prot_words};
constexpr FlagTable map_flags{"MAP_", map_words};
constexpr FlagTable mremap_flags{"MREMAP_", mremap_words};
constexpr FlagTable madvise_words{"MADV_", madvise_table};
constexpr FlagTable msync_flags{"MS_", msync_words};
constexpr FlagTable fallocate_modes{"FALLOC_FL_", fallocate_words};
constexpr FlagTable fadvise_words{"POSIX_FADV_", fadvise_table};
constexpr FlagTable fcntl_commands{"F_", fcntl_words};
constexpr FlagTable fcntl_args{"F_", lease_words};
constexpr FlagTable fsxattr_flags{"FS_XFLAG_", fsxattr_words};
constexpr FlagTable signal_names{"SIG", signal_table};
constexpr FlagTable capability_names{"CAP_", capability_table};
constexpr FlagTable rlimit_names{"RLIMIT_", rlimit_table};
constexpr FlagTable vm_fault_bits{"VM_FAULT_", vm_fault_table};
constexpr FlagTable vma_flags{"VM_", vma_words};

std::span<const SignalCode> signal_codes() { return code_table; }

std::optional<std::uint64_t> flag_value(const FlagTable& table, std::string_view word) {
  std::string_view bare = word;
  if (bare.substr(0, table.prefix.size()) == table.prefix) bare.remove_prefix(table.prefix.size());
  for (const FlagWord& entry : table.words) {
    if (entry.word == bare || entry.word == word) return entry.value;
  }
  return std::nullopt;
}

std::string flag_name(const FlagTable& table, std::uint64_t value) {
  for (const FlagWord& entry : table.words) {
    if (entry.value == value) return std::string(table.prefix) + std::string(entry.word);
  }
  return {};
}

std::string signal_name(int number) {
  return number > 0 ? flag_name(signal_names, static_cast<std::uint64_t>(number)) : std::string();
}

std::string_view signal_code_name(int signal, int code) {
  for (const SignalCode& entry : code_table) {
    if (entry.signal == signal && entry.code == code) return entry.word;
  }
  return {};
}

std::vector<std::string> flag_spellings(const FlagTable& table) {
  std::vector<std::string> all;
  for (const FlagWord& entry : table.words) all.emplace_back(entry.word);
  for (const FlagWord& entry : table.words) {
    all.push_back(std::string(table.prefix) + std::string(entry.word));
  }
  return all;
}

}  // namespace faultline
