// userfaultfd(2): faults on pages that are missing are handed to a monitor, which fills them in.
// Linux 6.12 fs/userfaultfd.c and mm/userfaultfd.c. A process has one such descriptor, and its
// monitor is one of its tasks. Left out: everything but missing pages of anonymous memory; events
// of fork, mremap and unmap; write protection; another process as the monitor; UFFDIO_WAKE alone.
#pragma once

#include <vector>

#include "kernel/kernel.hpp"

namespace faultline {

struct userfaultfd_ctx {
  struct Fault {
    Task* task = nullptr;
    Vaddr address{};
    bool read = false;  ///< the monitor has been told of it
  };
  spinlock_t fault_pending_wqh;
  std::vector<Fault> faults;  ///< in order of arrival
  Task* reader = nullptr;     ///< sleeps in read(2)
  Task* monitor = nullptr;    ///< who has last read
};

/// UFFDIO_REGISTER of missing pages: 0, or -EINVAL where not all of the range is mapped
/// anonymously.
Path<std::int64_t> userfaultfd_register(Kernel& k, Vaddr start, std::uint64_t len);
/// read(2): waits for a fault; its address.
Path<std::int64_t> userfaultfd_read(Kernel& k);
/// UFFDIO_COPY of pages that begin with `value`: bytes, or -EEXIST, -ENOENT, -EINVAL, -ENOMEM.
/// Wakes whoever waits for them.
Path<std::int64_t> userfaultfd_copy(Kernel& k, Vaddr start, std::uint64_t len, std::uint64_t value);

/// handle_userfault(): the fault waits for the monitor, without the lock it came with.
Path<vm_fault_t> handle_userfault(Kernel& k, vm_fault& vmf);

}  // namespace faultline
