// Columns to bytes: see the header. Numbers are LEB128; what may go back is zigzag; indexes are
// differences, since neighbours are near.
#include "export/viewer_pack.hpp"

#include <zlib.h>

#include "base/bug.hpp"

namespace faultline {

namespace {

using Json = nlohmann::ordered_json;

class Columns {
 public:
  void put(std::uint64_t v) {
    for (; v >= 128; v >>= 7) bytes_ += static_cast<char>(v | 128);
    bytes_ += static_cast<char>(v);
    ++count_;
  }
  /// The difference to the number before it in this column.
  void put_near(std::uint64_t v) {
    const auto d = static_cast<std::int64_t>(v - last_);
    put((static_cast<std::uint64_t>(d) << 1) ^ static_cast<std::uint64_t>(d >> 63));
    last_ = v;
  }
  /// An index from `base` on, or none.
  void put_index(RecordIndex v, RecordIndex base = 0) {
    put(v == no_record ? 0 : std::uint64_t{v} - base + 1);
  }
  void end(const char* name) {
    directory_.push_back({name, count_, bytes_.size() - begin_});
    begin_ = bytes_.size();
    count_ = last_ = 0;
  }
  void raw(const char* name, std::string_view bytes) {
    bytes_ += bytes;
    count_ = bytes.size();
    end(name);
  }
  const Json& directory() const { return directory_; }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
  Json directory_ = Json::array();
  std::size_t begin_ = 0;
  std::uint64_t count_ = 0;
  std::uint64_t last_ = 0;
};

template <class List, class Put>
void column(Columns& out, const char* name, const List& list, const Put& put) {
  for (const auto& item : list) put(item);
  out.end(name);
}

void put_records(Columns& out, const ViewerModel& m) {
  column(out, "time", m.records.time, [&](std::uint64_t v) { out.put_near(v); });
  column(out, "task", m.records.task, [&](std::uint32_t v) { out.put(v); });
  column(out, "cpu", m.records.cpu, [&](std::uint32_t v) { out.put(v); });
  column(out, "context", m.records.context, [&](std::uint8_t v) { out.put(v); });
  // A message that is new has the next number, and is written as 0.
  std::uint32_t next = 1;
  column(out, "message", m.records.message, [&](std::uint32_t v) {
    out.put(next - v);
    if (v == next) ++next;
  });
  column(out, "message_event", m.message_event, [&](std::uint32_t v) { out.put(v); });
  for (std::uint32_t i = 0; i < m.messages.size(); ++i) out.put(m.messages.view(i).size());
  out.end("message_length");
  std::string text;
  for (std::uint32_t i = 0; i < m.messages.size(); ++i) text += m.messages.view(i);
  out.raw("text", text);
}

void put_spans(Columns& out, const ViewerModel& m) {
  column(out, "span_begin", m.spans, [&](const ViewerSpan& s) { out.put_near(s.begin); });
  column(out, "span_end", m.spans, [&](const ViewerSpan& s) { out.put_index(s.end, s.begin); });
  column(out, "span_kind", m.spans, [&](const ViewerSpan& s) { out.put(std::uint64_t(s.kind)); });
  column(out, "span_depth", m.spans, [&](const ViewerSpan& s) { out.put(s.depth); });
  column(out, "wait_at", m.waits, [&](const ViewerWait& w) { out.put_near(w.at); });
  column(out, "wait_owner", m.waits, [&](const ViewerWait& w) { out.put_index(w.owner); });
  column(out, "wait_waker", m.waits, [&](const ViewerWait& w) { out.put_index(w.waker, w.at); });
  column(out, "wait_woken", m.waits, [&](const ViewerWait& w) { out.put_index(w.woken, w.at); });
  column(out, "wake_at", m.wakes, [&](const ViewerWake& w) { out.put_near(w.waker); });
  column(out, "wake_woken", m.wakes, [&](const ViewerWake& w) { out.put_index(w.woken, w.waker); });
  column(out, "run_begin", m.runs, [&](const ViewerRun& r) { out.put_near(r.begin); });
  column(out, "run_end", m.runs, [&](const ViewerRun& r) { out.put_index(r.end, r.begin); });
  column(out, "run_cpu", m.runs, [&](const ViewerRun& r) { out.put(r.cpu); });
  column(out, "run_task", m.runs, [&](const ViewerRun& r) { out.put(r.task); });
}

void put_pieces(Columns& out, const std::string& prefix, const std::vector<ViewerPiece>& pieces) {
  const auto add = [&](const char* name, const auto& put) {
    column(out, (prefix + name).c_str(), pieces, put);
  };
  add("_space", [&](const ViewerPiece& p) { out.put(p.space); });
  add("_at", [&](const ViewerPiece& p) { out.put_near(p.at); });
  add("_length", [&](const ViewerPiece& p) { out.put(p.length); });
  add("_from", [&](const ViewerPiece& p) { out.put_near(p.from); });
  add("_to", [&](const ViewerPiece& p) { out.put_index(p.to, p.from); });
  add("_state", [&](const ViewerPiece& p) { out.put(p.state); });
  add("_target", [&](const ViewerPiece& p) { out.put_near(p.target); });
}

Json info_json(const ViewerModel& m) {
  const TraceInfo& i = m.info;
  return {{"native", i.native},
          {"scenario", i.scenario},
          {"profile", i.profile},
          {"seed", i.seed},
          {"level", i.level ? Json(std::string(level_name(*i.level))) : Json()},
          {"outcome", i.outcome},
          {"complete", i.complete},
          {"records", i.records},
          {"lost", i.lost},
          {"overwritten", i.overwritten},
          {"unknown_events", i.unknown_events},
          {"unparsed", i.unparsed},
          {"malformed", m.malformed},
          {"out_of_order", m.out_of_order}};
}

}  // namespace

std::string deflated(std::string_view bytes) {
  uLongf size = compressBound(static_cast<uLong>(bytes.size()));
  std::string out(size, '\0');
  const int status =
      compress2(reinterpret_cast<Bytef*>(out.data()), &size,
                reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uLong>(bytes.size()), 6);
  FL_ASSERT(status == Z_OK);
  out.resize(size);
  return out;
}

std::string base64(std::string_view bytes) {
  constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t v = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      v = (v << 8) | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    }
    out += digits[v >> 18];
    out += digits[(v >> 12) & 63];
    out += i + 1 < bytes.size() ? digits[(v >> 6) & 63] : '=';
    out += i + 2 < bytes.size() ? digits[v & 63] : '=';
  }
  return out;
}

