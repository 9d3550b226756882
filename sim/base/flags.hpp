// Words for numbers of the system-call interface of x86-64 Linux: open flags, mmap flags, signals,
// capabilities and the like. A table holds words without their common prefix; look-ups take both
// spellings ("SYNC" and "MS_SYNC"). Left out: what only other architectures or the C library have.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace faultline {

struct FlagWord {
  std::string_view word;  ///< without the table's prefix
  std::uint64_t value;
};

struct FlagTable {
  std::string_view prefix;  ///< "MAP_", ...
  std::span<const FlagWord> words;
};

extern const FlagTable open_flags;        ///< O_
extern const FlagTable prot_flags;        ///< PROT_
extern const FlagTable map_flags;         ///< MAP_; MAP_SYNC and MAP_DIRECT are the same bit
extern const FlagTable mremap_flags;      ///< MREMAP_
extern const FlagTable madvise_words;     ///< MADV_: numbers, not bits
extern const FlagTable msync_flags;       ///< MS_
extern const FlagTable fallocate_modes;   ///< FALLOC_FL_
extern const FlagTable fadvise_words;     ///< POSIX_FADV_: numbers, not bits
extern const FlagTable fcntl_commands;    ///< F_: numbers, not bits
extern const FlagTable fcntl_args;        ///< F_: of F_SETLEASE; numbers, not bits
extern const FlagTable fsxattr_flags;     ///< FS_XFLAG_
extern const FlagTable signal_names;      ///< SIG: numbers, not bits
extern const FlagTable capability_names;  ///< CAP_: numbers, not bits
extern const FlagTable rlimit_names;      ///< RLIMIT_: numbers, not bits
extern const FlagTable vm_fault_bits;     ///< VM_FAULT_
extern const FlagTable vma_flags;         ///< VM_, of a VMA

/// A si_code of the signals that a fault can raise; `word` with its prefix, as the kernel has it.
struct SignalCode {
  std::string_view word;
  int signal;
  int code;
};
std::span<const SignalCode> signal_codes();

/// The value of `word`, spelt with or without the prefix.
std::optional<std::uint64_t> flag_value(const FlagTable& table, std::string_view word);

/// The first word of the table with exactly this value, prefix included; empty if there is none.
std::string flag_name(const FlagTable& table, std::uint64_t value);

/// "SIGBUS" of 7; empty if there is no such signal.
std::string signal_name(int number);

/// "BUS_ADRERR" of (SIGBUS, 2); empty if there is no such code.
std::string_view signal_code_name(int signal, int code);

/// All spellings of a table, the bare words first: what did-you-mean chooses from.
std::vector<std::string> flag_spellings(const FlagTable& table);

}  // namespace faultline
