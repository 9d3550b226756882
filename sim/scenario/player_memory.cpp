// The player's system calls on memory: from the words of the frame to the kernel's functions.
#include "base/bug.hpp"
#include "kernel/fs/fcntl.hpp"
#include "kernel/fs/userfaultfd.hpp"
#include "kernel/mm/madvise.hpp"
#include "kernel/mm/mmap.hpp"
#include "kernel/mm/mprotect.hpp"
#include "kernel/mm/mremap.hpp"
#include "kernel/mm/msync.hpp"
#include "scenario/player.hpp"

namespace faultline {

HelperPath<std::int64_t> Player::perform_memory(Kernel& k, Verb verb, const SyscallFrame& frame) {
  const auto& args = frame.args;
  std::int64_t result = 0;
  switch (verb) {
    case Verb::mmap:
      result = co_await ksys_mmap_pgoff(k, args[0], args[1], args[2], args[3],
                                        static_cast<std::int64_t>(args[4]), args[5]);
      break;
    case Verb::mmap3:
      result = co_await mmap_pgoff_strict(k, args[0], args[1], args[2], args[3],
                                          static_cast<std::int64_t>(args[4]), args[5] << 12);
      break;
    case Verb::fcntl:
      result = co_await do_fcntl(k, static_cast<std::int64_t>(args[0]), args[1], args[2]);
      break;
    case Verb::remap_file_pages:
      result = co_await ksys_remap_file_pages(k, args[0], args[1], args[2], args[3], args[4]);
      break;
    case Verb::munmap:
      result = co_await vm_munmap(k, args[0], args[1]);
      break;
    case Verb::mprotect:
      result = co_await do_mprotect_pkey(k, args[0], args[1], args[2]);
      break;
    case Verb::mremap:
      result = co_await do_mremap(k, args[0], args[1], args[2], args[3], args[4]);
      break;
    case Verb::madvise:
      result = co_await do_madvise(k, args[0], args[1], args[2]);
      break;
    case Verb::mlock:
      result = co_await do_mlock(k, args[0], args[1]);
      break;
    case Verb::munlock:
      result = co_await do_munlock(k, args[0], args[1]);
      break;
    case Verb::msync:
      result = co_await ksys_msync(k, args[0], args[1], args[2]);
      break;
    default:
      FL_BUG("not a system call on memory");
  }
  co_return result;
}

HelperPath<std::int64_t> Player::perform_uffd(Kernel& k, const Step& step) {
  std::int64_t result = 0;
  if (const auto* const range = std::get_if<RangeArgs>(&step.args)) {
    result = co_await userfaultfd_register(k, Vaddr(resolve(range->addr)), range->length);
  } else if (const auto* const copy = std::get_if<UffdCopyArgs>(&step.args)) {
    const Vaddr start(resolve(copy->addr));
    result = co_await userfaultfd_copy(k, start, copy->length, copy->value);
  } else {
    result = co_await userfaultfd_read(k);
  }
  co_return result;
}

}  // namespace faultline
