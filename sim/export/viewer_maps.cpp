// From mapping events and page-table events to rectangles in space and time: see the header.
#include "export/viewer_maps.hpp"

#include <algorithm>

namespace faultline {

namespace {

constexpr std::uint64_t block = 4096;
// Holes reach to the end of what a file can be; numbers beyond this mean nothing to a drawing.
constexpr std::uint64_t largest = 1ULL << 50;

std::uint8_t number(ViewerExtent state) { return static_cast<std::uint8_t>(state); }

// Locks that belong to one mm, whoever takes them. The child's of a fork have a subclass.
bool is_mm_lock(std::string_view name) {
  return name == "&mm->mmap_lock" || name == "&mm->mmap_sem" || name == "&vma->vm_lock->lock" ||
         name == "vm_lock" || name == "&mm->page_table_lock";
}

ViewerExtent extent_state(std::string_view type) {
  if (type == "HOLE") return ViewerExtent::hole;
  if (type == "UNWRITTEN") return ViewerExtent::unwritten;
  if (type == "DELALLOC") return ViewerExtent::delalloc;
  return ViewerExtent::written;
}

}  // namespace

void ViewerSpace::clear(std::uint64_t at, std::uint64_t length, RecordIndex when,
                        std::uint32_t space, std::vector<ViewerPiece>& out) {
  const std::uint64_t end = at + length;
  auto it = pieces_.upper_bound(at);
  if (it != pieces_.begin()) --it;
  while (it != pieces_.end() && it->first < end) {
    const auto [begin, state] = *it;
    const std::uint64_t stop = begin + state.length;
    if (stop <= at) {
      ++it;
      continue;
    }
    it = pieces_.erase(it);
    out.push_back({space, begin, state.length, state.since, when, state.state, state.target});
    // What sticks out goes on, as pieces of their own from now on.
    if (begin < at) pieces_[begin] = {at - begin, when, state.state, state.target};
    if (stop > end) {
      const std::uint64_t target = state.target == 0 ? 0 : state.target + (end - begin);
      it = pieces_.emplace(end, State{stop - end, when, state.state, target}).first;
    }
  }
}

void ViewerSpace::set(std::uint64_t at, const State& state, std::uint32_t space,
                      std::vector<ViewerPiece>& out) {
  auto it = pieces_.upper_bound(at);
  if (it != pieces_.begin()) {
    --it;
    const State& old = it->second;
    const std::uint64_t skip = at - it->first;
    const bool inside = skip < old.length && state.length <= old.length - skip;
    const bool same_target =
        state.state == number(ViewerExtent::hole) || old.target + skip == state.target;
    if (inside && old.state == state.state && same_target) return;  // known already
  }
  clear(at, state.length, state.since, space, out);
  pieces_[at] = state;
}

bool ViewerSpace::covers(std::uint64_t at) const {
  auto it = pieces_.upper_bound(at);
  if (it == pieces_.begin()) return false;
  --it;
  return at - it->first < it->second.length;
}

void ViewerSpace::finish(std::uint32_t space, std::vector<ViewerPiece>& out) const {
  for (const auto& [at, s] : pieces_) {
    out.push_back({space, at, s.length, s.since, no_record, s.state, s.target});
  }
}

std::uint32_t ViewerMapper::file_of(const TraceLine& line) {
  std::string name = std::string(line.text("dev")) + " ino " + std::string(line.text("ino"));
  const auto [it, fresh] =
      file_numbers_.emplace(name, static_cast<std::uint32_t>(file_names_.size()));
  if (fresh) {
    file_names_.push_back(std::move(name));
    files_.emplace_back();
  }
  return it->second;
}

void ViewerMapper::set_extent(std::uint32_t file, bool detailed, std::uint64_t at,
                              ViewerSpace::State state) {
  if (at >= largest || state.length == 0) return;
  state.length = std::min(state.length, largest - at);
  File& f = files_[file];
  if (detailed) {
    f.detailed.set(at, state, file, detailed_);
  } else {
    f.coarse.set(at, state, file, coarse_);
  }
}

void ViewerMapper::drop_extents(std::uint32_t file, std::uint64_t from, std::uint64_t to,
                                RecordIndex at) {
  from = std::min((from + block - 1) / block * block, largest);
  to = std::min(to, largest) / block * block;
  if (to <= from) return;
  const ViewerSpace::State hole{to - from, at, number(ViewerExtent::hole), 0};
  files_[file].detailed.set(from, hole, file, detailed_);
  files_[file].coarse.set(from, hole, file, coarse_);
}

void ViewerMapper::extent_line(const TraceLine& line, RecordIndex at, std::uint32_t task) {
  switch (*line.known) {
    case Event::iomap_iter_dstmap:
    case Event::iomap_iter_srcmap: {
      const ViewerExtent state = extent_state(line.text("type"));
      const bool placed = state == ViewerExtent::written || state == ViewerExtent::unwritten;
      set_extent(file_of(line), true, line.value("offset"),
                 {line.value("length"), at, number(state), placed ? line.value("addr") : 0});
      return;
    }
    case Event::xfs_iomap_found:
    case Event::xfs_iomap_alloc: {
      const std::uint32_t file = file_of(line);
      const bool placed = line.value("startblock") < largest;
      const auto state = placed ? ViewerExtent::mapped : ViewerExtent::hole;
      files_[file].size = std::max(files_[file].size, line.value("size"));
      if (line.value("startoff") >= largest / block ||
          line.value("blockcount") >= largest / block) {
        return;
      }
      set_extent(file, false, line.value("startoff") * block,
                 {line.value("blockcount") * block, at, number(state),
                  placed ? line.value("startblock") * block : 0});
      return;
    }
    case Event::xfs_itruncate_extents_end:
      drop_extents(file_of(line), line.value("new_size"), largest, at);
      return;
    case Event::xfs_free_file_space: {
      const auto punch = punches_.find(task);
      if (punch == punches_.end()) return;
      drop_extents(file_of(line), punch->second.from, punch->second.to, at);
      return;
    }
    default:
      return;
  }
}

void ViewerMapper::pte_line(const TraceLine& line, RecordIndex at, std::uint32_t task) {
  const std::uint64_t address = line.value("address");
  const auto state = [](bool writable, bool special) {
    return static_cast<std::uint8_t>((writable ? 1 : 0) + (special ? 2 : 0));
  };
  switch (*line.known) {
    case Event::sim_pte_set: {
      const std::uint64_t flags = line.value("flags");
      ptes_.push_back({at, task, address, block << line.value("order"), line.value("pfn"),
                       state(flags & 2, flags & 0x200), false});
      return;
    }
    case Event::sim_pte_clear:
      ptes_.push_back({at, task, address, block << line.value("order"), 0, 0, true});
      return;
    case Event::dax_insert_mapping:
      dax_ptes_.push_back({at, task, address / block * block, block, 0,
                           state(line.value("write") != 0, false), false});
      return;
    case Event::dax_load_hole:
      dax_ptes_.push_back({at, task, address / block * block, block, 0, state(false, true), false});
      return;
    case Event::dax_insert_pfn_mkwrite:
      dax_ptes_.push_back({at, task, address / block * block, block, 0, state(true, false), false});
      return;
    case Event::dax_pmd_insert_mapping:
    case Event::dax_pmd_load_hole: {
      const bool mapped = *line.known == Event::dax_pmd_insert_mapping;
      dax_ptes_.push_back({at, task, address / (block * 512) * (block * 512), block * 512,
                           line.value("pfn"), state(mapped && line.value("write"), !mapped),
                           false});
      return;
    }
    default:
      return;
  }
}

void ViewerMapper::lock_line(const TraceLine& line, std::uint32_t task) {
  if (!is_mm_lock(line.text("name"))) return;
  const auto [it, fresh] = mm_users_.emplace(line.value("id"), task);
  if (!fresh) join(it->second, task);
}

void ViewerMapper::on_line(const TraceLine& line, RecordIndex at, std::uint32_t task) {
  if (!line.known || line.fields.empty()) return;
  if (*line.known == Event::lock_acquire) return lock_line(line, task);
  if (*line.known == Event::sys_enter) {
    constexpr std::uint64_t fallocate = 285, punch_hole = 2;
    if (line.value("id") == fallocate && (line.value("a1") & punch_hole)) {
      const std::uint64_t from = std::min(line.value("a2"), largest);
      punches_[task] = {from, from + std::min(line.value("a3"), largest)};
    }
    return;
  }
  if (*line.known == Event::sys_exit) {
    punches_.erase(task);
    return;
  }
  extent_line(line, at, task);
  pte_line(line, at, task);
}

std::uint32_t ViewerMapper::root(std::uint32_t task) const {
  while (parent_.size() <= task) parent_.push_back(static_cast<std::uint32_t>(parent_.size()));
  while (parent_[task] != task) task = parent_[task] = parent_[parent_[task]];
  return task;
}

void ViewerMapper::join(std::uint32_t a, std::uint32_t b) {
  a = root(a);
  b = root(b);
  parent_[std::max(a, b)] = std::min(a, b);
}

// An entry that a task clears and that is not in its own address space is another's: unmapping a
// file's range goes through all that map it.
void ViewerMapper::play(const std::vector<PteOp>& ops, const std::vector<ViewerTask>& tasks,
                        ViewerMaps& maps) {
  std::map<std::uint32_t, std::uint32_t> numbers;  // root task: index of the space
  for (const PteOp& op : ops) numbers.emplace(root(op.task), 0);
  for (auto& [leader, index] : numbers) {
    index = static_cast<std::uint32_t>(maps.spaces.size());
    std::string name;
    for (std::uint32_t t = 0; t < tasks.size(); ++t) {
      if (root(t) == leader) name += (name.empty() ? "" : ", ") + tasks[t].name;
    }
    maps.spaces.push_back(std::move(name));
  }
  std::vector<ViewerSpace> spaces(maps.spaces.size());
  for (const PteOp& op : ops) {
    const std::uint32_t own = numbers.at(root(op.task));
    if (!op.clear) {
      const ViewerSpace::State state{op.length, op.at, op.state, op.pfn * block};
      spaces[own].clear(op.address, op.length, op.at, own, maps.ptes);
      spaces[own].set(op.address, state, own, maps.ptes);
      continue;
    }
    const bool elsewhere = !spaces[own].covers(op.address);
    for (std::uint32_t s = 0; s < spaces.size(); ++s) {
      if (elsewhere ? !spaces[s].covers(op.address) : s != own) continue;
      spaces[s].clear(op.address, op.length, op.at, s, maps.ptes);
      break;
    }
  }
  for (std::uint32_t s = 0; s < spaces.size(); ++s) spaces[s].finish(s, maps.ptes);
}

ViewerMaps ViewerMapper::finish(const std::vector<ViewerTask>& tasks) {
  ViewerMaps maps;
  for (std::uint32_t i = 0; i < files_.size(); ++i) {
    files_[i].detailed.finish(i, detailed_);
    files_[i].coarse.finish(i, coarse_);
  }
  maps.extents = !detailed_.empty() ? std::move(detailed_) : std::move(coarse_);
  maps.files = std::move(file_names_);
  for (const File& file : files_) maps.size.push_back(file.size);
  maps.ptes_are_inferred = ptes_.empty() && !dax_ptes_.empty();
  play(ptes_.empty() ? dax_ptes_ : ptes_, tasks, maps);
  return maps;
}

}  // namespace faultline
