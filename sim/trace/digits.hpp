// Numbers to text without printf: two digits a step from tables. Each function writes at `p` and
// returns the end; at most 20 characters are written, and up to 16 bytes behind may be touched.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

namespace faultline::digits {

consteval std::array<char, 200> decimal_pairs() {
  std::array<char, 200> t{};
  for (unsigned i = 0; i < 100; ++i) {
    t[2 * i] = static_cast<char>('0' + i / 10);
    t[2 * i + 1] = static_cast<char>('0' + i % 10);
  }
  return t;
}
consteval std::array<char, 512> hex_pairs() {
  std::array<char, 512> t{};
  for (unsigned i = 0; i < 256; ++i) {
    t[2 * i] = "0123456789abcdef"[i / 16];
    t[2 * i + 1] = "0123456789abcdef"[i % 16];
  }
  return t;
}
inline constexpr auto pairs = decimal_pairs();
inline constexpr auto hex = hex_pairs();

inline unsigned decimal_length(std::uint64_t v) {
  unsigned n = 1;
  for (; v >= 10000; v /= 10000) n += 4;
  return n + (v >= 10) + (v >= 100) + (v >= 1000);
}

/// Unsigned decimal.
inline char* put_dec(char* p, std::uint64_t v) {
  if (v < 10) {
    *p = static_cast<char>('0' + v);
    return p + 1;
  }
  char* const end = p + decimal_length(v);
  char* q = end;
  for (; v >= 100; v /= 100) {
    q -= 2;
    std::memcpy(q, &pairs[2 * (v % 100)], 2);
  }
  if (v >= 10) {
    std::memcpy(q - 2, &pairs[2 * v], 2);
  } else {
    q[-1] = static_cast<char>('0' + v);
  }
  return end;
}

/// Signed decimal.
inline char* put_sdec(char* p, std::uint64_t v) {
  if (static_cast<std::int64_t>(v) >= 0) return put_dec(p, v);
  *p = '-';
  return put_dec(p + 1, 0 - v);
}

/// Exactly nine decimal digits; `v` is below 10^9.
inline char* put_nano(char* p, std::uint32_t v) {
  std::memcpy(p + 7, &pairs[2 * (v % 100)], 2);
  v /= 100;
  std::memcpy(p + 5, &pairs[2 * (v % 100)], 2);
  v /= 100;
  std::memcpy(p + 3, &pairs[2 * (v % 100)], 2);
  v /= 100;
  std::memcpy(p + 1, &pairs[2 * (v % 100)], 2);
  *p = static_cast<char>('0' + v / 100);
  return p + 9;
}

/// Exactly 16 hex digits.
inline char* put_hex16(char* p, std::uint64_t v) {
  for (int i = 7; i >= 0; --i, v >>= 8) std::memcpy(p + 2 * i, &hex[2 * (v & 0xff)], 2);
  return p + 16;
}

/// Hex digits without leading zeros; one digit for 0.
inline char* put_xhex(char* p, std::uint64_t v) {
  const unsigned n = (static_cast<unsigned>(std::bit_width(v | 1)) + 3) / 4;
  char* q = p + n;
  for (; q - p >= 2; v >>= 8) {
    q -= 2;
    std::memcpy(q, &hex[2 * (v & 0xff)], 2);
  }
  if (q != p) *p = hex[2 * (v & 0xf) + 1];
  return p + n;
}

/// 0x and hex digits.
inline char* put_hex(char* p, std::uint64_t v) {
  std::memcpy(p, "0x", 2);
  return put_xhex(p + 2, v);
}

}  // namespace faultline::digits
