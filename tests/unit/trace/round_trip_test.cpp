// Writer to reader and back: every event of the catalogue with random values, under each family.
#include "base/rng.hpp"
#include "catch.hpp"
#include "trace/names.hpp"
#include "trace_test_util.hpp"

using namespace trace_test;

namespace {

// A number of random width, so that short and long prints both occur.
std::uint64_t any_number(Rng& rng) { return rng.next() >> rng.below(64); }

std::uint64_t any_flags(Rng& rng, FieldType type) {
  std::uint64_t bits = 0;
  for (const auto& word : flag_words(type)) {
    if (rng.below(3) == 0) bits |= word.value;
  }
  return rng.below(8) == 0 ? bits | any_number(rng) : bits;
}

std::uint64_t any_word(Rng& rng, Tracer& tracer, FieldType type) {
  const auto symbol = [&] {
    std::string text(1 + rng.below(40), '_');
    for (char& c : text) c = "abcxyzXYZ0189_:&()->"[rng.below(20)];
    return tracer.symbols().intern(text);
  };
  switch (type) {
    case FieldType::sym:
    case FieldType::ksym:
      return symbol().v;
    case FieldType::ip:
      return rng.below(2) ? ip_symbol(symbol()) : any_number(rng) >> 1;
    case FieldType::dev:
      return rng.next() & 0xffffffff;
    case FieldType::boolean:
    case FieldType::rw_word:
    case FieldType::xfs_queue:
      return rng.below(2);
    case FieldType::vm_shared:
      return rng.below(2) * 8;
    case FieldType::lock_mode:
      return rng.below(4);
    case FieldType::memcg:
      return rng.below(100);
    case FieldType::errno_name:
      return rng.below(134);
    case FieldType::ret_kind:
      return rng.below(7);
    default:
      break;
  }
  if (!value_words(type).empty()) return rng.below(8);
  if (!flag_words(type).empty()) return any_flags(rng, type);
  return any_number(rng);
}

std::uint64_t any_ret(Rng& rng, RetKind kind) {
  switch (kind) {
    case RetKind::none:
      return 0;
    case RetKind::boolean:
      return rng.below(2);
    case RetKind::errno_:
      return rng.below(2) ? 0 - (1 + rng.below(133)) : rng.below(100);
    case RetKind::vm_fault:
      return any_flags(rng, FieldType::vm_fault);
    case RetKind::pointer:
      return rng.below(1 << 20);
    default:
      return any_number(rng);
  }
}

Record any_record(Rng& rng, Tracer& tracer, Event event) {
  const EventInfo& info = catalogue::info(event);
  Record r;
  r.time = Nanos(rng.next() >> rng.below(60));
  r.event = event;
  r.cpu = CpuId(static_cast<std::uint16_t>(rng.below(2000)));
  r.task = TaskId(static_cast<std::uint32_t>(rng.below(3)));
  r.context = static_cast<Context>(rng.below(3));
  r.n = info.n_fields;
  for (std::size_t i = 0; i < r.n; ++i) {
    r.arg[i] = info.fields[i].type == FieldType::ret_value
                   ? any_ret(rng, static_cast<RetKind>(r.arg[i - 1]))
                   : any_word(rng, tracer, info.fields[i].type);
  }
  return r;
}

// What one text can mean: 0 looks the same as integer, errno or VM_FAULT bits.
bool same_kind(std::uint64_t written, std::uint64_t read, std::uint64_t value) {
  const auto kind = static_cast<RetKind>(read);
  if (written == read) return true;
  if (value == 0) return kind == RetKind::integer;
  if (kind == RetKind::errno_) return static_cast<RetKind>(written) == RetKind::errno_;
  if (kind == RetKind::integer) return static_cast<RetKind>(written) == RetKind::errno_;
  // VM_FAULT bits without a name print as plain hex.
  return kind == RetKind::hex && static_cast<RetKind>(written) == RetKind::vm_fault;
}

void compare(const Tracer& tracer, const Record& r, const Line& line, const Format& format) {
  REQUIRE(line.known == r.event);
  CHECK(line.time_ns == r.time.v);
  CHECK(line.cpu == r.cpu.v);
  CHECK(line.context == r.context);
  CHECK(line.task == tracer.tasks().name(r.task).comm);
  CHECK(line.pid == tracer.tasks().name(r.task).pid);
  for (std::size_t i = 0; i < r.n; ++i) {
    const Field& field = format.fields[i];
    if (field.name.empty()) continue;  // this kernel does not print it
    INFO(field.name);
    REQUIRE(i < line.fields.size());
    const auto& got = line.fields[i];
    CHECK(got.name == field.name);
    const auto symbol = [&](std::uint64_t id) {
      return tracer.symbols().text(SymbolId(static_cast<std::uint32_t>(id)));
    };
    if (field.type == FieldType::sym || field.type == FieldType::ksym) {
      CHECK(got.text == symbol(r.arg[i]));
    } else if (field.type == FieldType::ip && (r.arg[i] & ip_symbol_bit)) {
      CHECK(got.text == symbol(r.arg[i] & 0xffffffff));
    } else if (field.type == FieldType::ret_kind) {
      CHECK(same_kind(r.arg[i], got.value, r.arg[i + 1]));
    } else {
      CHECK(got.value == r.arg[i]);
    }
  }
}

void round_trip(const std::string& profile, std::uint64_t seed) {
  Rng rng(seed);
  Tracer tracer;
  tracer.set_task(TaskId(0), "writer", 101);
  tracer.set_task(TaskId(1), "a task-7 with [001] all", 1234567);
  tracer.set_task(TaskId(2), "a_name_longer_than_sixteen_bytes", 7);
  std::string text;
  TextWriter writer(tracer, {"dir/name of it", profile, seed, Level::calls, "sim_*"},
                    TextSink::to_memory(&text));
  std::vector<Record> records;
  for (int round = 0; round < 20; ++round) {
    for (std::size_t e = 0; e < event_count; ++e) {
      // An sdec that stands for an error of integer kind must stay one: see same_kind.
      Record r = any_record(rng, tracer, Event(e));
      if (r.event == Event::sim_ret && r.arg[1] == static_cast<unsigned>(RetKind::integer)) {
        r.arg[2] >>= 1;
      }
      writer.on_record(r);
      records.push_back(r);
    }
  }
  REQUIRE(writer.finish("completed") == 0);
  const auto back = read(text);
  for (const auto& d : back.result.diagnostics) INFO(to_string(d));
  REQUIRE(back.result.ok());
  CHECK(back.result.info.complete);
  CHECK(back.result.info.native);
  CHECK(back.result.info.scenario == "dir/name of it");
  CHECK(back.result.info.profile == profile);
  CHECK(back.result.info.seed == seed);
  CHECK(back.result.info.level == Level::calls);
  CHECK(back.result.info.events == "sim_*");
  CHECK(back.result.info.outcome == "completed");
  CHECK(back.result.info.unknown_events == 0);
  REQUIRE(back.lines.size() == records.size());
  for (std::size_t i = 0; i < records.size(); ++i) {
    INFO(back.lines[i].event << ": " << back.lines[i].body);
    compare(tracer, records[i], back.lines[i],
            catalogue::format(records[i].event, family_of(profile)));
  }
}

}  // namespace

