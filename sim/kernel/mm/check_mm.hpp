// What must be true of every process's memory after every event, looked at from outside: the set of
// VMAs, the reverse map, resident counts, references of drivers' pages, promised memory.
// mmap_path.md section 15. A pure look at the state, for runs that ask for it; what a task is just
// changing under its locks is passed over.
#pragma once

#include <string>
#include <vector>

#include "kernel/kernel.hpp"

namespace faultline {

/// One line for each thing that is not as it must be; empty when all is well.
std::vector<std::string> check_mm(const Kernel& k);

}  // namespace faultline
