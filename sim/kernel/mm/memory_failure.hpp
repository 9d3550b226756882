// Poison in persistent memory that a program has read: the machine check, and what is done about
// the page. Linux 6.12 arch/x86/kernel/cpu/mce/core.c (do_machine_check, kill_me_maybe),
// drivers/acpi/nfit/mce.c, mm/memory-failure.c (memory_failure_dev_pagemap, mf_generic_kill_procs:
// XFS without a reverse map of blocks leaves it to that). Left out: poison in DRAM, the signal
// BUS_MCEERR_AO that other processes get at once (they get theirs when they touch the page), kernel
// copies out of poisoned user pages.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

/// The load at `va` of the current task has met Kernel::machine_check. A signal is pending
/// afterwards.
Path<void> do_machine_check(Kernel& k, Vaddr va);

}  // namespace faultline
