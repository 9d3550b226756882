// Finds what two sequences have in common, so that one element that moved is two differences and
// not a thousand. The shortest edit script while it is short, and elements that occur once on both
// sides as anchors where it is not, so that even two unrelated traces are compared in a time that
// grows with their length and not with its square.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace faultline {

/// a[a .. a+length) equals b[b .. b+length).
struct MatchBlock {
  std::size_t a = 0;
  std::size_t b = 0;
  std::size_t length = 0;
  friend bool operator==(const MatchBlock&, const MatchBlock&) = default;
};

/// A common subsequence of `a` and `b` as blocks in ascending order, no two of which touch on both
/// sides. It is a longest one as long as the differences between two anchors number at most
/// `bound`. Keys are any numbers that are equal when the elements are.
std::vector<MatchBlock> match_sequences(std::span<const std::uint64_t> a,
                                        std::span<const std::uint64_t> b, std::size_t bound = 1000);

}  // namespace faultline
