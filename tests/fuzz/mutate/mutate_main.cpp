// The fuzz targets without libFuzzer: seeds are mutated by a generator of its own, so that every
// compiler can run it and round N is the same input everywhere. A crash, an exception or a hang is
// the failure; the round that made it is named, and `--only N` plays just that one.
#include <unistd.h>
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "mutate/mutation.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size);

namespace {

using faultline::fuzz::Mutator;

volatile std::sig_atomic_t current_round = 0;  // a signal handler can be told no other way

void write_number(int number) {
  char digits[16];
  std::size_t at = sizeof digits;
  do {
    digits[--at] = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number > 0 && at > 0);
  if (write(STDERR_FILENO, digits + at, sizeof digits - at) < 0) std::_Exit(1);
}

// Only calls that a signal handler may make.
extern "C" void report_crash(int signal) {
  constexpr std::string_view before = "\nmutate: crashed or hung in round ";
  constexpr std::string_view after = "; play it alone with --only and that number\n";
  if (write(STDERR_FILENO, before.data(), before.size()) < 0) std::_Exit(1);
  write_number(current_round);
  if (write(STDERR_FILENO, after.data(), after.size()) < 0) std::_Exit(1);
  std::_Exit(128 + signal);
}

void read_seeds(const std::filesystem::path& path, std::vector<std::string>& seeds) {
  constexpr std::size_t largest = 32768;
  std::ifstream in(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (text.size() > largest) text.resize(largest);
  seeds.push_back(std::move(text));
}

bool ends_with_one_of(std::string_view name, std::string_view endings) {
  while (!endings.empty()) {
    const auto ending = endings.substr(0, endings.find(','));
    endings.remove_prefix(std::min(ending.size() + 1, endings.size()));
    if (name.size() > ending.size() && name.substr(name.size() - ending.size()) == ending)
      return true;
  }
  return false;
}

// Every file of these names or under these folders with one of the wanted endings, sorted, so that
// the rounds are the same on each machine.
std::vector<std::string> all_seeds(const std::vector<std::string>& paths,
                                   std::string_view endings) {
  std::vector<std::filesystem::path> files;
  for (const auto& path : paths) {
    if (!std::filesystem::is_directory(path)) {
      files.emplace_back(path);
      continue;
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
      const auto name = entry.path().filename().string();
      if (entry.is_regular_file() && ends_with_one_of(name, endings)) files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  std::vector<std::string> seeds;
  for (const auto& file : files) read_seeds(file, seeds);
  return seeds;
}

void play(const Mutator& mutator, int round) {
  current_round = round;
  const std::string input = mutator.input(std::uint64_t(round));
  alarm(20);
  LLVMFuzzerTestOneInput(reinterpret_cast<const unsigned char*>(input.data()), input.size());
  alarm(0);
}

}  // namespace

// mutate SECONDS|--only ROUND ENDING[,ENDING...] PATH...
int main(int argc, char* argv[]) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  const bool only = !arguments.empty() && arguments[0] == "--only";
  if (only) arguments.erase(arguments.begin());
  if (arguments.size() < 3) {
    std::fprintf(stderr, "usage: %s SECONDS ENDING PATH... | --only ROUND ENDING PATH...\n",
                 argv[0]);
    return 2;
  }
  const int number = std::atoi(arguments[0].c_str());
  const auto seeds = all_seeds({arguments.begin() + 2, arguments.end()}, arguments[1]);
  if (seeds.empty()) {
    std::fprintf(stderr, "mutate: no seed ends in %s\n", arguments[1].c_str());
    return 2;
  }
  for (const int signal : {SIGSEGV, SIGABRT, SIGFPE, SIGBUS, SIGILL, SIGALRM}) {
    std::signal(signal, report_crash);
  }
  const Mutator mutator(seeds);
  if (only) {
    play(mutator, number);
    return 0;
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(number);
  int round = 0;
  while (std::chrono::steady_clock::now() < end) play(mutator, round++);
  std::printf("mutate: %zu seeds, %d rounds\n", seeds.size(), round);
  return round > 0 ? 0 : 1;
}
