// Collects everything that is wrong with a document, so that a user sees it in one go. Keeps the
// first hundred by position and counts the rest: a broken generator makes millions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/diagnostic.hpp"
#include "scenario/json_tree.hpp"

namespace faultline {

class ErrorList {
 public:
  static constexpr std::size_t most_kept = 100;

  explicit ErrorList(const JsonTree& tree) : tree_(&tree) {}

  /// Adds a complaint about a value (or its key); `message` is a function that returns the text and
  /// is called only if it will be kept, because suggestions cost time.
  template <class Message>
  void add(NodeId node, Complaint complaint, Message&& message) {
    add_at((*tree_)[node].source, (*tree_)[node].pos, node, complaint, message);
  }
  template <class Message>
  void add_at_key(NodeId node, Complaint complaint, Message&& message) {
    add_at((*tree_)[node].source, (*tree_)[node].key_pos, node, complaint, message);
  }
  /// At any place of a source; the pointer is that of `node` (no_node: none).
  template <class Message>
  void add_at(std::uint16_t source, std::uint32_t pos, NodeId node, Complaint complaint,
              Message&& message) {
    // What is written wrongly needs no second complaint about what it means.
    if (complaint == Complaint::meaning && has(source, pos)) return;
    ++count_;
    if (!wanted(source, pos)) return;
    keep({source, pos, node, complaint, message()});
  }

  bool empty() const { return count_ == 0; }
  std::uint64_t count() const { return count_; }

  /// Sorted by position; when some were left out, a last one says how many.
  std::vector<Diagnostic> take() const;

 private:
  struct Entry {
    std::uint16_t source;
    std::uint32_t pos;
    NodeId node;
    Complaint complaint;
    std::string what;
  };
  bool has(std::uint16_t source, std::uint32_t pos) const;
  bool wanted(std::uint16_t source, std::uint32_t pos) const;
  void keep(Entry entry);

  const JsonTree* tree_;
  std::vector<Entry> entries_;  // sorted by (source, pos), in order of arrival where equal
  std::uint64_t count_ = 0;
};

}  // namespace faultline
