// Memory of coroutine frames, by size class, one pool a World, and beside it what every call reads:
// the frame that runs and its place in the calling-context tree. A simulated fault makes dozens of
// calls; taking each frame from a free list costs a few instructions where malloc costs fifty.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <new>
#include <vector>

#include "engine/call_tree.hpp"
#include "trace/tracer.hpp"

namespace faultline {

class Engine;
struct PromiseBase;

class FramePool {
 public:
  FramePool(Engine& owner, Tracer& records) : engine(&owner), tracer(&records) {}
  FramePool(const FramePool&) = delete;
  FramePool& operator=(const FramePool&) = delete;

  /// Memory for `bytes`, aligned for any type. Larger than max_pooled: straight from the heap.
  void* allocate(std::size_t bytes) {
    const std::size_t n = size_class(bytes);
    Node* block = nullptr;
    if (n < free_.size()) [[likely]] {
      block = free_[n];
      if (block) [[likely]] {
        free_[n] = block->next;
      } else {
        block = carve(n * granule);
      }
    } else {
      block = large(n * granule);
    }
    return reinterpret_cast<std::byte*>(block) + header;
  }

  /// Gives back what allocate(bytes) returned, to the pool it came from.
  static void release(void* frame, std::size_t bytes) {
    Node* const block = block_of(frame);
    FramePool& pool = *block->pool;
    const std::size_t n = size_class(bytes);
    if (n < pool.free_.size()) [[likely]] {
      block->next = pool.free_[n];
      pool.free_[n] = block;
    } else {
      pool.release_large(block);
    }
  }

  /// The pool that `frame` came from.
  static FramePool& of(void* frame) {
    // A coroutine that asks for its own pool computes `frame` from its promise, which compilers
    // take for an object of its own until they lay out the frame: hide where it comes from.
    asm("" : "+r"(frame));
    return *block_of(frame)->pool;
  }

  /// Frames allocated and not yet released. Counts free ones: not for the hot path.
  std::size_t live() const;

  Engine* const engine;
  Tracer* const tracer;
  PromiseBase* running = nullptr;  ///< the innermost frame being executed; null between tasks
  CallNode calls = 0;              ///< its call path
  CallTree tree;

 private:
  static constexpr std::size_t granule = 64;
  static constexpr std::size_t header = 16;
  static constexpr std::size_t max_pooled = 4096;
  static constexpr std::size_t slab_bytes = 64 * 1024;

  struct Node {
    FramePool* pool;  // stays
    Node* next;
  };
  static constexpr std::size_t size_class(std::size_t bytes) {
    return (bytes + header + granule - 1) / granule;
  }
  static Node* block_of(void* frame) {
    return reinterpret_cast<Node*>(static_cast<std::byte*>(frame) - header);
  }
  Node* carve(std::size_t bytes);
  Node* large(std::size_t bytes);
  void release_large(Node* block);

  std::array<Node*, max_pooled / granule + 1> free_{};
  std::vector<std::unique_ptr<std::byte[]>> slabs_;
  std::size_t slab_used_ = 0;
  std::size_t carved_ = 0;  // blocks cut from slabs, and large ones in use
};

/// What a coroutine's first pool-bearing argument must offer: an overload of this found by ADL.
inline FramePool& frame_pool(FramePool& pool) { return pool; }

}  // namespace faultline
