// Modelled functions that a scenario makes fail: the n-th call of one returns an error as if memory
// or space had run out, so that the way back out of a path can be seen. Linux has the same as
// fault injection (lib/fault-inject.c); here the functions are few and named.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace faultline {

enum class FailPoint : std::uint8_t {
  pte_alloc_one,
  pmd_alloc,
  pud_alloc,
  anon_vma_prepare,
  vm_area_alloc,
  vm_area_dup,
  vma_alloc_folio,
  filemap_add_folio,
  grab_mapping_entry,
  xfs_trans_alloc,
  xfs_bmapi_write,
};
inline constexpr std::size_t fail_point_count = 11;

/// Their names as scenarios and the kernel write them, in the order of FailPoint.
std::span<const std::string_view> fail_point_names();

class Injector {
 public:
  /// The `nth` call (from 1) of `point` fails with `err`. A function that allocates can only fail
  /// for want of memory, whatever `err`.
  void add(FailPoint point, std::uint64_t nth, int err);
  bool armed() const { return armed_; }
  /// Counts a call of `point`: the errno it is to fail with, 0 if it is not.
  int fails(FailPoint point) {
    if (!armed_) [[likely]]
      return 0;
    return count(point);
  }

 private:
  struct Failure {
    std::uint64_t nth;
    int err;
  };
  int count(FailPoint point);

  bool armed_ = false;
  std::array<std::uint64_t, fail_point_count> calls_{};
  std::array<std::vector<Failure>, fail_point_count> failures_;
};

}  // namespace faultline
