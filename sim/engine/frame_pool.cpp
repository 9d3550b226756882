// The slow half of the frame pool: new blocks, large ones, and the count.
#include "engine/frame_pool.hpp"

namespace faultline {

FramePool::Node* FramePool::carve(std::size_t bytes) {
  if (slab_used_ + bytes > slab_bytes || slabs_.empty()) {
    slabs_.push_back(std::make_unique<std::byte[]>(slab_bytes));
    slab_used_ = 0;
  }
  void* const block = slabs_.back().get() + slab_used_;
  slab_used_ += bytes;
  ++carved_;
  return ::new (block) Node{this, nullptr};
}

FramePool::Node* FramePool::large(std::size_t bytes) {
  ++carved_;
  return ::new (::operator new(bytes)) Node{this, nullptr};
}

void FramePool::release_large(Node* block) {
  --carved_;
  ::operator delete(block);
}

std::size_t FramePool::live() const {
  std::size_t unused = 0;
  for (const Node* first : free_) {
    for (const Node* n = first; n; n = n->next) ++unused;
  }
  return carved_ - unused;
}

}  // namespace faultline
