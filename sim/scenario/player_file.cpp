// The system calls on files and file systems. See player.hpp.
#include <cerrno>

#include "kernel/fs/aio.hpp"
#include "kernel/fs/fiemap.hpp"
#include "kernel/fs/namei.hpp"
#include "kernel/fs/nfsd_layouts.hpp"
#include "kernel/fs/open.hpp"
#include "kernel/fs/read_write.hpp"
#include "kernel/fs/remap_range.hpp"
#include "kernel/fs/super.hpp"
#include "kernel/fs/sync.hpp"
#include "kernel/fs/xfs/xfs_exchrange.hpp"
#include "kernel/fs/xfs/xfs_ioctl.hpp"
#include "kernel/mm/fadvise.hpp"
#include "scenario/player.hpp"
#include "scenario/syscall_frame.hpp"

namespace faultline {

namespace {

std::int64_t as_signed(std::uint64_t word) { return static_cast<std::int64_t>(word); }

// A tmpfs that no file lies on has no super block; it cannot be frozen either way.
HelperPath<std::int64_t> freeze_or_thaw(Kernel& k, FsRef fs, bool freeze) {
  for (super_block& sb : k.supers) {
    if (sb.id != fs.v) continue;
    const std::int64_t error = freeze ? co_await freeze_super(k, sb) : co_await thaw_super(k, sb);
    co_return error;
  }
  co_return -EOPNOTSUPP;
}

// read(2) and write(2).
HelperPath<std::int64_t> at_position(Kernel& k, const Step& step, const SyscallFrame& frame) {
  const auto& args = std::get<IoArgs>(step.args);
  std::optional<Vaddr> buffer;
  if (args.has_buffer) buffer = Vaddr(frame.args[1]);
  const std::int64_t result = co_await ksys_read_write(k, as_signed(frame.args[0]), args.length,
                                                       buffer, step.verb == Verb::write);
  co_return result;
}

HelperPath<std::int64_t> fssetxattr(Kernel& k, std::int64_t fd, const FsxattrArgs& args) {
  xfs::FsxattrChange change{args.set, args.clear, {}, {}};
  if (args.has_extsize) change.extsize = args.extsize;
  if (args.has_cowextsize) change.cowextsize = args.cowextsize;
  const std::int64_t error = co_await xfs::ioctl_fssetxattr(k, fd, change);
  co_return error;
}

}  // namespace

HelperPath<std::int64_t> Player::io(Kernel& k, const IoArgs& args, bool write) {
  std::optional<Vaddr> buffer;
  if (args.has_buffer) buffer = Vaddr(resolve(args.buffer));
  const std::int64_t fd = resolve(args.fd);
  const std::int64_t result = co_await pread_pwrite(k, fd, args.at, args.length, buffer, write);
  co_return result;
}

HelperPath<std::int64_t> Player::submit(Kernel& k, const IoArgs& args, bool write) {
  const std::int64_t result =
      co_await io_submit_rw(k, resolve(args.fd), args.at, args.length, write);
  co_return result;
}

HelperPath<std::int64_t> Player::fiemap(Kernel& k, const IoArgs& args) {
  FiemapRequest request{args.at, args.length, {}};
  if (args.has_buffer) request.extents = Vaddr(resolve(args.buffer));
  std::uint64_t mapped = 0;
  const std::int64_t error = co_await ioctl_fiemap(k, resolve(args.fd), request, &mapped);
  if (!error) told_ = static_cast<std::int64_t>(mapped);
  co_return error;
}

HelperPath<std::int64_t> Player::two_files(Kernel& k, Verb verb, const CloneArgs& args) {
  const std::int64_t from = resolve(args.fd);
  const std::int64_t to = resolve(args.to_fd);
  std::int64_t result = 0;
  if (verb == Verb::exchange) {
    const xfs::ExchangeRange range{args.at, args.to_at, args.length};
    if (args.since.index == no_index) {
      result = co_await xfs::xfs_ioc_exchange(k, to, from, range);
      co_return result;
    }
    const xfs::CommitFreshness fresh = w_.commits_[{args.since.task.v, args.since.index}];
    result = co_await xfs::xfs_ioc_commit_range(k, to, from, range, fresh);
    co_return result;
  }
  const RemapRange range{args.at, args.to_at, args.length};
  if (verb == Verb::clone) {
    result = co_await ioctl_file_clone(k, to, from, range);
    co_return result;
  }
  std::int64_t status = 0;
  result = co_await ioctl_file_dedupe_range(k, from, to, range, &status);
  if (!result) told_ = status;
  co_return result;
}

HelperPath<std::int64_t> Player::perform_file(Kernel& k, const Step& step,
                                              const SyscallFrame& frame) {
  const auto& a = frame.args;
  std::int64_t result = 0;
  switch (step.verb) {
    case Verb::open:
      result = co_await do_sys_open(k, *w_.inodes_[std::get<OpenArgs>(step.args).file.v], a[2]);
      break;
    case Verb::unlink:
      result = co_await do_unlinkat(k, *w_.inodes_[std::get<FileArgs>(step.args).file.v]);
      break;
    case Verb::close:
      result = co_await close_fd(k, as_signed(a[0]));
      break;
    case Verb::fsync:
    case Verb::fdatasync:
      result = co_await do_fsync(k, as_signed(a[0]), step.verb == Verb::fdatasync);
      break;
    case Verb::pread:
    case Verb::pwrite:
      result = co_await io(k, std::get<IoArgs>(step.args), step.verb == Verb::pwrite);
      break;
    case Verb::read:
    case Verb::write:
      result = co_await at_position(k, step, frame);
      break;
    case Verb::fadvise:
      result = co_await ksys_fadvise64_64(k, as_signed(a[0]), a[1], a[2], a[3]);
      break;
    case Verb::aio_read:
    case Verb::aio_write:
      result = co_await submit(k, std::get<IoArgs>(step.args), step.verb == Verb::aio_write);
      break;
    case Verb::fiemap:
      result = co_await fiemap(k, std::get<IoArgs>(step.args));
      break;
    case Verb::ftruncate:
      result = co_await do_sys_ftruncate(k, as_signed(a[0]), as_signed(a[1]));
      break;
    case Verb::fallocate:
      result = co_await ksys_fallocate(k, as_signed(a[0]), a[1], as_signed(a[2]), as_signed(a[3]));
      break;
    case Verb::clone:
    case Verb::dedupe:
    case Verb::exchange:
      result = co_await two_files(k, step.verb, std::get<CloneArgs>(step.args));
      break;
    case Verb::start_commit:
    case Verb::fsxattr:
    case Verb::freeze:
    case Verb::thaw:
      result = co_await perform_ioctl(k, step, as_signed(a[0]));
      break;
    default:
      FL_BUG("a verb without a system call");
  }
  co_return result;
}

// The calls that are ioctl(2) on one descriptor.
HelperPath<std::int64_t> Player::perform_ioctl(Kernel& k, const Step& step, std::int64_t fd) {
  std::int64_t result = 0;
  if (step.verb == Verb::start_commit) {
    xfs::CommitFreshness& told = w_.commits_[{task_.v, k.engine.current().position.step}];
    result = co_await xfs::xfs_ioc_start_commit(k, fd, told);
  } else if (const auto* const args = std::get_if<FsxattrArgs>(&step.args)) {
    result = co_await fssetxattr(k, fd, *args);
  } else {
    const FsRef fs = std::get<FsArgs>(step.args).fs;
    result = co_await freeze_or_thaw(k, fs, step.verb == Verb::freeze);
  }
  co_return result;
}

HelperPath<std::int64_t> Player::perform_layout(Kernel& k, const Step& step) {
  std::int64_t result = 0;
  if (const auto* const args = std::get_if<LayoutReturnArgs>(&step.args)) {
    result = co_await nfsd4_layoutreturn(k, resolve(args->fd), args->on_recall);
  } else {
    result = co_await nfsd4_layoutget(k, resolve(std::get<FdArgs>(step.args).fd));
  }
  co_return result;
}

}  // namespace faultline
