// Rules of the fault path and of mmap that a single moment shows, not a state: what a task holds
// when it calls, returns or asks for a lock. fault_path.md section 10 (1 to 4, 6 to 8) and
// mmap_path.md section 15 (9 and 12). Works on the records of a run while it runs, and asks the
// kernel for the locks that the task holds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernel/kernel.hpp"
#include "trace/record.hpp"

namespace faultline {

enum class FaultRule : std::uint8_t {
  unmap_under_rmap,     ///< no unmapping begins with an i_mmap_rwsem held: it would wait for itself
  fault_in_locked_vma,  ///< a fault is served under a fault lock, from a VMA nobody is changing
  fault_lock_kept,  ///< RETRY and COMPLETED leave no fault lock, other results the one there was
  io_under_fault_lock,    ///< nobody asks for an IOLOCK with a fault lock held
  copy_under_inode_lock,  ///< no user page is faulted in with an MMAPLOCK or ILOCK held
  lock_under_ilock,       ///< no IOLOCK or MMAPLOCK is wanted with an ILOCK held
  dax_entry_order,        ///< one DAX entry at a time, and none with an ILOCK held
  lock_left,              ///< no lock of the kernel is left when a step is over
};
std::string_view fault_rule_name(FaultRule rule);

class FaultRules {
 public:
  struct Broken {
    FaultRule rule;
    std::string text;
  };
  /// `symbols` are those of the records to come.
  explicit FaultRules(const SymbolTable& symbols) : symbols_(symbols) {}

  /// What the record shows to be wrong.
  std::optional<Broken> on_record(const Kernel& k, const Record& record);

 private:
  enum class Function : std::uint8_t { unknown, other, do_vmi_munmap, handle_mm_fault };

  Function function(std::uint64_t symbol);
  static std::optional<Broken> wants(const Kernel& k, const Record& record);
  std::optional<Broken> call(const Kernel& k, const Record& record);
  std::optional<Broken> ret(const Kernel& k, const Record& record);

  const SymbolTable& symbols_;
  std::vector<Function> functions_;                 // by symbol
  std::vector<std::vector<unsigned>> fault_locks_;  // by task: held at each handle_mm_fault
};

}  // namespace faultline
