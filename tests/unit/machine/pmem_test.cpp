// The device: content and durability against naive bytes, the fill map against an array, timing
// against arithmetic, poison, memory bounds.
#include "machine/pmem.hpp"

#include <algorithm>
#include <cstring>
#include <deque>
#include <set>
#include <vector>

#include "base/rng.hpp"
#include "catch.hpp"

using namespace faultline;

namespace {

using Line = std::array<unsigned char, 64>;

// Every state of every line written out.
struct NaiveContent {
  struct Flight {
    unsigned owner;
    Line bytes;
  };
  struct State {
    Line cache{};
    bool dirty = false;
    std::deque<Flight> flights;  // oldest first
    Line durable{};
  };
  std::vector<State> lines;
  bool eadr;
  std::set<std::uint64_t> flushed;  // lines that may have flights

  void store(std::uint64_t at, unsigned char byte) {
    State& s = lines[at / 64];
    s.cache[at % 64] = byte;
    if (eadr)
      s.durable = s.cache;
    else
      s.dirty = true;
  }
  void flush(unsigned owner, std::uint64_t line) {
    State& s = lines[line];
    if (s.dirty || !s.flights.empty()) s.flights.push_back({owner, s.cache});
    s.dirty = false;
    flushed.insert(line);
  }
  void fence(unsigned owner) {
    for (const std::uint64_t line : flushed) {
      State& s = lines[line];
      for (std::size_t i = s.flights.size(); i-- > 0;) {
        if (s.flights[i].owner != owner) continue;
        s.durable = s.flights[i].bytes;
        s.flights.erase(s.flights.begin(), s.flights.begin() + std::ptrdiff_t(i) + 1);
        break;
      }
    }
  }
  void persist(std::uint64_t at, unsigned char byte) {
    State& s = lines[at / 64];
    s.cache[at % 64] = byte;
    s.durable = s.cache;
    s.dirty = false;
    s.flights.clear();
  }
  void crash() {
    for (State& s : lines) s.cache = s.durable, s.dirty = false, s.flights.clear();
  }
};

std::vector<std::byte> random_bytes(Rng& rng, std::uint64_t n) {
  std::vector<std::byte> bytes(n);
  const bool same = rng.below(2) != 0;
  const auto fixed = std::byte(rng.below(4));
  for (auto& b : bytes) b = same ? fixed : std::byte(rng.below(256));
  return bytes;
}

void compare(const LineContent& c, const NaiveContent& n, std::uint64_t at, std::uint64_t length) {
  std::vector<std::byte> cache(length), durable(length);
  c.read(at, cache);
  c.read_durable(at, durable);
  bool cache_same = true, durable_same = true;
  for (std::uint64_t i = 0; i < length; ++i) {
    const auto& line = n.lines[(at + i) / 64];
    cache_same &= unsigned(cache[i]) == line.cache[(at + i) % 64];
    durable_same &= unsigned(durable[i]) == line.durable[(at + i) % 64];
  }
  REQUIRE(cache_same);
  REQUIRE(durable_same);
}

/// Stores of all kinds. `c` and the naive `n` get the same.
void play_store(LineContent& c, NaiveContent& n, Rng& rng, std::uint64_t at, std::uint64_t length) {
  const auto owner = unsigned(rng.below(3));
  const auto bytes = random_bytes(rng, length);
  const auto store_all = [&] {
    for (std::uint64_t i = 0; i < length; ++i) n.store(at + i, (unsigned char)bytes[i]);
  };
  switch (rng.below(4)) {
    case 0: {
      const std::uint64_t value = rng.below(3) * 0x0102030405060708ULL;
      c.store_pattern(at, length, value);
      for (std::uint64_t i = 0; i < length; ++i) n.store(at + i, (value >> (i % 8 * 8)) & 255);
      break;
    }
    case 1:
      c.ntstore(owner, at, bytes);
      store_all();
      for (std::uint64_t l = at / 64; length != 0 && l <= (at + length - 1) / 64; ++l) {
        n.flush(owner, l);
      }
      break;
    case 2:
      c.persist(at, bytes);
      for (std::uint64_t i = 0; i < length; ++i) n.persist(at + i, (unsigned char)bytes[i]);
      break;
    default:
      c.store(at, bytes);
      store_all();
      break;
  }
}

/// Flushes and fences of one CPU.
void play_flush(LineContent& c, NaiveContent& n, Rng& rng, std::uint64_t at, std::uint64_t length) {
  const auto owner = unsigned(rng.below(3));
  if (rng.below(3) == 0) {
    c.fence(owner);
    n.fence(owner);
    return;
  }
  c.flush(owner, at, length);
  for (std::uint64_t l = at / 64; length != 0 && l <= (at + length - 1) / 64; ++l) {
    n.flush(owner, l);
  }
}

void play_fill(LineContent& c, NaiveContent& n, Rng& rng, std::uint64_t at, std::uint64_t length) {
  const std::uint64_t value = rng.below(2) * 0x1122334455667788ULL;
  c.fill(at, length, value);
  for (std::uint64_t i = at; i < at + length; ++i) n.persist(i, (value >> (i % 8 * 8)) & 255);
}

void play_random(Domain domain, std::uint64_t seed) {
  constexpr std::uint64_t size = 3 * PMD_SIZE;
  // All of the action is in a few pages at the joints of the tree, so that things meet.
  const std::uint64_t spots[] = {0, PMD_SIZE - PAGE_SIZE, 2 * PMD_SIZE + 5 * PAGE_SIZE};
  LineContent c(size, domain);
  NaiveContent n{std::vector<NaiveContent::State>(size / 64), domain == Domain::eadr, {}};
  Rng rng(seed);
  for (int step = 0; step < 6000; ++step) {
    const std::uint64_t at = spots[rng.below(3)] + rng.below(rng.below(2) != 0 ? 600 : 6000);
    std::uint64_t length = rng.below(4) == 0 ? rng.below(5000) : rng.below(130);
    if (rng.below(4) == 0) length = 8;
    const std::uint64_t what = rng.below(10);
    if (what < 5) {
      play_store(c, n, rng, at, length);
    } else if (what < 8) {
      play_flush(c, n, rng, at, length);
    } else if (what == 8) {
      if (rng.below(16) == 0) length = rng.below(8) == 0 ? PMD_SIZE : 100000;
      length = std::min(length, size - at);
      play_fill(c, n, rng, at, length);
    } else if (rng.below(30) == 0) {
      c.crash();
      n.crash();
      for (const std::uint64_t spot : spots) compare(c, n, spot, 12000);
    }
    compare(c, n, at, std::min<std::uint64_t>(length + 70, size - at));
  }
  for (const std::uint64_t spot : spots) compare(c, n, spot, 12000);
  c.zero(0, size);
  CHECK(c.records() == 0);
}

}  // namespace

