// Path<T>: a kernel path as a coroutine. Calling one inside a running path starts it at once,
// nested on the native stack, so it has to be awaited right there; if it finishes without
// suspending, the caller never notices that it was a coroutine. If it does suspend, the native
// stack unwinds to the run loop, which later continues the innermost frame and, when a frame ends,
// its caller (a trampoline; symmetric transfer would overflow the stack at -O0). The chain of
// promises is the simulated call path. Outside a running path, as for the first of a task, a call
// only makes the frame.
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
  enum class Stage : std::uint8_t {
    created,    ///< outside a running path: has not begun
    root,       ///< the first of a task
    running,    ///< on the native stack
    suspended,  ///< has unwound to the run loop, which continues its caller at its end
    failed,     ///< left by an exception, which the run loop passes on
  };

  PromiseBase* caller;   // null: the first of a task
  CallNode outer_calls;  // the call path without this call
  Stage stage;

  /// The frame. All promises are aligned alike, so that its place follows from theirs.
  std::coroutine_handle<PromiseBase> frame() {
    return std::coroutine_handle<PromiseBase>::from_promise(*this);
  }

  void unhandled_exception();

  // Inlined without optimisation too: gcc 12 takes a template and the delete below for a mismatch.
  template <class... Args>
  [[gnu::always_inline]] static void* operator new(std::size_t bytes, Args&... args) {
    return pool_of(args...).allocate(bytes);
  }
  static void operator delete(void* frame, std::size_t bytes) { FramePool::release(frame, bytes); }

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

enum class Naming : std::uint8_t { named, helper };

template <class T, Naming naming>
class BasicPath;

/// The rare parts of calls and returns; trace_return() goes back to the call path `outer_calls`.
void trace_call(FramePool& pool, const char* function);
void trace_return(FramePool& pool, CallNode outer_calls, TracedResult result);
/// The end of a path that has not run from its call to its end on the native stack. False: its
/// frame stays, for its owner or the run loop to destroy.
bool leave_suspended(PromiseBase& promise, FramePool& pool);

/// The result of a path: it goes to the object that the caller awaits, since the frame is freed
/// when the path ends.
template <class T, Naming naming>
struct PromiseResult : PromiseBase {
  BasicPath<T, naming>* owner;
  template <class U>
  void return_value(U&& value) {
    owner->result_ = std::forward<U>(value);
  }
  TracedResult traced() const { return traced_result(owner->result_); }
};

template <Naming naming>
struct PromiseResult<void, naming> : PromiseBase {
  BasicPath<void, naming>* owner;
  void return_void() noexcept {}
  TracedResult traced() const { return {}; }
};

template <class T, Naming naming>
class [[nodiscard]] BasicPath {
 public:
  struct promise_type : PromiseResult<T, naming> {
    BasicPath get_return_object() { return BasicPath(*this); }

    // Whether to go on at once: at the beginning to run, at the end to free the frame.
    struct GoOn {
      bool at_once;
      bool await_ready() const noexcept { return at_once; }
      void await_suspend(std::coroutine_handle<>) const noexcept {}
      void await_resume() const noexcept {}
    };

    GoOn initial_suspend(const char* function = __builtin_FUNCTION()) {
      FramePool& pool = FramePool::of(this->frame().address());
      PromiseBase* const caller = pool.running;
      this->caller = caller;
      this->outer_calls = pool.calls;
      if (!caller) [[unlikely]] {
        this->stage = PromiseBase::Stage::created;
        return {false};
      }
      this->stage = PromiseBase::Stage::running;
      pool.running = this;
      if constexpr (naming == Naming::named) {
        pool.calls = pool.tree.child(pool.calls, function);
        if (pool.tracer->wants(Event::sim_call)) [[unlikely]]
          trace_call(pool, function);
      }
      return {true};
    }

    GoOn final_suspend() noexcept {
      FramePool& pool = FramePool::of(this->frame().address());
      if (this->stage != PromiseBase::Stage::running && !leave_suspended(*this, pool)) [[unlikely]]
        return {false};
      pool.running = this->caller;
      if constexpr (naming == Naming::named) {
        if (pool.tracer->wants(Event::sim_ret)) [[unlikely]]
          trace_return(pool, this->outer_calls, this->traced());
        pool.calls = this->outer_calls;
      }
      this->owner->promise_ = nullptr;
      return {true};
    }
  };

