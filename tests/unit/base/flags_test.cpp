// Flag values against the system's own headers, for those that Debian 12 has.
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/mman.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <csignal>

#include <cstring>
#include <set>

#include "base/flags.hpp"
#include "catch.hpp"

using namespace faultline;

#define SAME(table, name) CHECK(flag_value(table, #name) == static_cast<std::uint64_t>(name))

TEST_CASE("flag values are those of the kernel's headers") {
  SAME(open_flags, O_RDONLY);
  SAME(open_flags, O_RDWR);
  SAME(open_flags, O_CREAT);
  SAME(open_flags, O_TRUNC);
  SAME(open_flags, O_DIRECT);
  SAME(open_flags, O_SYNC);
  SAME(open_flags, O_PATH);
  SAME(open_flags, O_TMPFILE);
  SAME(prot_flags, PROT_READ);
  SAME(prot_flags, PROT_EXEC);
  SAME(prot_flags, PROT_GROWSDOWN);
  SAME(map_flags, MAP_SHARED_VALIDATE);
  SAME(map_flags, MAP_FIXED);
  SAME(map_flags, MAP_ANONYMOUS);
  SAME(map_flags, MAP_32BIT);
  SAME(map_flags, MAP_GROWSDOWN);
  SAME(map_flags, MAP_DENYWRITE);
  SAME(map_flags, MAP_LOCKED);
  SAME(map_flags, MAP_POPULATE);
  SAME(map_flags, MAP_HUGETLB);
  SAME(map_flags, MAP_SYNC);
  SAME(map_flags, MAP_FIXED_NOREPLACE);
  SAME(map_flags, MAP_HUGE_2MB);
  SAME(mremap_flags, MREMAP_DONTUNMAP);
  SAME(madvise_words, MADV_DONTNEED);
  SAME(madvise_words, MADV_POPULATE_WRITE);
  SAME(madvise_words, MADV_COLLAPSE);
  SAME(madvise_words, MADV_HWPOISON);
  SAME(msync_flags, MS_SYNC);
  SAME(msync_flags, MS_INVALIDATE);
  SAME(fallocate_modes, FALLOC_FL_PUNCH_HOLE);
  SAME(fallocate_modes, FALLOC_FL_UNSHARE_RANGE);
  SAME(fadvise_words, POSIX_FADV_WILLNEED);
  SAME(fcntl_commands, F_SETFL);
  SAME(fcntl_commands, F_SETLEASE);
  SAME(fcntl_commands, F_ADD_SEALS);
  SAME(fcntl_args, F_RDLCK);
  SAME(fcntl_args, F_WRLCK);
  SAME(fcntl_args, F_UNLCK);
  SAME(fsxattr_flags, FS_XFLAG_DAX);
  SAME(fsxattr_flags, FS_XFLAG_EXTSIZE);
  SAME(fsxattr_flags, FS_XFLAG_HASATTR);
  SAME(capability_names, CAP_LINUX_IMMUTABLE);
  SAME(capability_names, CAP_SYS_ADMIN);
  SAME(capability_names, CAP_CHECKPOINT_RESTORE);
  SAME(rlimit_names, RLIMIT_AS);
  SAME(rlimit_names, RLIMIT_MEMLOCK);
  SAME(rlimit_names, RLIMIT_RTTIME);
}

TEST_CASE("signals and their codes") {
  for (int number = 1; number < 32; ++number) {
    const char* theirs = sigabbrev_np(number);
    REQUIRE(theirs != nullptr);
    CAPTURE(number, theirs);
    CHECK(flag_value(signal_names, theirs) == static_cast<std::uint64_t>(number));
  }
  CHECK(signal_name(SIGBUS) == "SIGBUS");
  CHECK(signal_name(0).empty());
  CHECK(signal_code_name(SIGBUS, BUS_ADRERR) == "BUS_ADRERR");
  CHECK(signal_code_name(SIGSEGV, SEGV_ACCERR) == "SEGV_ACCERR");
  CHECK(signal_code_name(SIGSEGV, SEGV_MAPERR) == "SEGV_MAPERR");
  CHECK(signal_code_name(SIGBUS, BUS_MCEERR_AR) == "BUS_MCEERR_AR");
  CHECK(signal_code_name(SIGSEGV, 99).empty());
}

TEST_CASE("words are taken with and without their prefix") {
  CHECK(flag_value(msync_flags, "SYNC") == flag_value(msync_flags, "MS_SYNC"));
  CHECK(flag_value(map_flags, "DIRECT") == 0x80000U);
  CHECK_FALSE(flag_value(map_flags, "sync"));
  CHECK_FALSE(flag_value(map_flags, "MAP_"));
  CHECK_FALSE(flag_value(map_flags, ""));
  CHECK(flag_name(map_flags, 0x80000) == "MAP_SYNC");
  CHECK(flag_name(map_flags, 0x7777).empty());
}

TEST_CASE("no table has a word twice") {
  for (const FlagTable* table :
       {&open_flags, &prot_flags, &map_flags, &mremap_flags, &madvise_words, &msync_flags,
        &fallocate_modes, &fadvise_words, &fcntl_commands, &fcntl_args, &fsxattr_flags,
        &signal_names, &capability_names, &rlimit_names, &vm_fault_bits}) {
    std::set<std::string_view> seen;
    for (const FlagWord& entry : table->words) CHECK(seen.insert(entry.word).second);
    CHECK(flag_spellings(*table).size() == 2 * table->words.size());
  }
}
