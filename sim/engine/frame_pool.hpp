// Memory of coroutine frames, by size class, one pool a World. A simulated fault makes dozens of
// calls; taking each frame from a free list costs a few instructions where malloc costs fifty.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <new>
#include <vector>

namespace faultline {

class FramePool {
 public:
  FramePool() = default;
  FramePool(const FramePool&) = delete;
  FramePool& operator=(const FramePool&) = delete;

  /// Memory for `bytes`, aligned for any type. Larger than max_pooled: straight from the heap.
  void* allocate(std::size_t bytes) {
    const std::size_t n = (bytes + header + granule - 1) / granule;
    void* block = nullptr;
    if (n < free_.size()) [[likely]] {
      if (Node* node = free_[n]) {
        free_[n] = node->next;
        block = node;
      } else {
        block = carve(n * granule);
      }
    } else {
      block = ::operator new(n * granule);
    }
    ::new (block) Header{this, n};
    ++live_;
    return static_cast<std::byte*>(block) + header;
  }

  /// Gives back what allocate() returned, to the pool it came from.
  static void release(void* frame) {
    void* const block = static_cast<std::byte*>(frame) - header;
    const Header h = *static_cast<Header*>(block);
    --h.pool->live_;
    if (h.size_class < h.pool->free_.size()) [[likely]] {
      h.pool->free_[h.size_class] = ::new (block) Node{h.pool->free_[h.size_class]};
    } else {
      ::operator delete(block);
    }
  }

  /// Frames allocated and not yet released.
  std::size_t live() const { return live_; }

 private:
  static constexpr std::size_t granule = 64;
  static constexpr std::size_t header = 16;
  static constexpr std::size_t max_pooled = 4096;
  static constexpr std::size_t slab_bytes = 64 * 1024;

  struct Node {
    Node* next;
  };
  struct Header {
    FramePool* pool;
    std::size_t size_class;
  };
  static_assert(sizeof(Header) == header);

  void* carve(std::size_t bytes) {
    if (slab_used_ + bytes > slab_bytes || slabs_.empty()) {
      slabs_.push_back(std::make_unique<std::byte[]>(slab_bytes));
      slab_used_ = 0;
    }
    void* const block = slabs_.back().get() + slab_used_;
    slab_used_ += bytes;
    return block;
  }

  std::array<Node*, max_pooled / granule + 1> free_{};
  std::vector<std::unique_ptr<std::byte[]>> slabs_;
  std::size_t slab_used_ = 0;
  std::size_t live_ = 0;
};

/// What a coroutine's first pool-bearing argument must offer: an overload of this found by ADL.
inline FramePool& frame_pool(FramePool& pool) { return pool; }

}  // namespace faultline