std::string pack_for_viewer(const ViewerInput& input, const Json& extra) {
  const ViewerModel& m = input.model;
  Columns columns;
  put_records(columns, m);
  put_spans(columns, m);
  put_pieces(columns, "extent", m.maps.extents);
  put_pieces(columns, "pte", m.maps.ptes);
  Json head = {{"format", 1}, {"name", m.name}, {"info", info_json(m)}};
  Json tasks = Json::array();
  for (const auto& task : m.tasks) tasks.push_back({task.name, task.pid});
  head["tasks"] = tasks;
  Json syscalls = Json::object();
  for (const auto& [number, name] : m.syscalls) syscalls[std::to_string(number)] = name;
  head["syscalls"] = syscalls;
  head["events"] = m.events;
  head["files"] = m.maps.files;
  head["file_sizes"] = m.maps.size;
  head["spaces"] = m.maps.spaces;
  head["ptes_are_inferred"] = m.maps.ptes_are_inferred;
  head["locks_are_inferred"] = m.locks_are_inferred;
  head["order"] = input.order;
  head["columns"] = columns.directory();
  head.update(extra);
  // Names in a trace may be any bytes; what is no UTF-8 is shown as such.
  const std::string json = head.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::string bytes;
  for (unsigned shift = 0; shift < 32; shift += 8) {
    bytes += static_cast<char>(json.size() >> shift);
  }
  bytes += json;
  bytes += columns.bytes();
  return base64(deflated(bytes));
}

}  // namespace faultline
