// The lock-order graph: classes, dependencies with their kinds, and the exact search for strong
// circles, made once for each new kind of an edge. The rules are those of Linux 6.12
// kernel/locking/lockdep.c, with two states a class in the search, so that a class met first by a
// recursive reader and then by a stronger way is not missed. Knows nothing of tasks' held locks.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include <faultline/types.hpp>

#include "trace/record.hpp"

namespace faultline {

/// A lock class with its subclass, as a vertex: numbered in order of first sight.
using LockVertex = std::uint32_t;

/// How a lock is held or wanted. A shared hold is not recursive unless said so: a reader that comes
/// a second time may find a writer queued before it.
enum class OrderMode : std::uint8_t { exclusive, shared, recursive };

/// Kinds of an edge, as bits: the holder is exclusive (E) or shared (S), the wanted acquisition
/// waits for queued writers (N) or only for a writer that holds (R).
namespace edge_kind {
inline constexpr std::uint8_t EN = 1, ER = 2, SN = 4, SR = 8;
inline constexpr std::uint8_t exclusive = EN | ER;  ///< the holder is exclusive
inline constexpr std::uint8_t plain = 15;
/// The same kinds, of an attempt that tried first and would have waited: shifted by this much.
inline constexpr unsigned try_wait_shift = 4;
inline constexpr std::uint8_t all = 255;

constexpr std::uint8_t of(OrderMode held, OrderMode wanted, bool try_wait) {
  const unsigned n = (held == OrderMode::exclusive ? 0u : 2u) +
                     (wanted == OrderMode::recursive ? 1u : 0u) + (try_wait ? try_wait_shift : 0u);
  return static_cast<std::uint8_t>(1u << n);
}
}  // namespace edge_kind

/// Who first showed a dependency, and how.
struct LockSighting {
  Nanos time;               ///< of the wanted acquisition
  std::uint32_t trace = 0;  ///< number of the trace that showed it
  TaskId task;
  Context context = Context::task;
  OrderMode held_mode = OrderMode::exclusive;
  OrderMode wanted_mode = OrderMode::exclusive;
  std::uint64_t held_instance = 0;
  std::uint64_t wanted_instance = 0;
  std::uint32_t held_path = 0;  ///< call path where the held lock was taken; 0 when unknown
  std::uint32_t wanted_path = 0;
};

/// A dependency: `to` was wanted while `from` was held.
struct LockEdge {
  LockVertex from = 0;
  LockVertex to = 0;
  std::uint8_t kinds = 0;               ///< edge_kind bits
  std::uint32_t first = 0;              ///< index of the first sighting of any kind
  std::array<std::uint32_t, 8> seen{};  ///< by kind's bit number: index of its first sighting
};

/// One edge of a circle, and the kind of it that makes the circle strong.
struct CircleStep {
  std::uint32_t edge = 0;
  std::uint8_t kind = 0;  ///< one edge_kind bit
};

/// A closed path of dependencies on which tasks can wait for one another. Each class occurs once.
struct LockCircle {
  std::vector<CircleStep> steps;  ///< begins with the edge that closed it
  bool try_wait = false;  ///< holds only because try-then-wait counts: a kernel would not see it
  Nanos time;             ///< when it was closed
};

class LockGraph {
 public:
  LockGraph();
  ~LockGraph();
  LockGraph(LockGraph&&) noexcept;
  LockGraph& operator=(LockGraph&&) noexcept;

  LockVertex add_vertex();
  std::size_t vertices() const { return vertex_count_; }

  /// Adds the dependency, or a kind (one edge_kind bit) to a known one, and looks for the circles
  /// it closes. Returns the edge's index. A kind that is known already costs one look-up.
  std::uint32_t add(LockVertex from, LockVertex to, std::uint8_t kind,
                    const LockSighting& sighting);

  /// In order of first sight.
  const std::vector<LockEdge>& edges() const { return edges_; }
  const LockSighting& sighting(std::uint32_t index) const { return sightings_[index]; }
  /// The sighting that stands behind a step of a circle.
  const LockSighting& sighting(const CircleStep& step) const;

  /// Strong circles in order of discovery, one for each set of classes: a shortest one through each
  /// edge that closed any, and all others of at most max_length edges as long as there are fewer
  /// than max_circles.
  const std::vector<LockCircle>& circles() const { return circles_; }
  /// There may be more circles than circles() has.
  bool more_circles() const { return more_circles_; }
  static constexpr std::size_t max_length = 8;
  static constexpr std::size_t max_circles = 200;

  /// By vertex: the number of its strongly connected component. Vertices that share one lie on a
  /// closed path, strong or weak.
  std::vector<std::uint32_t> components() const;

  /// Is a circle through these edges strong for some choice of their kinds out of `allowed`? Fills
  /// in the kinds if so.
  bool choose_kinds(std::vector<CircleStep>& steps, std::uint8_t allowed) const;

 private:
  struct Adjacency;

  bool search(std::uint32_t edge, std::uint8_t kind, std::uint8_t allowed);
  std::vector<CircleStep> shortest_walk(std::uint32_t edge, std::uint8_t kind,
                                        std::uint8_t allowed) const;
  std::vector<CircleStep> elementary(std::vector<CircleStep> walk, std::uint8_t allowed) const;
  std::vector<CircleStep> simple_circle(std::uint32_t edge, std::uint8_t kind,
                                        std::uint8_t allowed) const;
  void other_circles(std::uint32_t edge, std::uint8_t kind, std::uint8_t allowed);
  void record(std::vector<CircleStep> steps, std::uint8_t allowed, Nanos time);

  std::unique_ptr<Adjacency> adjacency_;
  std::size_t vertex_count_ = 0;
  std::vector<LockEdge> edges_;
  std::vector<LockSighting> sightings_;
  std::vector<LockCircle> circles_;
  bool more_circles_ = false;
  std::map<std::vector<LockVertex>, std::size_t> known_;  // sorted classes: index of the circle
};

}  // namespace faultline
