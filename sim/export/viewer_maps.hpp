// The extent map of each file and the page tables of each address space over time, from the records
// that say something of them. A state is known from the first record on that shows it. Blocks are
// 4 KiB; copy-on-write remapping is not followed; what a hole punch frees is taken from the system
// call it is made by.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "export/viewer_model.hpp"

namespace faultline {

/// States of ranges of one space, each with the record since which it holds.
class ViewerSpace {
 public:
  struct State {
    std::uint64_t length = 0;
    RecordIndex since = 0;
    std::uint8_t state = 0;
    std::uint64_t target = 0;  ///< of the first byte; follows the range unless `fixed`
  };
  /// What is in [at, at + length) ends; the rest of pieces that stick out stays.
  void clear(std::uint64_t at, std::uint64_t length, RecordIndex when, std::uint32_t space,
             std::vector<ViewerPiece>& out);
  void set(std::uint64_t at, const State& state, std::uint32_t space,
           std::vector<ViewerPiece>& out);
  bool covers(std::uint64_t at) const;
  /// Ends nothing, but puts all that is there into `out`.
  void finish(std::uint32_t space, std::vector<ViewerPiece>& out) const;

 private:
  std::map<std::uint64_t, State> pieces_;
};

class ViewerMapper {
 public:
  void on_line(const TraceLine& line, RecordIndex at, std::uint32_t task);
  /// `tasks`: names for address spaces.
  ViewerMaps finish(const std::vector<ViewerTask>& tasks);

 private:
  struct PteOp {
    RecordIndex at = 0;
    std::uint32_t task = 0;
    std::uint64_t address = 0;
    std::uint64_t length = 0;
    std::uint64_t pfn = 0;
    std::uint8_t state = 0;
    bool clear = false;
  };
  struct File {
    ViewerSpace detailed;  ///< from iomap events
    ViewerSpace coarse;    ///< from xfs events, for kernels without the others
    std::uint64_t size = 0;
  };

  std::uint32_t file_of(const TraceLine& line);
  void extent_line(const TraceLine& line, RecordIndex at, std::uint32_t task);
  void set_extent(std::uint32_t file, bool detailed, std::uint64_t at, ViewerSpace::State state);
  void drop_extents(std::uint32_t file, std::uint64_t from, std::uint64_t to, RecordIndex at);
  void pte_line(const TraceLine& line, RecordIndex at, std::uint32_t task);
  void lock_line(const TraceLine& line, std::uint32_t task);
  std::uint32_t root(std::uint32_t task) const;
  void join(std::uint32_t a, std::uint32_t b);
  void play(const std::vector<PteOp>& ops, const std::vector<ViewerTask>& tasks, ViewerMaps& maps);

  std::map<std::string, std::uint32_t, std::less<>> file_numbers_;
  std::vector<std::string> file_names_;
  std::vector<File> files_;
  std::vector<ViewerPiece> detailed_;
  std::vector<ViewerPiece> coarse_;
  std::vector<PteOp> ptes_;
  std::vector<PteOp> dax_ptes_;
  mutable std::vector<std::uint32_t> parent_;        // by task: another one that shares its mm
  std::map<std::uint64_t, std::uint32_t> mm_users_;  // a lock of an mm: a task that took it
  struct Punch {
    std::uint64_t from = 0;
    std::uint64_t to = 0;
  };
  std::map<std::uint32_t, Punch> punches_;  // by task: the fallocate it is in
};

}  // namespace faultline
