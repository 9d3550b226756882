// The checks of memory management: silent for what a run leaves, and not for what is broken.
#include "kernel/mm/check_mm.hpp"
#include "kernel/mm/vma.hpp"
#include "scenario/world.hpp"
#include "unit/scenario/load_helper.hpp"

using namespace faultline;
using namespace faultline::test;

namespace {

const char* const program = R"({"format": 1, "kernel": {"profile": "linux-7.1"},
"devices": {"d": {"char": {"pages": {"count": 8}, "action": {"type": "map_kernel_pages_full"},
                            "vm_ops": {"close": {}}}}},
"files": {"dev": {"type": "char", "device": "d"}},
"tasks": {"t": {"steps": [
  {"id": "fd", "open": {"file": "dev", "flags": ["O_RDWR"]}},
  {"id": "a", "mmap": {"length": "32KiB", "prot": 3, "flags": ["MAP_SHARED"], "fd": "fd"}},
  {"id": "b", "mmap": {"length": "32KiB", "prot": 3, "flags": ["PRIVATE", "ANONYMOUS"]}},
  {"store": {"at": "b", "count": 3, "stride": "4KiB"}},
  {"munmap": {"addr": "a+8KiB", "length": "8KiB"}}]}}})";

class Played {
 public:
  Played() : scenario_(good(program)), world_(scenario_, tracer_, WorldOptions{}) {
    REQUIRE(world_.errors().empty());
    REQUIRE(world_.run().outcome == Outcome::completed);
  }
  Kernel& kernel() { return world_.kernel(); }
  mm_struct& mm() { return world_.kernel().mms.front(); }
  std::vector<std::string> wrong() { return check_mm(world_.kernel()); }

 private:
  Scenario scenario_;
  Tracer tracer_;
  World world_;
};

}  // namespace

TEST_CASE("a played program leaves its memory in order") {
  Played played;
  CHECK(played.wrong().empty());
  CHECK(played.mm().map_count == 3);
  CHECK(played.mm().rss.file == 6);
  CHECK(played.mm().rss.anon == 3);
}

TEST_CASE("each sort of disorder is found") {
  Played played;
  mm_struct& mm = played.mm();
  vm_area_struct& first = *find_vma(mm, Vaddr(0));
  const auto says = [&](const char* what) {
    const std::vector<std::string> wrong = played.wrong();
    REQUIRE(wrong.size() == 1);
    CHECK(wrong[0].find(what) != std::string::npos);
  };
  ++mm.map_count;
  says("map_count is 4, the tree has 3 VMAs");
  --mm.map_count;
  ++mm.total_vm;
  says("total_vm is");
  --mm.total_vm;
  ++mm.rss.file;
  says("resident are 6 file, 3 anon");
  --mm.rss.file;
  first.detached = true;
  says("in the tree is detached");
  first.detached = false;
  ++played.kernel().char_devices.front().pages[0]->refs;
  says("page 0 of d has 3 references and 1 mappings");
  --played.kernel().char_devices.front().pages[0]->refs;
  played.kernel().vm_committed_as = 0;
  says("0 pages are promised, mappings have 8");
}
