// A tree of sequences: every sequence of words that ever occurred is one node, so that a repeated
// sequence is known again by one look into a hash table. Keys are exact (parent, word) pairs, so
// no two sequences are ever taken for one another. Nodes are numbered in order of first sight.
#pragma once

#include <cstdint>
#include <vector>

namespace faultline {

class PrefixTree {
 public:
  using Node = std::uint32_t;  ///< 0 is the empty sequence

  struct Step {
    Node node;
    bool fresh;  ///< the sequence was never seen before
  };

  PrefixTree() { clear(); }

  /// The node of `parent` followed by `word`, which must not be 0.
  Step step(Node parent, std::uint32_t word) {
    const std::uint64_t key = (std::uint64_t{parent} << 32) | word;
    for (std::size_t i = slot_of(key);; i = (i + 1) & (slots_.size() - 1)) {
      const Slot& slot = slots_[i];
      if (slot.key == key) [[likely]]
        return {slot.node, false};
      if (slot.key == 0) return {add(i, key), true};
    }
  }

  Node parent(Node n) const { return static_cast<Node>(keys_[n] >> 32); }
  std::uint32_t word(Node n) const { return static_cast<std::uint32_t>(keys_[n]); }
  /// How many nodes there are, with that of the empty sequence.
  std::size_t size() const { return keys_.size(); }

  void clear() {
    keys_.assign(1, 0);
    slots_.assign(256, {});
    bits_ = 8;
  }

 private:
  struct Slot {
    std::uint64_t key = 0;
    Node node = 0;
  };

  std::size_t slot_of(std::uint64_t key) const {
    return (key * 0x9e3779b97f4a7c15ULL) >> (64 - bits_);
  }
  Node add(std::size_t at, std::uint64_t key) {
    const Node node = static_cast<Node>(keys_.size());
    keys_.push_back(key);
    slots_[at] = {key, node};
    if (keys_.size() * 2 > slots_.size()) grow();
    return node;
  }
  void grow() {
    ++bits_;
    slots_.assign(slots_.size() * 2, {});
    for (Node n = 1; n < keys_.size(); ++n) {
      std::size_t i = slot_of(keys_[n]);
      while (slots_[i].key != 0) i = (i + 1) & (slots_.size() - 1);
      slots_[i] = {keys_[n], n};
    }
  }

  std::vector<std::uint64_t> keys_;  // by node: (parent, word)
  std::vector<Slot> slots_;          // open addressing; size a power of 2
  unsigned bits_ = 8;
};

}  // namespace faultline
