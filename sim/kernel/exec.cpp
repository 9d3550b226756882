// execve(2) of a program that is one segment, linked at 0x400000. See the header. Linux 6.12
// fs/exec.c begin_new_exec, exec_mmap; fs/binfmt_elf.c elf_map. Until 5.14 the loader asks for its
// segments with MAP_DENYWRITE and MAP_EXECUTABLE, past the system call that drops these. Left out:
// the content of the file, arguments, stack and interpreter of the new program, other threads of
// the old one, close-on-exec, credentials.
#include "kernel/exec.hpp"

#include <fmt/format.h>
#include <sys/mman.h>

#include <cerrno>
#include <faultline/errno.hpp>

#include "kernel/arch/x86/fault.hpp"
#include "kernel/fs/open.hpp"
#include "kernel/fs/xfs/xfs_file.hpp"
#include "kernel/mm/mmap.hpp"
#include "kernel/mm/mmap_lock.hpp"
#include "kernel/mm/tlb.hpp"

namespace faultline {

namespace {

constexpr std::uint64_t load_address = 0x400000;
constexpr std::uint64_t header_size = 256;  // BINPRM_BUF_SIZE

// do_open_execat()
file* do_open_execat(Kernel& k, inode& node, std::int64_t* error) {
  *error = node.i_nlink == 0 ? -ENOENT : -EACCES;
  if (node.i_nlink == 0 || node.type != InodeType::regular || node.noexec) return nullptr;
  file& opened = k.files.emplace_back();
  opened.f_inode = &node;
  opened.f_op = node.i_fop;
  opened.f_mode = FMODE_READ;
  opened.f_count = 1;
  ++node.i_count;
  *error = 0;
  return &opened;
}

// kernel_read() of the header. 0, or an errno.
HelperPath<std::int64_t> read_header(Kernel& k, file& f) {
  if (!f.f_inode->xfs) co_return f.f_inode->i_size == 0 ? -ENOEXEC : 0;
  DaxIo io;
  io.host = f.f_inode;
  io.length = header_size;
  const std::int64_t read = co_await xfs::xfs_file_read_iter(k, f, io);
  if (read < 0) co_return read;
  co_return read == 0 || f.f_inode->i_size == 0 ? -ENOEXEC : 0;
}

// The new mm is the task's from here on; the old one goes if nobody else has it.
Path<void> exec_mmap(Kernel& k, mm_struct& mm) {
  task_struct& current = k.current();
  mm_struct& old = *current.mm;
  co_await mmap_read_lock(k, old);
  current.mm = &mm;
  mm.mm_users = 1;
  const Task& task = k.engine.current();
  switch_mm(k, k.cpus[task.cpu], &task, task);
  mmap_read_unlock(k, old);
  if (old.mm_users > 1) k.unmodelled("exec in a process of several threads; the others go on");
  if (--old.mm_users == 0) co_await exit_mmap(k, old);
}

Path<std::int64_t> elf_map(Kernel& k, file& f) {
  std::uint64_t flags = MAP_PRIVATE | MAP_FIXED;
  if (k.profile.mmap_region == MmapRegion::unmaps_first) flags |= MAP_DENYWRITE | MAP_EXECUTABLE;
  const std::int64_t at = co_await vm_mmap_pgoff(k, &f, load_address, f.f_inode->i_size,
                                                 PROT_READ | PROT_EXEC, flags, 0);
  co_return at;
}

}  // namespace

Path<std::int64_t> do_execve(Kernel& k, inode& node) {
  std::int64_t error = 0;
  file* const f = do_open_execat(k, node, &error);
  if (!f) co_return error;
  error = co_await read_header(k, *f);
  if (error) {
    fput(k, *f);
    co_return error;
  }
  k.might_alloc();
  co_await exec_mmap(k, k.new_mm());
  const std::int64_t at = co_await elf_map(k, *f);
  fput(k, *f);
  if (at >= 0) co_return 0;
  // Past the point of no return.
  if (at != -ENOMEM && at != -EINTR) {
    k.broken_rule("exec-killed", fmt::format("exec of {} fails with {} when the old program is "
                                             "gone: its process is killed",
                                             node.name, errno_name(static_cast<int>(-at))));
  }
  constexpr int si_kernel = 0x80;
  force_sig_fault(k, SIGSEGV, si_kernel, Vaddr(0));
  co_return at;
}

}  // namespace faultline
