// Profile linux-7.1: where a running 7.1.5 differs from 6.12. Source: traces of that kernel. Not
// modelled of its mmap path: character devices, the actions of mmap_prepare hooks, the mapped hook
// and the compat layer.
#include <array>

#include "kernel/profiles/profile.hpp"

namespace faultline {

namespace {
constexpr std::array values{
    KnobValue{"mm.vma_lock", "refcount"},         KnobValue{"mm.mmap_prepare", "true"},
    KnobValue{"mm.merges_untouched", "true"},     KnobValue{"mm.dup_untracks_pfns", "false"},
    KnobValue{"mm.dax_folios", "true"},           KnobValue{"mm.copies_annotate", "false"},
    KnobValue{"fs.iomap_actor_advances", "true"}, KnobValue{"xfs.fault_events", "read_write"},
};
}  // namespace

std::span<const KnobValue> linux_7_1_values() { return values; }

}  // namespace faultline