TEST_CASE("content and durability agree with a naive model, ADR") {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) play_random(Domain::adr, seed);
}

TEST_CASE("content and durability agree with a naive model, eADR") { play_random(Domain::eadr, 9); }

TEST_CASE("a store survives a crash only when it was flushed and its CPU fenced") {
  LineContent c(1 << 20, Domain::adr);
  const auto word = [](const std::uint64_t& v) { return std::as_bytes(std::span(&v, 1)); };
  const std::uint64_t one = 1, two = 2;
  c.store(0, word(one));   // never flushed
  c.store(64, word(one));  // flushed, never fenced
  c.flush(0, 64, 8);
  c.store(128, word(one));  // flushed by one CPU, fenced by another
  c.flush(1, 128, 8);
  c.store(192, word(one));  // flushed and fenced, then stored again
  c.flush(2, 192, 8);
  c.fence(2);
  c.store(192, word(two));
  CHECK(c.read_u64(192) == 2);
  CHECK_FALSE(c.durable(192, 8));
  c.crash();
  CHECK(c.read_u64(0) == 0);
  CHECK(c.read_u64(64) == 0);
  CHECK(c.read_u64(128) == 0);
  CHECK(c.read_u64(192) == 1);
  CHECK(c.durable(0, 1 << 20));
}

TEST_CASE("storing what is there keeps nothing, until something else was stored") {
  LineContent c(PAGE_SIZE, Domain::adr);
  c.fill(0, PAGE_SIZE, 5);
  c.store_pattern(64, 8, 5);
  CHECK(c.records() == 0);
  CHECK(c.durable(0, PAGE_SIZE));
  c.store_pattern(64, 8, 6);
  c.store_pattern(64, 8, 5);
  CHECK(c.read_u64(64) == 5);
}

