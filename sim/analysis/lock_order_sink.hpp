// Feeds the lock order from the records of a run. Classes are the printed names; what a name does
// not say (recursive readers, a nest lock) comes from the latest sim_lock_info of the instance.
// sim_lock_try_wait comes before the try, or after a successful one with the `try` flag and the
// lock on top of the task's stack. Bit locks are not in the validator's graph: they are left out,
// or go into a second graph together with the locks. Locks of one name that occur under different
// subclasses are also ordered by instance.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "analysis/lock_order_findings.hpp"
#include "trace/tracer.hpp"

namespace faultline {

/// What a LockOrderSink looks at beyond the locks themselves.
struct LockOrderOptions {
  bool paths = true;       ///< call paths, from sim_call and sim_ret
  bool bit_locks = false;  ///< also build the second graph, with sim_bitlock_* in it
  bool try_wait = true;    ///< count what would have been waited for if a try had failed
};

class LockOrderSink {
 public:
  /// `symbols` are those of the records to come; without them no instances are ordered.
  explicit LockOrderSink(const LockOrderOptions& options = {},
                         const SymbolTable* symbols = nullptr);

  /// The events it needs.
  EventMask mask() const;
  void on_record(const Record& record);
  /// For who does not send every record: what is told of this task next begins with nothing held.
  void forget(TaskId task) { order_.forget(task); }
  /// Records are missing here: what is held is unknown from now on.
  void lost();

  /// What follows is of another trace: other tasks, locks and calls, the same classes. Without its
  /// `beginning` a release of what is not held means nothing.
  void begin_trace(std::uint32_t trace, bool beginning);
  /// The records to come of this task are made in this call path, outermost call first.
  void set_path(TaskId task, Context context, std::span<const SymbolId> calls);
  /// Shared holders of this class may nest, whatever sim_lock_info says.
  void set_recursive(SymbolId cls);

  /// Distinct strong circles, those of try-then-wait and of instances included.
  std::size_t cycles() const { return order_.graph().circles().size() + by_instance().size(); }
  /// Strong circles of instances that circles of classes do not show, one for each set of classes.
  std::vector<InstanceCircle> by_instance() const { return instances_.circles(order_); }
  /// Some name with subclasses has more instances than were compared.
  bool instances_truncated() const { return instances_.truncated(); }
  /// Symbols and names as the run had them. Bit locks are never in it.
  std::vector<Finding> findings(const SymbolTable& symbols, const TaskNamer& task) const;

  const LockOrder& order() const { return order_; }
  /// The graph of locks and bit locks; null unless it was asked for. Its misuses mean nothing: bit
  /// locks may be held many at a time and released by anyone.
  const LockOrder* with_bit_locks() const { return extended_.get(); }
  /// The printed name of a class.
  SymbolId printed(LockVertex cls) const { return class_symbols_[cls]; }
  LockNames names(const SymbolTable& symbols, const TaskNamer& task) const;

 private:
  struct Special {
    std::uint64_t instance;
    std::uint64_t nest;
    bool recursive;
  };

  LockPlace place_of(const Record& record) const {
    const std::size_t i = stack_index(record);
    return {record.time, record.task, record.context, i < paths_.size() ? paths_[i] : 0};
  }
  static std::size_t stack_index(const Record& r) {
    return std::size_t{r.task.v} * 3 + static_cast<std::size_t>(r.context);
  }
  LockVertex class_of(std::uint64_t symbol, LockOrder::SameClass rule) {
    const std::uint32_t known = symbol < classes_.size() ? classes_[symbol] : 0;
    return known != 0 ? known - 1 : add_class(symbol, rule);
  }
  LockVertex add_class(std::uint64_t symbol, LockOrder::SameClass rule);
  void look_closer(const Record& record, LockUse& use);
  void order_instances(const Record& record, const LockUse& use);
  void other_record(const Record& record);
  void bit_set(const Record& record);
  LockUse use_of(const Record& record, LockOrder::SameClass rule);
  void describe(const Record& record);
  void try_wait(const Record& record);
  void call(const Record& record);
  void ret(const Record& record);
  PrefixTree::Node& path_of(const Record& record);

  LockOrderOptions options_;
  const SymbolTable* symbols_;
  LockOrder order_;
  std::unique_ptr<LockOrder> extended_;
  std::vector<std::uint32_t> classes_;   // by symbol: class + 1, 0 for none yet
  std::vector<SymbolId> class_symbols_;  // by class
  bool closer_ = false;            // some lock is special, or some class has recursive readers
  std::vector<Special> specials_;  // sorted by instance; those that names do not tell all of
  std::map<std::string, std::uint32_t, std::less<>> family_names_;
  std::vector<bool> recursive_;  // by symbol: set_recursive() was told
  InstanceOrder instances_;
  PrefixTree calls_;
  std::vector<PrefixTree::Node> paths_;  // by task and context
};

}  // namespace faultline
