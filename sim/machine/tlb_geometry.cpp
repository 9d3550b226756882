// The table of MMU sizes. The machines with DRAM and with persistent memory are of the Skylake and
// Cascade Lake servers (the first that took such memory), the one with CXL of Sapphire Rapids. O is
// the vendor's optimisation manual, X5 the project's table of published numbers, B "Translation
// Caching: Skip, Don't Walk (the Page Table)", ISCA 2010, which measured one generation.
#include "machine/tlb_geometry.hpp"

namespace faultline {

namespace {

constexpr TlbGeometry skylake{.l1_small = {64, 4},
                              .l1_huge = {32, 4},
                              .l1_giant = {4, 4},
                              .stlb = {1536, 12},
                              .stlb_giant = {16, 4},
                              .pde = 32,
                              .pdpte = 4,
                              .pml4e = 2,
                              .pml5e = 1};
constexpr TlbGeometry sapphire_rapids{.l1_small = {96, 6},
                                      .l1_huge = {32, 4},
                                      .l1_giant = {8, 8},
                                      .stlb = {2048, 16},
                                      .stlb_giant = {1024, 8},
                                      .pde = 32,
                                      .pdpte = 4,
                                      .pml4e = 2,
                                      .pml5e = 1};
constexpr TlbGeometry geometries[PRESETS] = {skylake, skylake, sapphire_rapids};

constexpr std::string_view A = "assumption";
using G = TlbGeometry;

constexpr GeometryRow rows[] = {
    {"l1_4k", &G::l1_small, nullptr, {"X5", "X5", "O"}, "first-level TLB for 4 KiB pages"},
    {"l1_2m", &G::l1_huge, nullptr, {"X5", "X5", "O"}, "first-level TLB for 2 MiB pages"},
    {"l1_1g", &G::l1_giant, nullptr, {"X5", "X5", "O"}, "first-level TLB for 1 GiB pages"},
    {"stlb", &G::stlb, nullptr, {"X5+O", "X5+O", "O"}, "second level, 4 KiB and 2 MiB pages"},
    {"stlb_1g", &G::stlb_giant, nullptr, {"O", "O", A}, "second level, 1 GiB pages"},
    {"pde", nullptr, &G::pde, {"B", "B", A}, "paging-structure cache: PDEs, to PTE tables"},
    {"pdpte", nullptr, &G::pdpte, {"B", "B", A}, "PDPTEs, to PMD tables"},
    {"pml4e", nullptr, &G::pml4e, {"B", "B", A}, "PML4Es, to PUD tables"},
    {"pml5e", nullptr, &G::pml5e, {A, A, A}, "PML5Es, with five levels"},
};

}  // namespace

std::span<const GeometryRow> geometry_rows() { return rows; }

const TlbGeometry& tlb_geometry(Preset p) { return geometries[unsigned(p)]; }

}  // namespace faultline
