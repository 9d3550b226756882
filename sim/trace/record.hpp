// One trace record: what happened, when, on which CPU, to which task, and up to `max_args` words.
// Plain data of 16 bytes plus its words; strings are symbols of the run's SymbolTable. The order of
// the words is the order of the event's fields in the catalogue.
#pragma once

#include <array>
#include <cstdint>

#include <faultline/types.hpp>
#include "trace/catalogue.hpp"

namespace faultline {

/// A string of the run's SymbolTable; 0 is the empty string.
using SymbolId = Strong<struct SymbolTag, std::uint32_t>;

/// In what the record was made: a task, or an interrupt on top of it (ftrace's third flag column).
enum class Context : std::uint8_t { task, softirq, hardirq };

/// One event. Only the first `n` of `arg` are meaningful; the rest is not even initialised.
struct Record {
  Nanos time;
  Event event;
  CpuId cpu;
  TaskId task;
  std::uint8_t n;
  Context context;
  std::array<std::uint64_t, max_args> arg;
};

/// A device number as the `dev` fields hold it, printed MAJOR:MINOR. `minor` is below 2^20.
constexpr std::uint64_t make_dev(std::uint32_t major, std::uint32_t minor) {
  return (std::uint64_t{major} << 20) | minor;
}

/// An `ip` field that is kernel code prints as a symbol; where a program runs prints as a number,
/// and never lies in the upper half. Addresses that a program may make up are no `ip` fields.
inline constexpr std::uint64_t ip_symbol_bit = 1ULL << 63;
constexpr std::uint64_t ip_symbol(SymbolId symbol) { return ip_symbol_bit | symbol.v; }

/// Kinds of value that `sim_ret` prints: its word before the value.
enum class RetKind : std::uint8_t { none, integer, hex, errno_, vm_fault, boolean, pointer };

}  // namespace faultline
