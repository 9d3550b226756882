// The writer's inner loop: per record one prefix, one time, and the steps of a compiled format.
#include "trace/text_writer.hpp"

#include <cstring>

#include "base/bug.hpp"
#include "trace/digits.hpp"
#include "trace/field_text.hpp"

namespace faultline {
namespace {

constexpr std::size_t buffer_size = 256 * 1024;
constexpr std::size_t slack = 64;  // wide copies may touch that many bytes behind the end
// A line without its symbols and prefix: literals, each field at its longest, time, newline.
constexpr std::size_t max_line = Format::max_text + Format::max_ops * max_field_text + 64;
constexpr std::uint64_t nanos_per_second = 1'000'000'000;

// Copies 16 bytes a step, which is faster than memcpy of a small unknown length; `from` has the
// padding that SymbolTable and Format promise.
char* put_wide(char* p, const char* from, std::size_t length) {
  for (std::size_t done = 0; done < length; done += 16) std::memcpy(p + done, from + done, 16);
  return p + length;
}

// A header value is one word: what would break that is %-escaped.
std::string header_word(std::string_view text) {
  std::string word;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= ' ' || byte == '%' || byte == 0x7f) {
      word += '%';
      word.append(&digits::hex[2 * byte], 2);
    } else {
      word += c;
    }
  }
  return word;
}

const char* flag_columns(Context context) {
  switch (context) {
    case Context::hardirq:
      return "d.h..";
    case Context::softirq:
      return "..s..";
    case Context::task:
      break;
  }
  return ".....";
}

bool is_flag_list(FieldType type) {
  return type == FieldType::fault_flags || type == FieldType::xfs_lock ||
         type == FieldType::xfs_buf || type == FieldType::iomap_op_612 ||
         type == FieldType::iomap_op_71;
}

}  // namespace

EventMask chosen_events(Level level, std::string_view globs) {
  const auto mask = EventMask::of_level(level);
  return globs.empty() ? mask : mask & EventMask::of_globs(globs);
}

TextWriter::TextWriter(const Tracer& tracer, const TraceHeader& header, TextSink sink)
    : tracer_(tracer),
      sink_(std::move(sink)),
      buffer_(new char[buffer_size + slack]),
      capacity_(buffer_size),
      end_(buffer_.get()),
      flags_(flag_slots) {
  const Family family = family_of(header.profile);
  for (std::size_t i = 0; i < event_count; ++i) {
    formats_.push_back(&catalogue::format(Event(i), family));
  }
  std::string text = "# tracer: nop\n# faultline: format=1";
  text += " scenario=" + header_word(header.scenario);
  text += " profile=" + header_word(header.profile);
  text += " seed=" + std::to_string(header.seed) + " level=";
  text += level_name(header.level);
  if (!header.events.empty()) text += " events=" + header_word(header.events);
  put_text(text + "\n");
}

TextWriter::~TextWriter() {
  if (!finished_) flush();
}

void TextWriter::on_record(const Record& record) {
  FL_ASSERT(!finished_);
  const Prefix& prefix = prefix_of(record);
  char* p = make_room(end_, prefix.text.size() + max_line);
  p = put_wide(p, prefix.text.data(), prefix.text.size());
  p = put_time(p, record.time);
  p = put_body(p, *formats_[static_cast<std::size_t>(record.event)], record);
  *p++ = '\n';
  end_ = p;
  ++records_;
}

int TextWriter::finish(std::string_view outcome) {
  FL_ASSERT(!finished_);
  put_text("# faultline: end outcome=" + header_word(outcome) +
           " records=" + std::to_string(records_) + "\n");
  return abandon();
}

int TextWriter::abandon() {
  if (!finished_) flush();
  finished_ = true;
  return sink_.close();
}

const TextWriter::Prefix& TextWriter::prefix_of(const Record& record) {
  if (record.task.v >= prefixes_.size()) prefixes_.resize(std::size_t{record.task.v} + 1);
  Prefix& prefix = prefixes_[record.task.v];
  if (!prefix.text.empty() && prefix.cpu == record.cpu && prefix.context == record.context) {
    return prefix;
  }
  // ftrace's own layout: %16s-%-7d [%03d] flags
  const TaskName& task = tracer_.tasks().name(record.task);
  const auto pid = std::to_string(task.pid);
  const auto cpu = std::to_string(record.cpu.v);
  prefix.cpu = record.cpu;
  prefix.context = record.context;
  prefix.text.assign(task.comm.size() < 16 ? 16 - task.comm.size() : 0, ' ');
  prefix.text += task.comm + "-" + pid;
  prefix.text.append(pid.size() < 7 ? 7 - pid.size() : 0, ' ');
  prefix.text += " [" + std::string(cpu.size() < 3 ? 3 - cpu.size() : 0, '0') + cpu + "] ";
  prefix.text += flag_columns(record.context);
  prefix.text.reserve(prefix.text.size() + 32);  // put_wide reads that far
  return prefix;
}