TEST_CASE("one stored line on a page of its own costs at most 24 bytes") {
  constexpr std::uint64_t pages = 1 << 20;
  LineContent c(pages * PAGE_SIZE, Domain::adr);
  c.fill(0, pages * PAGE_SIZE, 0x5555);
  for (std::uint64_t i = 0; i < pages; ++i) c.store_pattern(i * PAGE_SIZE + 8, 8, i + 0x10000);
  CHECK(c.records() == pages);
  CHECK(c.host_bytes() <= 24 * pages);
  CHECK(c.read_u64(77 * PAGE_SIZE + 8) == 77 + 0x10000);
  CHECK(c.read_u64(77 * PAGE_SIZE) == 0x5555);
  c.zero(0, pages * PAGE_SIZE);
  CHECK(c.records() == 0);
  for (std::uint64_t i = 0; i < pages; ++i) c.store_pattern(i * PAGE_SIZE, 8, i + 1);
  CHECK(c.host_bytes() <= 24 * pages);  // dropped records are used again
}

TEST_CASE("zeroing a terabyte and each of its blocks in turn takes no memory") {
  LineContent c(1ULL << 40, Domain::adr);
  c.zero(0, 1ULL << 40);
  const std::uint64_t before = c.host_bytes();
  for (std::uint64_t i = 0; i < 100000; ++i) c.zero(i * 7 * PAGE_SIZE, PAGE_SIZE);
  CHECK(c.host_bytes() == before);
  for (std::uint64_t i = 0; i < 1000; ++i) c.store_pattern(i << 30, 8, 1);
  CHECK(c.host_bytes() > before + 1000 * 1024);
  c.zero(0, 1ULL << 40);
  CHECK(c.host_bytes() == before + 1000 * 16);  // the tree is gone, the records wait for reuse
}

TEST_CASE("the fill map agrees with an array") {
  constexpr std::uint64_t n = 20000;  // several blocks of boundaries
  FillMap map;
  std::vector<std::uint64_t> naive(n, 0);
  std::uint64_t most = 0;
  Rng rng(5);
  for (int step = 0; step < 20000; ++step) {
    const std::uint64_t a = rng.below(n), b = a + rng.below(std::min<std::uint64_t>(n - a, 9) + 1);
    const std::uint64_t end = rng.below(3000) == 0 ? n
                              : rng.below(40) == 0 ? std::min(a + 900, n)
                                                   : b,
                        value = rng.below(3);
    map.set(a, end, value);
    std::fill(naive.begin() + std::ptrdiff_t(a), naive.begin() + std::ptrdiff_t(std::max(a, end)),
              value);
    if (step % 250 != 0) continue;
    std::uint64_t segments = 1 + (naive.back() != 0);
    for (std::uint64_t i = 0; i < n; ++i) {
      REQUIRE(map.at(i) == naive[i]);
      if (i != 0) segments += naive[i] != naive[i - 1];
      std::uint64_t run = i;
      while (i % 64 == 0 && run < n && naive[run] == naive[i]) ++run;
      if (i % 64 == 0) REQUIRE(std::min(map.run_end(i), n) == run);
    }
    REQUIRE(map.segments() == segments);
    REQUIRE(map.at(n) == 0);
    most = std::max(most, segments);
  }
  CHECK(most > 1000);
}

TEST_CASE("many fills cost at most 64 bytes each") {
  FillMap map;
  constexpr std::uint64_t fills = 200000;
  for (std::uint64_t i = 0; i < fills; ++i) map.set(i * 100, i * 100 + 64, i + 1);
  CHECK(map.segments() == 2 * fills);  // the first one begins at 0
  CHECK(map.host_bytes() <= 40 * fills);
  FillMap scattered;
  Rng rng(1);
  for (std::uint64_t i = 0; i < fills; ++i) {
    const std::uint64_t at = rng.next() >> 4;
    scattered.set(at, at + 1, 1);
  }
  CHECK(scattered.host_bytes() <= 64 * fills);
}

