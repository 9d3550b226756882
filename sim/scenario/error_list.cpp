// A sorted vector of at most a hundred entries: insertion is a memmove, and most are turned away.
#include "scenario/error_list.hpp"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

namespace faultline {

bool ErrorList::has(std::uint16_t source, std::uint32_t pos) const {
  const auto at = std::lower_bound(entries_.begin(), entries_.end(), std::tie(source, pos),
                                   [](const Entry& entry, const auto& place) {
                                     return std::tie(entry.source, entry.pos) < place;
                                   });
  return at != entries_.end() && at->source == source && at->pos == pos;
}

bool ErrorList::wanted(std::uint16_t source, std::uint32_t pos) const {
  if (entries_.size() < most_kept) return true;
  const Entry& last = entries_.back();
  return std::tie(source, pos) < std::tie(last.source, last.pos);
}

void ErrorList::keep(Entry entry) {
  const auto after =
      std::upper_bound(entries_.begin(), entries_.end(), entry, [](const Entry& a, const Entry& b) {
        return std::tie(a.source, a.pos) < std::tie(b.source, b.pos);
      });
  entries_.insert(after, std::move(entry));
  if (entries_.size() > most_kept) entries_.pop_back();
}

std::vector<Diagnostic> ErrorList::take() const {
  std::vector<Diagnostic> all;
  for (const Entry& entry : entries_) {
    const JsonSource& source = tree_->sources[entry.source];
    const LineColumn place = source.place(entry.pos);
    all.push_back({entry.complaint, source.name, place.line, place.column,
                   entry.node == no_node ? std::string() : tree_->pointer(entry.node), entry.what});
  }
  if (count_ > entries_.size()) {
    all.push_back({Complaint::input,
                   tree_->sources.front().name,
                   0,
                   0,
                   {},
                   fmt::format("and {} more errors, not shown", count_ - entries_.size())});
  }
  return all;
}

}  // namespace faultline
