// Fault-around on a DAX file. Its i_pages holds value entries only, which next_uptodate_folio
// passes over, so nothing is mapped and no lock is taken; the walk under RCU still costs its time.
#include "kernel/mm/filemap.hpp"

namespace faultline {

Path<vm_fault_t> filemap_map_pages(Kernel& k, vm_fault& vmf) {
  k.engine.charge(k.costs.extent_lookup);
  co_return vm_fault_t{};
}

}  // namespace faultline
