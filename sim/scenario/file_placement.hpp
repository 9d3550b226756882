// Where the blocks of the files of one file system lie. Extents with `phys` keep their place, those
// that share blocks have the other file's; the others take the lowest free blocks, in order of
// declaration.
#pragma once

#include <string>
#include <vector>

#include <faultline/scenario.hpp>

#include "base/diagnostic.hpp"
#include "scenario/block_layout.hpp"

namespace faultline {

/// A complaint about a scenario's meaning, at a JSON pointer.
Diagnostic placement_complaint(const Scenario& scenario, const std::string& pointer,
                               const std::string& what);

class FilePlacement {
 public:
  FilePlacement(const Scenario& scenario, FsRef fs);

  /// Files of the scenario that lie on this file system, by index.
  std::vector<std::size_t> files() const;
  /// Whether a declared extent lies on the headers of some allocation group.
  bool crosses_headers(const xfs::Geometry& geo) const;
  /// Extents with `phys`. They come before the others.
  void place_fixed(const xfs::Geometry& geo, std::vector<Diagnostic>& errors);
  void mark_used(const xfs::Geometry& geo, BlockLayout& blocks) const;
  /// Extents without a place; false if they do not fit.
  bool place_free(const xfs::Geometry& geo, BlockLayout& blocks);
  /// Extents that another file has given blocks to: the same blocks, with one user more.
  void place_shared(const xfs::Geometry& geo, std::vector<Diagnostic>& errors);
  /// Sorts the extents of a file and takes the blocks of its tree; false if they do not fit.
  bool place_tree(const xfs::Geometry& geo, std::size_t file, BlockLayout& blocks,
                  std::vector<FsBlock>& tree);

  /// By file index.
  const std::vector<xfs::Extent>& extents(std::size_t file) const { return layouts_[file]; }
  bool reflink(std::size_t file) const { return reflink_[file]; }
  /// Blocks with one user more than the file that declares them.
  const std::vector<xfs::Extent>& shared() const { return shared_; }

 private:
  bool crowded(const xfs::Geometry& geo, const BlockLayout& blocks) const;
  bool place(const xfs::Geometry& geo, std::size_t file, const ExtentSpec& e, BlockLayout& blocks);
  bool place_pattern(const xfs::Geometry& geo, std::size_t file, BlockLayout& blocks);

  const Scenario& scenario_;
  FsRef fs_;
  bool crowded_ = false;  // no room for gaps between extents
  std::vector<std::vector<xfs::Extent>> layouts_;
  std::vector<xfs::Extent> shared_;
  std::vector<bool> reflink_;
};

}  // namespace faultline
