// Path<T>: a kernel path as a coroutine. Awaiting a Path is a call: the child runs at once, nested
// on the native stack; if it finishes without suspending, the caller never notices that it was a
// coroutine. If it does suspend, the native stack unwinds to the run loop, which later continues
// the innermost frame and, when a frame ends, its caller (a trampoline; symmetric transfer would
// overflow the stack at -O0). The chain of promises is the simulated call path.
//
// Idiom: `if (const auto err = co_await f(k); err) co_return err;`. gcc 12 miscompiles an awaited
// value that is itself the condition, and destroys braced aggregates in an awaited call twice.
#pragma once

#include <coroutine>
#include <exception>
#include <type_traits>
#include <utility>

#include "base/bug.hpp"
#include "engine/frame_pool.hpp"
#include "engine/task.hpp"
#include "trace/record.hpp"

namespace faultline {

/// The result of a call as `sim_ret` prints it.
struct TracedResult {
  RetKind kind = RetKind::none;
  std::uint64_t value = 0;
};

/// The traced form of a result. Types of the model may add overloads, found by ADL.
template <class T>
TracedResult traced_result(const T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    return {RetKind::boolean, value};
  } else if constexpr (std::is_integral_v<T>) {
    return {RetKind::integer, static_cast<std::uint64_t>(static_cast<std::int64_t>(value))};
  } else if constexpr (std::is_pointer_v<T>) {
    return {RetKind::pointer, value != nullptr};
  } else {
    return {};
  }
}

struct PromiseBase {
  PromiseBase* caller = nullptr;
  std::coroutine_handle<> self;
  Task* task = nullptr;
  const char* function = nullptr;
  CallNode outer_calls = 0;  // the task's call path without this call
  bool suspended =
      false;  // has unwound to the run loop: its end must continue the caller from there

  struct Initial {
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<>) const noexcept {}
    void await_resume() const noexcept {}
  };

  Initial initial_suspend(const char* f = __builtin_FUNCTION()) noexcept {
    function = f;
    return {};
  }

  void unhandled_exception() { throw; }

  // Inlined without optimisation too: gcc 12 takes a template and the deletes below for a mismatch.
  template <class... Args>
  [[gnu::always_inline]] static void* operator new(std::size_t bytes, Args&... args) {
    return pool_of(args...).allocate(bytes);
  }
  static void operator delete(void* frame) { FramePool::release(frame); }
  static void operator delete(void* frame, std::size_t) { FramePool::release(frame); }

 private:
  // The first argument that knows a frame pool: a kernel path takes its World's state first.
  template <class First, class... Rest>
  static FramePool& pool_of(First& first, Rest&... rest) {
    if constexpr (requires { frame_pool(first); }) {
      return frame_pool(first);
    } else {
      return pool_of(rest...);
    }
  }
};

/// Called when a frame is entered and left; in engine.hpp, which whoever awaits a Path includes.
inline void enter_call(PromiseBase& promise, PromiseBase& caller);
inline void leave_call(PromiseBase& promise, TracedResult result) noexcept;

template <class T>
struct PromiseResult : PromiseBase {
  T result{};
  template <class U>
  void return_value(U&& value) {
    result = std::forward<U>(value);
  }
  TracedResult traced() const { return traced_result(result); }
};

template <>
struct PromiseResult<void> : PromiseBase {
  void return_void() noexcept {}
  TracedResult traced() const { return {}; }
};

template <class T = void>
class [[nodiscard]] Path {
 public:
  struct promise_type : PromiseResult<T> {
    Path get_return_object() {
      auto handle = std::coroutine_handle<promise_type>::from_promise(*this);
      this->self = handle;
      return Path(handle);
    }

    struct Final {
      bool await_ready() const noexcept { return false; }
      void await_suspend(std::coroutine_handle<promise_type> handle) const noexcept {
        promise_type& promise = handle.promise();
        leave_call(promise, promise.traced());
        if (!promise.caller) {
          promise.task->finished = true;
        } else if (promise.suspended) {
          promise.task->next = promise.caller->self;
        }
      }
      void await_resume() const noexcept {}
    };
    Final final_suspend() noexcept { return {}; }
  };

  Path(Path&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Path& operator=(Path&&) = delete;
  ~Path() {
    if (handle_) handle_.destroy();
  }

  /// Keeps this call out of call paths and records: for the engine's own helpers, which stand for
  /// no function of the kernel.
  Path&& unnamed() && {
    handle_.promise().function = nullptr;
    return std::move(*this);
  }

  /// Gives up ownership of the frame, for Engine::start.
  std::coroutine_handle<promise_type> release() { return std::exchange(handle_, nullptr); }

  struct Awaiter {
    std::coroutine_handle<promise_type> child;

    bool await_ready() const noexcept { return false; }
    template <class CallerPromise>
    bool await_suspend(std::coroutine_handle<CallerPromise> caller) {
      promise_type& promise = child.promise();
      enter_call(promise, caller.promise());
      child.resume();
      if (child.done()) return false;
      promise.suspended = true;
      return true;
    }
    T await_resume() {
      if constexpr (!std::is_void_v<T>) return std::move(child.promise().result);
    }
  };
  Awaiter operator co_await() && noexcept { return awaiter(); }
  /// The awaiter itself, for awaitables that are built on a Path.
  Awaiter awaiter() noexcept { return Awaiter{handle_}; }

 private:
  explicit Path(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  std::coroutine_handle<promise_type> handle_;
};

}  // namespace faultline
