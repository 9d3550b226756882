// Strong integer types for everything numeric that the simulator passes around.
// A `Strong` holds one integer; only the conversions that make sense exist, so an address cannot be
// used as a frame number. All arithmetic is unsigned and wraps, as the kernel's does.
#pragma once

#include <compare>
#include <cstdint>

namespace faultline {

/// An integer of representation `Rep` that mixes with no other one. `v` is the plain number.
template <class Tag, class Rep = std::uint64_t>
struct Strong {
  Rep v{};

  constexpr Strong() = default;
  constexpr explicit Strong(Rep value) : v(value) {}
  friend constexpr auto operator<=>(const Strong&, const Strong&) = default;
  constexpr Strong& operator++() {
    ++v;
    return *this;
  }
};

/// A `Strong` on which offsets (plain integers) may be added and which may be subtracted from each
/// other to give a plain integer.
template <class Tag, class Rep = std::uint64_t>
struct Affine : Strong<Tag, Rep> {
  using Strong<Tag, Rep>::Strong;
  friend constexpr Affine operator+(Affine a, Rep n) { return Affine(Rep(a.v + n)); }
  friend constexpr Affine operator-(Affine a, Rep n) { return Affine(Rep(a.v - n)); }
  friend constexpr Rep operator-(Affine a, Affine b) { return Rep(a.v - b.v); }
  constexpr Affine& operator+=(Rep n) {
    this->v = Rep(this->v + n);
    return *this;
  }
};

/// Virtual time and durations, in nanoseconds.
struct Nanos : Strong<struct NanosTag> {
  using Strong::Strong;
  friend constexpr Nanos operator+(Nanos a, Nanos b) { return Nanos(a.v + b.v); }
  friend constexpr Nanos operator-(Nanos a, Nanos b) { return Nanos(a.v - b.v); }
  friend constexpr Nanos operator*(Nanos a, std::uint64_t n) { return Nanos(a.v * n); }
  constexpr Nanos& operator+=(Nanos b) {
    v += b.v;
    return *this;
  }
};

using Vaddr = Affine<struct VaddrTag>;          ///< virtual address in a simulated process, bytes
using Paddr = Affine<struct PaddrTag>;          ///< simulated physical address, bytes
using Pfn = Affine<struct PfnTag>;              ///< physical frame number, 4 KiB frames
using Pgoff = Affine<struct PgoffTag>;          ///< page index in a file, 4 KiB pages
using Loff = Affine<struct LoffTag>;            ///< byte offset in a file
using FileBlock = Affine<struct FileBlockTag>;  ///< xfs_fileoff_t: block index in a file
using FsBlock = Affine<struct FsBlockTag>;      ///< xfs_fsblock_t: block index in a file system
using Daddr = Affine<struct DaddrTag>;          ///< xfs_daddr_t: 512-byte sector on a device
using Ino = Strong<struct InoTag>;              ///< inode number
using CpuId = Strong<struct CpuTag, std::uint16_t>;
using TaskId = Strong<struct TaskTag, std::uint32_t>;  ///< index of a task in its World
using Pid = Strong<struct PidTag, std::int32_t>;

inline constexpr unsigned PAGE_SHIFT = 12;
inline constexpr std::uint64_t PAGE_SIZE = 1ULL << PAGE_SHIFT;
inline constexpr std::uint64_t PAGE_MASK = ~(PAGE_SIZE - 1);
inline constexpr unsigned PMD_SHIFT = 21;
inline constexpr std::uint64_t PMD_SIZE = 1ULL << PMD_SHIFT;
inline constexpr std::uint64_t PMD_MASK = ~(PMD_SIZE - 1);
inline constexpr unsigned PUD_SHIFT = 30;
inline constexpr std::uint64_t PUD_SIZE = 1ULL << PUD_SHIFT;
inline constexpr unsigned PMD_ORDER = PMD_SHIFT - PAGE_SHIFT;
inline constexpr unsigned PUD_ORDER = PUD_SHIFT - PAGE_SHIFT;

}  // namespace faultline
