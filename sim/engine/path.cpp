// The rare parts of calls and returns: records, ends of paths that were suspended, exceptions.
#include "engine/path.hpp"

#include "engine/engine.hpp"

namespace faultline {

void trace_call(FramePool& pool, const char* function) {
  pool.engine->trace<Event::sim_call>(function);
}

void trace_return(FramePool& pool, CallNode outer_calls, TracedResult result) {
  // More than one function returns when callers have handed on this one's result.
  while (pool.calls != outer_calls) {
    const char* const function = pool.tree.function(pool.calls);
    pool.calls = pool.tree.parent(pool.calls);
    pool.engine->trace<Event::sim_ret>(function, result.kind, result.value);
  }
}

bool leave_suspended(PromiseBase& promise, FramePool& pool) {
  switch (promise.stage) {
    case PromiseBase::Stage::suspended:
      pool.engine->current().next = promise.caller;
      return true;
    case PromiseBase::Stage::root:
      pool.engine->current().finished = true;
      return false;
    case PromiseBase::Stage::failed:
      return false;
    case PromiseBase::Stage::created:
    case PromiseBase::Stage::running:
      break;
  }
  FL_BUG("a path has ended that did not run");
}

void PromiseBase::unhandled_exception() {
  stage = Stage::failed;
  FramePool::of(frame().address()).engine->fail(std::current_exception());
}

}  // namespace faultline