TEST_CASE("one access takes the latency of the medium, a long one streams") {
  PmemDevice d(Pfn(0x8000), 1 << 20, make_costs(Preset::x86_optane));
  CHECK(d.read(Nanos(0), 64, Pattern::random) == Nanos(305));
  CHECK(d.read(Nanos(1000), 64, Pattern::sequential) == Nanos(169));
  CHECK(d.read(Nanos(2000), 8, Pattern::random) == Nanos(305));
  CHECK(d.read(Nanos(3000), 0, Pattern::random) == Nanos(0));
  // 63 further lines: one core at 28 ns each is slower than 39.4 GB/s.
  CHECK(d.read(Nanos(9000), 4096, Pattern::sequential) == Nanos(169 + 63 * 28));
  CHECK(d.write(Nanos(0), 8, Pattern::random) == Nanos(94));
  CHECK(d.write_nt(Nanos(1000), 64, Pattern::random) == Nanos(90));
  CHECK(d.zero(Nanos(2000), 4096) == Nanos(1781));
  CHECK(d.write_back(Nanos(9000), 1) == Nanos(90 + 5));  // 64 B at 13.9 GB/s = 4.6 ns
}

TEST_CASE("users of one device share its bandwidth") {
  Costs costs = make_costs(Preset::x86_optane);
  PmemDevice d(Pfn(0x8000), 1 << 20, costs);
  // A thousand readers at the same moment: the last one waits for the bytes of all others.
  Nanos last{};
  for (int i = 0; i < 1000; ++i) last = d.read(Nanos(0), 4096, Pattern::sequential);
  const Nanos each = transfer_time(4096, costs.pmem_read_bw);
  CHECK(last == each * 999 + Nanos(169 + 63 * 28));
  CHECK(d.read_busy_until() == each * 1000);
  CHECK(d.write(Nanos(0), 64, Pattern::sequential) == Nanos(94));  // its own channel
  CHECK(d.read(each * 1000, 64, Pattern::random) == Nanos(305));   // idle again
  // Random lines occupy 256 bytes each: a quarter of the bandwidth (M10, M11).
  PmemDevice seq(Pfn(0x8000), 1 << 20, costs), rnd(Pfn(0x8000), 1 << 20, costs);
  for (int i = 0; i < 10000; ++i) {
    seq.read(Nanos(0), 256, Pattern::sequential);
    for (int k = 0; k < 4; ++k) rnd.read(Nanos(0), 64, Pattern::random);
  }
  CHECK(rnd.read_busy_until() == seq.read_busy_until() * 4);
}

TEST_CASE("poison is in whole lines, merges, and is healed by whole lines") {
  PmemDevice d(Pfn(0x8000), 1 << 20, make_costs(Preset::x86_optane));
  CHECK_FALSE(d.poisoned(0, 1 << 20));
  d.poison(100, 1);
  CHECK(d.poisoned(0, 1 << 20) == 64);
  CHECK(d.poisoned(127, 1) == 127);
  CHECK_FALSE(d.poisoned(128, 1000));
  CHECK_FALSE(d.poisoned(0, 64));
  CHECK_FALSE(d.poisoned(100, 0));
  d.poison(192, 64);
  d.poison(128, 64);
  CHECK(d.poisoned(130, 1) == 130);
  d.clear_poison(130, 100);  // no whole line but 192..
  CHECK(d.poisoned(128, 64) == 128);
  d.clear_poison(128, 64);
  CHECK_FALSE(d.poisoned(128, 64));
  CHECK(d.poisoned(0, 4096) == 64);
  CHECK(d.poisoned(128, 4096) == 192);
  d.poison(1 << 19, ~0ULL);
  CHECK(d.poisoned((1 << 20) - 1, 1) == (1 << 20) - 1);
  d.clear_poison(0, ~0ULL);
  CHECK_FALSE(d.has_poison());
}

TEST_CASE("frames and offsets of a device") {
  PmemDevice d(Pfn(0x8000), 16 * PAGE_SIZE, zero_costs());
  CHECK(d.contains(Pfn(0x8000)));
  CHECK(d.contains(Pfn(0x800f)));
  CHECK_FALSE(d.contains(Pfn(0x8010)));
  CHECK_FALSE(d.contains(Pfn(0x7fff)));
  CHECK(d.offset(Paddr(0x8001123)) == 0x1123);
  CHECK(d.pfn(0x1123) == Pfn(0x8001));
  CHECK(d.read(Nanos(5), 4096, Pattern::random) == Nanos(0));  // exploration: all is free
}
