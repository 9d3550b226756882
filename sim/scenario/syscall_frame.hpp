// System calls as the kernel's entry tracepoints see them: number and six words of arguments.
#pragma once

#include <array>
#include <functional>
#include <optional>

#include <faultline/scenario.hpp>

#include "kernel/kernel.hpp"

namespace faultline {

struct SyscallFrame {
  int nr = 0;  ///< x86-64 number
  std::array<std::uint64_t, 6> args{};
};

/// Where a program has its userfaultfd: no step opens it, and no table of descriptors has it.
inline constexpr std::uint64_t uffd_number = 100;

/// The calls that move a file's data, or ask where they are.
template <class Resolve>
SyscallFrame describe_io(Verb verb, const IoArgs& a, Resolve resolve) {
  constexpr std::uint64_t fs_ioc_fiemap = 0xc020660b;
  const std::uint64_t fd = resolve(a.fd);
  if (verb == Verb::fiemap) return SyscallFrame{16, {fd, fs_ioc_fiemap}};
  if (verb == Verb::aio_write || verb == Verb::aio_read) return SyscallFrame{209, {0, 1, 0}};
  const std::uint64_t buffer = a.has_buffer ? resolve(a.buffer) : 0;
  const bool at_position = verb == Verb::read || verb == Verb::write;
  if (at_position) return SyscallFrame{verb == Verb::write ? 1 : 0, {fd, buffer, a.length}};
  return SyscallFrame{verb == Verb::pwrite ? 18 : 17, {fd, buffer, a.length, a.at}};
}

/// The calls on files, of which describe_syscall is made; nothing for any other.
template <class Resolve>
std::optional<SyscallFrame> describe_file_syscall(const Kernel& k, const Step& step,
                                                  Resolve resolve) {
  constexpr std::uint64_t at_fdcwd = static_cast<std::uint64_t>(-100);
  if (const auto* const a = std::get_if<OpenArgs>(&step.args)) {
    return SyscallFrame{257, {at_fdcwd, 0, a->flags, 0, 0, 0}};
  }
  if (std::holds_alternative<FileArgs>(step.args)) {
    if (step.verb == Verb::exec) return SyscallFrame{59, {0, 0, 0}};
    return SyscallFrame{263, {at_fdcwd, 0, 0}};  // unlinkat
  }
  if (const auto* const a = std::get_if<FdArgs>(&step.args)) {
    constexpr std::uint64_t start_commit = 0x80585882;
    if (step.verb == Verb::start_commit) return SyscallFrame{16, {resolve(a->fd), start_commit}};
    const int nr = step.verb == Verb::fsync ? 74 : step.verb == Verb::fdatasync ? 75 : 3;
    return SyscallFrame{nr, {resolve(a->fd)}};
  }
  if (const auto* const a = std::get_if<MsyncArgs>(&step.args)) {
    return SyscallFrame{26, {resolve(a->addr), a->length, a->flags}};
  }
  if (const auto* const a = std::get_if<TruncateArgs>(&step.args)) {
    return SyscallFrame{77, {resolve(a->fd), a->length}};
  }
  if (const auto* const a = std::get_if<FallocateArgs>(&step.args)) {
    return SyscallFrame{285, {resolve(a->fd), a->mode, a->at, a->length}};
  }
  if (std::holds_alternative<FsArgs>(step.args)) {
    constexpr std::uint64_t fifreeze = 0xc0045877, fithaw = 0xc0045878;
    return SyscallFrame{16, {0, step.verb == Verb::freeze ? fifreeze : fithaw}};
  }
  if (const auto* const a = std::get_if<CloneArgs>(&step.args)) {
    // Their arguments are in user memory.
    constexpr std::uint64_t ficlonerange = 0x4020940d, fideduperange = 0xc0189436,
                            exchange_range = 0x40285881, commit_range = 0x40585883,
                            swapext = 0xc0c0586d;
    if (step.verb == Verb::dedupe) return SyscallFrame{16, {resolve(a->fd), fideduperange}};
    const bool ranges = k.profile.exchange == XfsExchange::exchange_range;
    if (step.verb == Verb::exchange) {
      const bool commits = a->since.index != no_index;
      const std::uint64_t range = commits ? commit_range : exchange_range;
      return SyscallFrame{16, {resolve(a->to_fd), ranges || commits ? range : swapext}};
    }
    return SyscallFrame{16, {resolve(a->to_fd), ficlonerange}};
  }
  if (const auto* const a = std::get_if<FcntlArgs>(&step.args)) {
    return SyscallFrame{72, {resolve(a->fd), a->cmd, a->arg}};
  }
  if (const auto* const a = std::get_if<FsxattrArgs>(&step.args)) {
    constexpr std::uint64_t fssetxattr = 0x401c5820;  // its argument is in user memory
    return SyscallFrame{16, {resolve(a->fd), fssetxattr}};
  }
  if (const auto* const a = std::get_if<FadviseArgs>(&step.args)) {
    return SyscallFrame{221, {resolve(a->fd), a->at, a->length, a->advice}};
  }
  if (const auto* const a = std::get_if<IoArgs>(&step.args)) {
    return describe_io(step.verb, *a, resolve);
  }
  return std::nullopt;
}

/// Number and arguments of a step that is a system call. `resolve` turns AddressRef and FdRef into
/// numbers.
template <class Resolve>
SyscallFrame describe_syscall(Kernel& k, const Step& step, Resolve resolve) {
  if (const auto on_file = describe_file_syscall(k, step, resolve)) return *on_file;
  if (const auto* const a = std::get_if<MmapArgs>(&step.args)) {
    if (step.verb == Verb::mmap3) {  // takes its offset in pages
      return {333,
              {resolve(a->addr), a->length, a->prot, a->flags, resolve(a->fd), a->offset >> 12}};
    }
    return {9, {resolve(a->addr), a->length, a->prot, a->flags, resolve(a->fd), a->offset}};
  }
  if (const auto* const a = std::get_if<ProtectArgs>(&step.args)) {
    return {10, {resolve(a->addr), a->length, a->prot}};
  }
  if (std::holds_alternative<UffdCopyArgs>(step.args) || step.verb == Verb::uffd_register) {
    constexpr std::uint64_t uffdio_register = 0xc020aa00, uffdio_copy = 0xc028aa03;
    return {16, {uffd_number, step.verb == Verb::uffd_copy ? uffdio_copy : uffdio_register}};
  }
  if (step.verb == Verb::uffd_read) return {0, {uffd_number, 0, 32}};
  if (const auto* const a = std::get_if<RangeArgs>(&step.args)) {
    const int nr = step.verb == Verb::mlock ? 149 : step.verb == Verb::munlock ? 150 : 11;
    return {nr, {resolve(a->addr), a->length}};
  }
  if (const auto* const a = std::get_if<MremapArgs>(&step.args)) {
    return {25, {resolve(a->addr), a->old_length, a->new_length, a->flags, resolve(a->new_addr)}};
  }
  if (const auto* const a = std::get_if<RemapArgs>(&step.args)) {
    return {216, {resolve(a->addr), a->length, 0, a->offset >> 12, 0}};  // in pages
  }
  if (const auto* const a = std::get_if<AdviseArgs>(&step.args)) {
    return {28, {resolve(a->addr), a->length, a->advice}};
  }
  if (const auto* const a = std::get_if<TaskArgs>(&step.args)) {
    const auto pid = static_cast<std::uint64_t>(k.tasks[a->task.v].pid.v);
    if (step.verb == Verb::kill) return {62, {pid, a->signal}};
    // A C library wants the child's id written, and cleared when the child ends.
    const std::uint64_t flags = k.current().mm->set_child_tid.v != 0 ? 0x1200011 : SIGCHLD;
    if (step.verb == Verb::fork) return {56, {flags, 0, 0}};
    return {61, {pid, 0, 0}};
  }
  if (const auto* const a = std::get_if<ExitArgs>(&step.args)) {
    return {a->thread ? 60 : 231, {a->code}};
  }
  if (step.verb == Verb::read_maps) return {0, {3, 0, 65536}};
  return {230, {1, 0, 0, 0, 0, 0}};  // clock_nanosleep
}

/// The way in: its cost and sys_enter.
HelperPath<void> enter_syscall(Kernel& k, const SyscallFrame& frame);
/// The way out: sys_exit and its cost.
HelperPath<void> exit_syscall(Kernel& k, const SyscallFrame& frame, std::int64_t result);

}  // namespace faultline
