// Counting of calls that are to fail.
#include <cerrno>
#include <set>

#include "catch.hpp"
#include "kernel/inject.hpp"

using namespace faultline;

TEST_CASE("only the calls that were named fail") {
  Injector inject;
  CHECK(inject.fails(FailPoint::xfs_bmapi_write) == 0);  // not counted while nothing is to fail
  inject.add(FailPoint::xfs_bmapi_write, 2, ENOSPC);
  inject.add(FailPoint::xfs_bmapi_write, 4, EIO);
  inject.add(FailPoint::vm_area_dup, 1, ENOMEM);
  CHECK(inject.fails(FailPoint::xfs_bmapi_write) == 0);
  CHECK(inject.fails(FailPoint::vm_area_dup) == ENOMEM);
  CHECK(inject.fails(FailPoint::xfs_bmapi_write) == ENOSPC);
  CHECK(inject.fails(FailPoint::xfs_bmapi_write) == 0);
  CHECK(inject.fails(FailPoint::xfs_bmapi_write) == EIO);
  CHECK(inject.fails(FailPoint::xfs_bmapi_write) == 0);
  CHECK(inject.fails(FailPoint::vm_area_dup) == 0);
}

TEST_CASE("each point that can fail has a name of its own") {
  const auto names = fail_point_names();
  CHECK(names.size() == fail_point_count);
  CHECK(std::set<std::string_view>(names.begin(), names.end()).size() == fail_point_count);
  CHECK(names[static_cast<std::size_t>(FailPoint::xfs_bmapi_write)] == "xfs_bmapi_write");
  CHECK(names[static_cast<std::size_t>(FailPoint::pmd_alloc)] == "__pmd_alloc");
}
