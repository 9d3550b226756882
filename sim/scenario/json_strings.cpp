// Strings are scanned once; only those with escapes are copied.
#include "scenario/json_strings.hpp"

namespace faultline {
namespace {

constexpr const char* bad_escape = "unknown escape in a string";
constexpr const char* bad_unicode = "\\u needs four hexadecimal digits";
constexpr const char* lone_surrogate = "half of a surrogate pair";

void append_utf8(std::string& out, std::uint32_t c) {
  const auto put = [&out](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xc0 | c >> 6);
    put(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    put(0xe0 | c >> 12);
    put(0x80 | (c >> 6 & 0x3f));
    put(0x80 | (c & 0x3f));
  } else {
    put(0xf0 | c >> 18);
    put(0x80 | (c >> 12 & 0x3f));
    put(0x80 | (c >> 6 & 0x3f));
    put(0x80 | (c & 0x3f));
  }
}

/// Four hexadecimal digits at `pos`, or nothing below 0x10000.
std::uint32_t four_hex(std::string_view text, std::size_t pos) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    const char c = pos + i < text.size() ? text[pos + i] : '\0';
    std::uint32_t digit = 0;
    if (c >= '0' && c <= '9')
      digit = static_cast<std::uint32_t>(c - '0');
    else if (c >= 'a' && c <= 'f')
      digit = static_cast<std::uint32_t>(c - 'a' + 10);
    else if (c >= 'A' && c <= 'F')
      digit = static_cast<std::uint32_t>(c - 'A' + 10);
    else
      return 0x10000;
    value = value << 4 | digit;
  }
  return value;
}

/// `pos` is at the `u` of an escape.
const char* read_unicode_escape(std::string_view text, std::size_t& pos, std::string& out) {
  std::uint32_t c = four_hex(text, pos + 1);
  if (c > 0xffff) return bad_unicode;
  if (c >= 0xdc00 && c <= 0xdfff) return lone_surrogate;
  if (c >= 0xd800 && c <= 0xdbff) {
    if (text.substr(pos + 5, 2) != "\\u") return lone_surrogate;
    const std::uint32_t low = four_hex(text, pos + 7);
    if (low < 0xdc00 || low > 0xdfff) return lone_surrogate;
    c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    pos += 6;
  }
  append_utf8(out, c);
  pos += 5;
  return nullptr;
}

/// `pos` is just after the backslash.
const char* read_escape(std::string_view text, std::size_t& pos, std::string& out) {
  const char c = pos < text.size() ? text[pos] : '\0';
  switch (c) {
    case '"':
    case '\\':
    case '/':
      out += c;
      break;
    case 'b':
      out += '\b';
      break;
    case 'f':
      out += '\f';
      break;
    case 'n':
      out += '\n';
      break;
    case 'r':
      out += '\r';
      break;
    case 't':
      out += '\t';
      break;
    case 'u':
      return read_unicode_escape(text, pos, out);
    default:
      return bad_escape;
  }
  ++pos;
  return nullptr;
}

bool continues(std::string_view text, std::size_t pos, unsigned low = 0x80, unsigned high = 0xbf) {
  if (pos >= text.size()) return false;
  const auto byte = static_cast<unsigned char>(text[pos]);
  return byte >= low && byte <= high;
}

}  // namespace

std::size_t utf8_length(std::string_view text, std::size_t pos) {
  const auto lead = static_cast<unsigned char>(text[pos]);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return continues(text, pos + 1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    const unsigned low = lead == 0xe0 ? 0xa0 : 0x80;
    const unsigned high = lead == 0xed ? 0x9f : 0xbf;
    return continues(text, pos + 1, low, high) && continues(text, pos + 2) ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    const unsigned low = lead == 0xf0 ? 0x90 : 0x80;
    const unsigned high = lead == 0xf4 ? 0x8f : 0xbf;
    const bool good =
        continues(text, pos + 1, low, high) && continues(text, pos + 2) && continues(text, pos + 3);
    return good ? 4 : 0;
  }
  return 0;
}

const char* read_json_string(std::string_view text, std::size_t& pos, std::string& scratch,
                             std::string_view& out) {
  const std::size_t begin = pos;
  bool copied = false;
  while (pos < text.size()) {
    const auto c = static_cast<unsigned char>(text[pos]);
    if (c == '"') {
      out = copied ? std::string_view(scratch) : text.substr(begin, pos - begin);
      ++pos;
      return nullptr;
    }
    if (c == '\\') {
      if (!copied) scratch.assign(text.substr(begin, pos - begin));
      copied = true;
      ++pos;
      if (pos == text.size()) break;
      if (const char* wrong = read_escape(text, pos, scratch); wrong != nullptr) return wrong;
      continue;
    }
    if (c < 0x20) return "control character in a string (a missing quote?)";
    const std::size_t length = c < 0x80 ? 1 : utf8_length(text, pos);
    if (length == 0) return "invalid UTF-8";
    if (copied) scratch.append(text.substr(pos, length));
    pos += length;
  }
  return "the text ends inside a string";
}

}  // namespace faultline