  BasicPath(BasicPath&& other) noexcept
      : promise_(std::exchange(other.promise_, nullptr)), result_(std::move(other.result_)) {
    if (promise_) promise_->owner = this;
  }
  BasicPath& operator=(BasicPath&&) = delete;
  ~BasicPath() {
    if (promise_) [[unlikely]]
      handle().destroy();
  }

  /// Gives up ownership of the frame, for Engine::start.
  std::coroutine_handle<promise_type> release() {
    const auto frame = handle();
    promise_ = nullptr;
    return frame;
  }

  struct Awaiter {
    BasicPath& path;

    bool await_ready() const noexcept { return path.promise_ == nullptr; }
    bool await_suspend(std::coroutine_handle<>) {
      using Stage = PromiseBase::Stage;
      if (!path.promise_) return false;
      FL_ASSERT(path.promise_->stage != Stage::created);
      if (path.promise_->stage == Stage::running) path.promise_->stage = Stage::suspended;
      return true;
    }
    T await_resume() {
      if constexpr (!std::is_void_v<T>) return std::move(path.result_);
    }
  };
  Awaiter operator co_await() && noexcept { return awaiter(); }
  /// The awaiter itself, for awaitables that are built on a path.
  Awaiter awaiter() noexcept { return Awaiter{*this}; }

 private:
  friend PromiseResult<T, naming>;
  friend class TailCall;
  struct Nothing {};
  using Result = std::conditional_t<std::is_void_v<T>, Nothing, T>;

  explicit BasicPath(promise_type& promise) : promise_(&promise) {
    static_assert(alignof(promise_type) == alignof(PromiseBase));
    promise.owner = this;
  }
  std::coroutine_handle<promise_type> handle() const {
    return std::coroutine_handle<promise_type>::from_promise(*promise_);
  }

  // One that has ended with `result` and never had a frame.
  explicit BasicPath(Result result) : promise_(nullptr), result_(std::move(result)) {}

  promise_type* promise_;  // null: it has ended, or is somebody else's
  [[no_unique_address]] Result result_{};
};

/// A function of the kernel: a call of it is in call paths and records, under the function's name.
template <class T = void>
using Path = BasicPath<T, Naming::named>;

/// A part of one that is a coroutine of its own only in our source: in no call path, in no record.
template <class T = void>
using HelperPath = BasicPath<T, Naming::helper>;

/// A function of the kernel that ends by handing on what another returns needs no frame: it is a
/// plain function, and in call paths and records all the same:
///   Path<int> f(Kernel& k) { const TailCall call(k); return call.to(g(k)); }
/// Only inside a running path. Each TailCall must end in to() or in with(), once.
class TailCall {
 public:
  template <class Owner>
  explicit TailCall(Owner& owner, const char* function = __builtin_FUNCTION())
      : pool_(frame_pool(owner)), outer_calls_(pool_.calls) {
    FL_ASSERT(pool_.running);
    pool_.calls = pool_.tree.child(outer_calls_, function);
    if (pool_.tracer->wants(Event::sim_call)) [[unlikely]]
      trace_call(pool_, function);
  }

  /// Returns what `callee` does, now or when that ends.
  template <class T>
  BasicPath<T, Naming::named> to(BasicPath<T, Naming::named> callee) const {
    if (callee.promise_) [[unlikely]] {
      callee.promise_->outer_calls = outer_calls_;
    } else {
      end(callee.result_);
    }
    return callee;
  }
  /// Returns `result` without having called anything.
  template <class T>
  BasicPath<T, Naming::named> with(T result) const {
    end(result);
    return BasicPath<T, Naming::named>(std::move(result));
  }

 private:
  template <class T>
  void end(const T& result) const {
    if (pool_.tracer->wants(Event::sim_ret)) [[unlikely]]
      trace_return(pool_, outer_calls_, traced_result(result));
    pool_.calls = outer_calls_;
  }

  FramePool& pool_;
  CallNode outer_calls_;
};

}  // namespace faultline