char* TextWriter::put_time(char* p, Nanos time) {
  const std::uint64_t second = time.v / nanos_per_second;
  if (second != second_) {
    second_ = second;
    const auto text = std::to_string(second);
    second_text_.assign(text.size() < 5 ? 6 - text.size() : 1, ' ');
    second_text_ += text + ".";
    second_text_.reserve(64);
  }
  p = put_wide(p, second_text_.data(), second_text_.size());
  p = digits::put_nano(p, static_cast<std::uint32_t>(time.v - second * nanos_per_second));
  std::memcpy(p, ": ", 2);
  return p + 2;
}

char* TextWriter::put_body(char* p, const Format& format, const Record& record) {
  for (std::size_t i = 0; i < format.n_ops; ++i) {
    const FormatOp& op = format.ops[i];
    if (op.type == FieldType::literal) {
      p = put_wide(p, format.text.data() + op.offset, op.length);
      continue;
    }
    const std::uint64_t word = record.arg[op.arg];
    switch (op.type) {  // the common ones here, so that they are inlined
      case FieldType::hex:
        p = digits::put_hex(p, word);
        break;
      case FieldType::dec:
        p = digits::put_dec(p, word);
        break;
      case FieldType::ptr:
        p = digits::put_hex16(p, word);
        break;
      case FieldType::sym:
      case FieldType::ksym:
        p = put_symbol(p, word);
        break;
      case FieldType::ip:
        p = (word & ip_symbol_bit) ? put_symbol(p, word & 0xffffffff) : digits::put_hex(p, word);
        break;
      default:
        p = is_flag_list(op.type)
                ? put_cached_flags(p, op.type, word)
                : put_field(p, op.type, word, op.arg > 0 ? record.arg[op.arg - 1u] : 0);
    }
  }
  return p;
}

char* TextWriter::put_symbol(char* p, std::uint64_t id) {
  const auto text = tracer_.symbols().text(SymbolId(static_cast<std::uint32_t>(id)));
  if (text.size() > max_field_text) p = make_room(p, text.size() + max_line);
  return put_wide(p, text.data(), text.size());
}

char* TextWriter::put_cached_flags(char* p, FieldType type, std::uint64_t bits) {
  const auto slot = (bits * 0x9e3779b97f4a7c15ULL + static_cast<unsigned>(type)) >> 58;
  FlagText& cached = flags_[slot];
  if (cached.bits != bits || cached.type != type) {
    char text[max_field_text + slack];
    const auto length = static_cast<std::size_t>(put_field(text, type, bits, 0) - text);
    if (length > sizeof(cached.text) - 16) return put_field(p, type, bits, 0);
    cached.bits = bits;
    cached.type = type;
    cached.length = static_cast<std::uint8_t>(length);
    std::memcpy(cached.text, text, length);
  }
  return put_wide(p, cached.text, cached.length);
}

// At least `bytes` free behind `p`, which is the end of text not yet counted in end_.
char* TextWriter::make_room(char* p, std::size_t bytes) {
  auto used = static_cast<std::size_t>(p - buffer_.get());
  if (used + bytes <= capacity_) return p;
  const auto pending = static_cast<std::size_t>(p - end_);
  flush();
  if (pending + bytes > capacity_) {
    const auto bigger = pending + bytes;
    std::unique_ptr<char[]> buffer(new char[bigger + slack]);
    std::memcpy(buffer.get(), buffer_.get() + (used - pending), pending);
    buffer_ = std::move(buffer);
    capacity_ = bigger;
  } else {
    std::memmove(buffer_.get(), buffer_.get() + (used - pending), pending);
  }
  end_ = buffer_.get();
  return end_ + pending;
}

void TextWriter::put_text(std::string_view text) {
  char* p = make_room(end_, text.size());
  std::memcpy(p, text.data(), text.size());
  end_ = p + text.size();
}

void TextWriter::flush() {
  sink_.write({buffer_.get(), static_cast<std::size_t>(end_ - buffer_.get())});
  end_ = buffer_.get();
}

}  // namespace faultline
