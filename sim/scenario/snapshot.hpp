// What a process's memory looks like from outside the kernel at one moment: its VMAs as smaps shows
// them, its counters, its page-table entries, the references of drivers' pages. Plain data, and the
// function that takes it: without a lock, without time, without a trace.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "kernel/kernel.hpp"

namespace faultline {

struct VmaSnapshot {
  Vaddr start{}, end{};
  std::string perms;  ///< "rw-s"
  std::uint64_t pgoff = 0;
  std::string file;                  ///< "" for anonymous memory
  std::uint64_t rss = 0, anon = 0;   ///< pages
  std::vector<std::string> vmflags;  ///< two letters each, as smaps has them
  std::string cache;                 ///< "WB", "WC" or "UC-"
  bool writable = false;             ///< what vm_page_prot says of a new entry
  std::uint64_t private_data = 0;
};

struct PteSnapshot {
  Vaddr at{};
  std::uint64_t pfn = 0;
  bool writable = false, special = false;
  std::string cache;
};

struct MmSnapshot {
  std::vector<VmaSnapshot> vmas;
  RssStat rss;
  std::uint64_t total_vm = 0, committed = 0;  ///< pages
  std::vector<PteSnapshot> ptes;              ///< present ones
  /// By device: references and mappings of each page of its array.
  std::vector<std::pair<std::string, std::vector<std::pair<std::uint32_t, std::uint32_t>>>> pages;
};

/// Of the VMAs and entries that [start, start + length) touches; length 0: all.
MmSnapshot take_snapshot(Kernel& k, const mm_struct& mm, Vaddr start, std::uint64_t length);

}  // namespace faultline
