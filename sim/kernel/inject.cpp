// Counting calls of functions that are to fail.
#include "kernel/inject.hpp"

namespace faultline {

std::span<const std::string_view> fail_point_names() {
  static constexpr std::array<std::string_view, fail_point_count> names{
      "pte_alloc_one",      "__pmd_alloc",     "__pud_alloc",     "__anon_vma_prepare",
      "vm_area_alloc",      "vm_area_dup",     "vma_alloc_folio", "filemap_add_folio",
      "grab_mapping_entry", "xfs_trans_alloc", "xfs_bmapi_write"};
  return names;
}

void Injector::add(FailPoint point, std::uint64_t nth, int err) {
  armed_ = true;
  failures_[static_cast<std::size_t>(point)].push_back({nth, err});
}

int Injector::count(FailPoint point) {
  const auto at = static_cast<std::size_t>(point);
  ++calls_[at];
  for (const Failure& failure : failures_[at]) {
    if (failure.nth == calls_[at]) return failure.err;
  }
  return 0;
}

}  // namespace faultline
