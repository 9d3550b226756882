// The cost table: complete, named once, sourced; and the numbers the reference table suggests.
#include "machine/presets.hpp"

#include <set>
#include <string>

#include "catch.hpp"

using namespace faultline;

TEST_CASE("every cost has one row, a unit, a source and a meaning") {
  std::set<std::string_view> names;
  for (const CostRow& row : cost_rows()) {
    INFO(std::string(row.name));
    CHECK(names.insert(row.name).second);
    CHECK((row.time == nullptr) != (row.plain == nullptr));
    CHECK_FALSE(row.unit.empty());
    CHECK_FALSE(row.what.empty());
    CHECK(find_cost(row.name) == &row);
    for (const CostValue& v : row.value) {
      CHECK_FALSE(v.source.empty());
      const bool id = std::string_view("MXFSL").find(v.source[0]) != std::string_view::npos;
      CHECK((id || v.source == "assumption"));
    }
  }
  CHECK(find_cost("nothing") == nullptr);
}

TEST_CASE("each row sets its own field") {
  for (const CostRow& row : cost_rows()) {
    Costs c = zero_costs();
    set_cost(c, row, 12345);
    for (const CostRow& other : cost_rows()) {
      INFO(std::string(row.name) << " " << std::string(other.name));
      CHECK(get_cost(c, other) == (&other == &row ? 12345U : 0U));
    }
  }
}

TEST_CASE("the presets say what the published numbers say") {
  const Costs optane = make_costs(Preset::x86_optane), dram = make_costs(Preset::x86_dram),
              cxl = make_costs(Preset::x86_cxl);
  for (const Costs& c : {optane, dram, cxl}) {
    CHECK(c.tlb_hit == Nanos(0));
    CHECK(c.stlb_hit == Nanos(3));
    CHECK(walk_cost(c, 0) == Nanos(10));
    CHECK(walk_cost(c, 2) == Nanos(180));
    CHECK(c.exception_entry + c.exception_exit == Nanos(250));
    CHECK(c.exception_entry + c.exception_exit + c.pti_extra == Nanos(450));
    CHECK(c.lock_op == Nanos(25));
    CHECK(c.ipi_base + c.ipi_per_cpu * 4 == Nanos(1800));
    CHECK(c.transaction == Nanos(3000));
    CHECK(c.trans_alloc + c.trans_commit == c.transaction);
    CHECK(c.dram_read_rand == Nanos(101));
  }
  CHECK(optane.pmem_read_rand == Nanos(305));
  CHECK(optane.pmem_read_seq == Nanos(169));
  CHECK(dram.pmem_read_rand == Nanos(101));
  CHECK(cxl.pmem_read_rand >= Nanos(200));  // M23: 200..500
  CHECK(cxl.pmem_read_rand <= Nanos(500));
  CHECK(transfer_time(4096, optane.pmem_zero_bw) == Nanos(1781));  // 4 KiB at 2.3 GB/s
}

TEST_CASE("presets are found by name") {
  for (unsigned i = 0; i < PRESETS; ++i) CHECK(find_preset(preset_name(Preset(i))) == Preset(i));
  CHECK(find_preset("x86-optane") == Preset::x86_optane);
  CHECK_FALSE(find_preset("optane"));
}

TEST_CASE("transfer times round up and do not overflow") {
  CHECK(transfer_time(0, 1000) == Nanos(0));
  CHECK(transfer_time(1, 1000) == Nanos(1));
  CHECK(transfer_time(1, 1001) == Nanos(1));
  CHECK(transfer_time(1001, 1000) == Nanos(1001));
  CHECK(transfer_time(~0ULL, 1000) == Nanos(~0ULL));
  CHECK(transfer_time(5, 0) == Nanos(0));
}
