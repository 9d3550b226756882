// Layouts given to clients. See the header. A lease that is to be broken is recalled from its
// client; what the client does not return within two lease times of the server is taken away from
// it by a fence, which a worker sees to.
#include "kernel/fs/nfsd_layouts.hpp"

#include <cerrno>

#include "kernel/fs/locks.hpp"
#include "kernel/fs/open.hpp"
#include "kernel/workqueue.hpp"

namespace faultline {

namespace {

constexpr Nanos recall_time(2 * 90'000'000'000);  // twice nfsd4_lease, 90 s

struct nfs4_layout_stateid {
  bool recalled = false;
  std::uint64_t owner = 0;
  inode* host = nullptr;
  Task* client = nullptr;  ///< waits for the recall
  delayed_work fence;
};

Path<void> fence_client(Kernel& k, delayed_work& work) {
  auto& layout = *static_cast<nfs4_layout_stateid*>(work.data);
  co_await generic_delete_lease(k, *layout.host, layout.owner);
}

bool nfsd4_layout_lm_break(Kernel& k, file_lock& fl) {
  auto& layout = *static_cast<nfs4_layout_stateid*>(fl.data);
  fl.fl_break_time = Nanos{};  // the server times it itself
  if (layout.recalled) return false;
  layout.recalled = true;
  schedule_delayed_work(k, layout.fence, recall_time);
  if (layout.client) k.engine.wake(*layout.client);
  return false;
}

void nfsd4_layout_lm_change(Kernel& k, file_lock& fl) {
  cancel_delayed_work(k, static_cast<nfs4_layout_stateid*>(fl.data)->fence);
}

constexpr lock_manager_operations nfsd4_layouts_lm_ops{.lm_break = nfsd4_layout_lm_break,
                                                       .lm_change = nfsd4_layout_lm_change};

file_lock* find_layout(const file& f) {
  if (!f.f_inode->i_flctx) return nullptr;
  for (file_lock& fl : f.f_inode->i_flctx->flc_lease) {
    if (fl.fl_file == &f && fl.fl_lmops == &nfsd4_layouts_lm_ops) return &fl;
  }
  return nullptr;
}

HelperPath<void> wait_for_recall(Kernel& k, nfs4_layout_stateid& layout) {
  Task& current = k.engine.current();
  while (!layout.recalled) {
    layout.client = &current;
    current.sleep = SleepState::unseen;
    co_await k.engine.block();
    current.sleep = SleepState::uninterruptible;
    layout.client = nullptr;
  }
}

}  // namespace

Path<std::int64_t> nfsd4_layoutget(Kernel& k, std::int64_t fd) {
  file* const f = fget(k, fd);
  if (!f) co_return -EBADF;
  auto layout = std::make_shared<nfs4_layout_stateid>();
  layout->owner = k.next_lease_owner++;
  layout->host = f->f_inode;
  layout->fence.func = fence_client;
  layout->fence.data = layout.get();
  file_lock fl;
  fl.fl_flags = FL_LAYOUT;
  fl.fl_type = LeaseType::read;
  fl.fl_file = f;
  fl.fl_owner = layout->owner;
  fl.signalled = k.engine.current().id;
  fl.fl_lmops = &nfsd4_layouts_lm_ops;
  fl.data = layout.get();
  fput(k, *f);  // a server has it open anyway
  const std::int64_t error = co_await vfs_setlease(k, fl);
  if (!error) f->f_inode->i_flctx->kept.push_back(std::move(layout));
  co_return error;
}

Path<std::int64_t> nfsd4_layoutreturn(Kernel& k, std::int64_t fd, bool on_recall) {
  file* const f = fget(k, fd);
  if (!f) co_return -EBADF;
  fput(k, *f);
  const file_lock* const fl = find_layout(*f);
  if (!fl) co_return -EAGAIN;
  auto& layout = *static_cast<nfs4_layout_stateid*>(fl->data);
  if (on_recall) co_await wait_for_recall(k, layout);
  const std::int64_t error = co_await generic_delete_lease(k, *layout.host, layout.owner);
  co_return error;
}

}  // namespace faultline
