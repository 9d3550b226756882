// Numbers of results as words; the tables are those of base and of the catalogue.
#include "scenario/report_words.hpp"

#include <fmt/format.h>

#include <faultline/errno.hpp>

#include "base/flags.hpp"
#include "base/units.hpp"

namespace faultline {

std::string_view outcome_text(Outcome outcome) {
  switch (outcome) {
    case Outcome::completed:
      return "completed";
    case Outcome::deadlock:
      return "deadlock";
    case Outcome::stuck:
      return "stuck";
    case Outcome::kernel_bug:
      return "kernel-bug";
    case Outcome::limit:
      return "limit";
    case Outcome::interrupted:
      return "interrupted";
  }
  return {};
}

std::string_view state_text(StepState state) {
  switch (state) {
    case StepState::not_reached:
      return "not_reached";
    case StepState::blocked:
      return "blocked";
    case StepState::done:
      return "done";
  }
  return {};
}

std::string_view extent_state_text(ExtentState state) {
  switch (state) {
    case ExtentState::written:
      return "written";
    case ExtentState::unwritten:
      return "unwritten";
    case ExtentState::delalloc:
      return "delalloc";
    case ExtentState::hole:
      return "hole";
  }
  return {};
}

std::string_view pte_state_text(PteState state) {
  switch (state) {
    case PteState::none:
      return "none";
    case PteState::ro:
      return "ro";
    case PteState::rw:
      return "rw";
    case PteState::special:
      return "special";
  }
  return {};
}

std::string_view leaf_text(LeafSize leaf) {
  switch (leaf) {
    case LeafSize::none:
      return "none";
    case LeafSize::page:
      return "4KiB";
    case LeafSize::pmd:
      return "2MiB";
    case LeafSize::pud:
      return "1GiB";
  }
  return {};
}

Outcome engine_outcome(RunOutcome outcome) {
  switch (outcome) {
    case RunOutcome::completed:
      return Outcome::completed;
    case RunOutcome::deadlock:
      return Outcome::deadlock;
    case RunOutcome::stuck:
      return Outcome::stuck;
    case RunOutcome::kernel_bug:
      return Outcome::kernel_bug;
    case RunOutcome::limit:
      return Outcome::limit;
  }
  return Outcome::completed;
}

std::string fault_leaf(const FaultRecord& fault) {
  if (fault.leaf_order > PUD_ORDER) return "none";
  return size_text(PAGE_SIZE << fault.leaf_order);
}

std::string errno_text(std::int64_t number) {
  if (number >= 0 && number <= errno_max) {
    const auto name = errno_name(static_cast<int>(number));
    if (!name.empty()) return std::string(name);
  }
  return fmt::format("{}", number);
}

std::int64_t step_errno(const StepResult& step) { return step.failed ? -step.result : 0; }

std::string code_text(int signal, int code) {
  const auto name = signal_code_name(signal, code);
  if (!name.empty()) return std::string(name);
  if (code == 0) return "SI_USER";
  if (code == 0x80) return "SI_KERNEL";
  return fmt::format("{}", code);
}

std::string signal_text(int signal) {
  std::string name = signal_name(signal);
  return name.empty() ? fmt::format("signal {}", signal) : name;
}

std::string signal_with_code(int signal, int code) {
  return fmt::format("{} ({})", signal_text(signal), code_text(signal, code));
}

std::vector<std::string> fault_words(std::uint32_t bits) {
  std::vector<std::string> words;
  for (const FlagWord& word : vm_fault_bits.words) {
    if ((bits & word.value) == 0) continue;
    words.emplace_back(word.word);
    bits &= ~static_cast<std::uint32_t>(word.value);
  }
  if (bits != 0) words.push_back(fmt::format("{:#x}", bits));
  return words;
}

std::string fault_text(std::uint32_t bits) {
  return bits == 0 ? "0" : fmt::format("{}", fmt::join(fault_words(bits), "|"));
}

std::string time_text(Nanos time) {
  return fmt::format("{}.{:03}us", time.v / 1000, time.v % 1000);
}

namespace {

enum class Shows : std::uint8_t { nothing, decimal, hex };

Shows shows(Verb verb) {
  switch (verb) {
    case Verb::mmap:
    case Verb::mmap3:
    case Verb::mremap:
    case Verb::load:
      return Shows::hex;
    case Verb::open:
    case Verb::pread:
    case Verb::pwrite:
    case Verb::read:
    case Verb::write:
    case Verb::aio_write:
    case Verb::aio_read:
    case Verb::dedupe:
    case Verb::exchange:
    case Verb::fcntl:
    case Verb::fiemap:
    case Verb::fork:
    case Verb::wait:
    case Verb::pin:
    case Verb::read_maps:
      return Shows::decimal;
    default:
      return Shows::nothing;
  }
}

}  // namespace

std::string value_text(Verb verb, std::int64_t value) {
  if (shows(verb) == Shows::hex) return fmt::format("{:#x}", static_cast<std::uint64_t>(value));
  return fmt::format("{}", value);
}

bool has_value(Verb verb) { return shows(verb) != Shows::nothing; }

std::string lock_text(const FindingLock& lock) {
  if (lock.subclass == 0) return lock.lock_class;
  return fmt::format("{}/{}", lock.lock_class, lock.subclass);
}

std::string step_text(const Scenario& scenario, StepRef step) {
  return scenario.tasks[step.task.v].name + "." + step_name(scenario, step.task, step.index);
}

}  // namespace faultline
