// See the header. Invariants: the map's first segment starts at 0, blocks are never empty, starts
// rise strictly through all blocks, and neighbouring segments differ in value.
#include "machine/fill_map.hpp"

#include <algorithm>
#include <iterator>

namespace faultline {

namespace {

// The last segment of a block that starts at or before `address`; the block's first one does.
template <class Block>
auto segment_at(Block& block, std::uint64_t address) {
  const auto above =
      std::upper_bound(block.begin(), block.end(), address,
                       [](std::uint64_t a, const auto& segment) { return a < segment.start; });
  return std::prev(above);
}

}  // namespace

FillMap::FillMap() { blocks_[0] = {{0, 0}}; }

std::uint64_t FillMap::find(std::uint64_t address) const {
  const auto segment = segment_at(std::prev(blocks_.upper_bound(address))->second, address);
  hit_ = {segment->start, run_end(address) - segment->start, segment->value};
  return hit_.value;
}

std::uint64_t FillMap::run_end(std::uint64_t address) const {
  const auto next_block = blocks_.upper_bound(address);
  const Block& block = std::prev(next_block)->second;
  const auto next = std::next(segment_at(block, address));
  if (next != block.end()) return next->start;
  return next_block == blocks_.end() ? ~std::uint64_t(0) : next_block->first;
}

void FillMap::boundary(std::uint64_t address) {
  auto it = std::prev(blocks_.upper_bound(address));
  Block& block = it->second;
  const auto segment = segment_at(block, address);
  if (segment->start == address) return;
  ++segments_;
  // Filling in rising order opens a fresh block instead of leaving half-empty ones behind.
  if (block.size() >= BLOCK && std::next(segment) == block.end()) {
    blocks_[address] = {{address, segment->value}};
    return;
  }
  const Segment added{address, segment->value};
  if (block.size() < BLOCK) {
    block.insert(std::next(segment), added);
    return;
  }
  Block upper(block.begin() + BLOCK / 2, block.end());
  block = Block(block.begin(), block.begin() + BLOCK / 2);
  const std::uint64_t start = upper.front().start;
  Block& upper_block = blocks_[start] = std::move(upper);
  Block& target = address > start ? upper_block : block;
  target.insert(std::next(segment_at(target, address)), added);
}

// Drops boundaries in (start, end).
void FillMap::erase_inside(std::uint64_t start, std::uint64_t end) {
  auto it = std::prev(blocks_.upper_bound(start));
  while (it != blocks_.end() && it->first < end) {
    Block& block = it->second;
    const auto less = [](const Segment& s, std::uint64_t a) { return s.start < a; };
    const auto from = std::lower_bound(block.begin(), block.end(), start + 1, less);
    const auto to = std::lower_bound(from, block.end(), end, less);
    segments_ -= std::uint64_t(to - from);
    const bool front_gone = from == block.begin() && to != from;
    block.erase(from, to);
    if (block.empty()) {
      it = blocks_.erase(it);
    } else if (front_gone) {  // the block goes on at or after `end`
      Block rest = std::move(block);
      blocks_.erase(it);
      blocks_[rest.front().start] = std::move(rest);
      return;
    } else {
      ++it;
    }
  }
}

void FillMap::join(std::uint64_t address) {
  if (address == 0 || at(address - 1) != at(address)) return;
  auto it = std::prev(blocks_.upper_bound(address));
  Block& block = it->second;
  const auto segment = segment_at(block, address);
  if (segment->start != address) return;
  --segments_;
  const bool front = segment == block.begin();
  block.erase(segment);
  if (!front) return;
  Block rest = std::move(block);
  blocks_.erase(it);
  if (!rest.empty()) blocks_[rest.front().start] = std::move(rest);
}

void FillMap::set(std::uint64_t start, std::uint64_t end, std::uint64_t value) {
  if (start >= end) return;
  if (at(start) == value && run_end(start) >= end) return;
  hit_ = {};
  boundary(start);
  boundary(end);
  erase_inside(start, end);
  segment_at(std::prev(blocks_.upper_bound(start))->second, start)->value = value;
  join(end);
  join(start);
  hit_ = {};
}

std::uint64_t FillMap::host_bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& [start, block] : blocks_) bytes += 96 + block.capacity() * sizeof(Segment);
  return bytes;
}

}  // namespace faultline