TEST_CASE("every event with random values comes back as it was written") {
  round_trip("linux-6.12", 1);
  round_trip("linux-7.1+map-direct", 2);
  round_trip("linux-4.13+map-direct-v6", 3);
}

TEST_CASE("numbers are written as printf writes them") {
  Tracer tracer;
  Record r;
  r.time = Nanos(0);
  r.cpu = CpuId(0);
  r.task = TaskId(0);
  r.context = Context::task;
  Rng rng(7);
  std::vector<std::uint64_t> numbers = {0,     1,        9,     10,         99,   100,  9999,
                                        10000, 99999999, ~0ULL, 1ULL << 63, 0x10, 0xff, 0x100};
  for (int i = 0; i < 2000; ++i) numbers.push_back(any_number(rng));
  for (const auto v : numbers) {
    char expected[200];
    r.event = Event::sys_exit;
    r.n = 2;
    r.arg[0] = v;
    r.arg[1] = 0 - v;
    std::snprintf(expected, sizeof expected, "NR %lld = %lld", static_cast<long long>(v),
                  static_cast<long long>(0 - v));
    CHECK(print_body(tracer, r) == expected);
    r.event = Event::mm_filemap_fault;
    r.n = 3;
    r.arg[0] = make_dev(259, 1);
    r.arg[1] = v;
    r.arg[2] = v;
    std::snprintf(expected, sizeof expected, "dev=259:1 ino=%llx ofs=%llu",
                  static_cast<unsigned long long>(v), static_cast<unsigned long long>(v));
    CHECK(print_body(tracer, r) == expected);
    r.event = Event::sim_lock_info;
    r.n = 5;
    r.arg[0] = r.arg[4] = v;
    r.arg[1] = tracer.symbols().intern("A").v;
    r.arg[2] = r.arg[3] = 0;
    std::snprintf(expected, sizeof expected, "%016llx class=A subclass=0 recursive=0 nest=%016llx",
                  static_cast<unsigned long long>(v), static_cast<unsigned long long>(v));
    CHECK(print_body(tracer, r) == expected);
  }
}
