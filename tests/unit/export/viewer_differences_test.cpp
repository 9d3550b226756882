// Where differences of two traces lie in both of them. The diffs are written by hand, so what must
// come of them is known.
#include "export/viewer_differences.hpp"

#include "catch.hpp"

using namespace faultline;

namespace {

// A trace with a record a line from line 3 on, `step` ns apart.
ViewerModel model(std::size_t records, std::uint64_t start, std::uint64_t step) {
  ViewerModel m;
  for (std::size_t i = 0; i < records; ++i) {
    m.records.time.push_back(start + i * step);
    m.records.line.push_back(static_cast<std::uint32_t>(i + 3));
  }
  return m;
}

DiffLine both(std::uint64_t a, std::uint64_t b) { return {' ', a, b, ""}; }
DiffLine only_a(std::uint64_t line) { return {'-', line, 0, ""}; }
DiffLine only_b(std::uint64_t line) { return {'+', 0, line, ""}; }

DiffResult diff_of(std::vector<DiffLine> lines, std::size_t left_out = 0) {
  DiffResult diff;
  diff.hunks.push_back({"task", "step", std::move(lines), left_out});
  return diff;
}

}  // namespace

TEST_CASE("what one trace lacks is behind the last line that both have") {
  const auto found = viewer_differences(diff_of({both(5, 6), only_a(6), only_a(7), both(8, 7)}),
                                        model(9, 0, 10), model(9, 0, 10));
  CHECK(found.places[0] == std::vector<ViewerPlace>{{3, 0}, {4, 0}});
  CHECK(found.places[1] == std::vector<ViewerPlace>{{3, 1}});
  CHECK(found.first[0] == ViewerPlace{3, 0});
  CHECK(found.first[1] == ViewerPlace{3, 1});
}

TEST_CASE("what is lacking at the begin of a step is before the next line that both have") {
  const auto found =
      viewer_differences(diff_of({only_b(4), both(6, 5)}), model(9, 0, 10), model(9, 0, 10));
  CHECK(found.first[0] == ViewerPlace{3, -1});
  CHECK(found.first[1] == ViewerPlace{1, 0});
}

TEST_CASE("what has no line beside it is at the same time since the start") {
  const auto found =
      viewer_differences(diff_of({only_a(7)}), model(9, 1000, 10), model(9, 5000, 15));
  CHECK(found.first[0] == ViewerPlace{4, 0});  // 40 ns after the start: B has records at 30, 45
  CHECK(found.first[1] == ViewerPlace{2, 1});
}

TEST_CASE("lines that were left out may be those of the other trace") {
  const auto found =
      viewer_differences(diff_of({both(5, 6), only_a(6)}, 3), model(9, 0, 10), model(9, 0, 10));
  CHECK(found.first[1] == ViewerPlace{3, 0});
}

TEST_CASE("the first difference is the earliest, not the first task's; columns count last") {
  auto diff = diff_of({both(8, 8), only_a(9), only_b(9)});
  diff.hunks.push_back({"other", "step", {both(3, 3), only_b(4)}, 0});
  diff.columns["time"] = {1, 3, 3, "", ""};
  auto found = viewer_differences(diff, model(9, 0, 10), model(9, 0, 10));
  CHECK(found.first[0] == ViewerPlace{0, 1});
  CHECK(found.first[1] == ViewerPlace{1, 0});
  diff.hunks.clear();
  found = viewer_differences(diff, model(9, 0, 10), model(9, 0, 10));
  CHECK(found.first[0] == ViewerPlace{0, 0});
  CHECK(found.first[1] == ViewerPlace{0, 0});
  diff.columns.clear();
  CHECK(viewer_differences(diff, model(1, 0, 1), model(1, 0, 1)).first[0].at == no_record);
}
