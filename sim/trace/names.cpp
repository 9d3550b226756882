// Tables of flag and value words; see names.hpp for where they come from.
#include "trace/names.hpp"

#include <faultline/errno.hpp>

namespace faultline {
namespace {

constexpr NamedWord contention_words[] = {{1, "SPIN"}, {2, "READ"},    {4, "WRITE"},
                                          {8, "RT"},   {16, "PERCPU"}, {32, "MUTEX"}};

constexpr NamedWord xfs_lock_words[] = {{1, "IOLOCK_EXCL"},    {2, "IOLOCK_SHARED"},
                                        {4, "ILOCK_EXCL"},     {8, "ILOCK_SHARED"},
                                        {16, "MMAPLOCK_EXCL"}, {32, "MMAPLOCK_SHARED"}};

constexpr NamedWord xfs_buf_words[] = {
    {1u << 0, "READ"},      {1u << 1, "WRITE"},         {1u << 2, "READ_AHEAD"},
    {1u << 3, "NO_IOACCT"}, {1u << 4, "ASYNC"},         {1u << 5, "DONE"},
    {1u << 6, "STALE"},     {1u << 7, "WRITE_FAIL"},    {1u << 16, "INODES"},
    {1u << 17, "DQUOTS"},   {1u << 18, "LOG_RECOVERY"}, {1u << 20, "PAGES"},
    {1u << 21, "KMEM"},     {1u << 22, "DELWRI_Q"},     {1u << 28, "LIVESCAN"},
    {1u << 29, "INCORE"},   {1u << 30, "TRYLOCK"},      {1u << 31, "UNMAPPED"}};

constexpr NamedWord xfs_tic_words[] = {{1, "XLOG_TIC_PERM_RESERV"}};

// FAULT_FLAG_UNSHARE and FAULT_FLAG_ORIG_PTE_VALID have no word in the kernel's own table.
constexpr NamedWord fault_flag_words[] = {
    {0x1, "WRITE"},         {0x2, "MKWRITE"},         {0x4, "ALLOW_RETRY"}, {0x8, "RETRY_NOWAIT"},
    {0x10, "KILLABLE"},     {0x20, "TRIED"},          {0x40, "USER"},       {0x80, "REMOTE"},
    {0x100, "INSTRUCTION"}, {0x200, "INTERRUPTIBLE"}, {0x1000, "VMA_LOCK"}};

constexpr NamedWord vm_fault_words[] = {
    {0x1, "OOM"},         {0x2, "SIGBUS"},          {0x4, "MAJOR"},
    {0x10, "HWPOISON"},   {0x20, "HWPOISON_LARGE"}, {0x40, "SIGSEGV"},
    {0x100, "NOPAGE"},    {0x200, "LOCKED"},        {0x400, "RETRY"},
    {0x800, "FALLBACK"},  {0x1000, "DONE_COW"},     {0x2000, "NEEDDSYNC"},
    {0x4000, "COMPLETED"}};

constexpr NamedWord iomap_map_612_words[] = {{0x1, "NEW"},    {0x2, "DIRTY"},
                                             {0x4, "SHARED"}, {0x8, "MERGED"},
                                             {0x10, "BH"},    {0x100, "SIZE_CHANGED"}};

constexpr NamedWord iomap_map_71_words[] = {{0x1, "NEW"},
                                            {0x2, "DIRTY"},
                                            {0x4, "SHARED"},
                                            {0x8, "MERGED"},
                                            {0x10, "BH"},
                                            {0x20, "XATTR"},
                                            {0x40, "BOUNDARY"},
                                            {0x80, "ANON_WRITE"},
                                            {0x100, "ATOMIC_BIO"},
                                            {1u << 12, "PRIVATE"},
                                            {1u << 14, "SIZE_CHANGED"},
                                            {1u << 15, "STALE"}};

constexpr NamedWord iomap_op_612_words[] = {{0x1, "WRITE"}, {0x2, "ZERO"},    {0x4, "REPORT"},
                                            {0x8, "FAULT"}, {0x10, "DIRECT"}, {0x20, "NOWAIT"}};

constexpr NamedWord iomap_op_71_words[] = {
    {0x1, "WRITE"},   {0x2, "ZERO"},     {0x4, "REPORT"},          {0x8, "FAULT"},
    {0x10, "DIRECT"}, {0x20, "NOWAIT"},  {0x40, "OVERWRITE_ONLY"}, {0x80, "UNSHARE"},
    {0x100, "DAX"},   {0x200, "ATOMIC"}, {0x400, "DONTCACHE"}};

constexpr NamedWord pfn_flag_words[] = {{1ULL << 59, "SPECIAL"},
                                        {1ULL << 63, "SG_CHAIN"},
                                        {1ULL << 62, "SG_LAST"},
                                        {1ULL << 61, "DEV"},
                                        {1ULL << 60, "MAP"}};

constexpr NamedWord iomap_type_words[] = {
    {0, "HOLE"}, {1, "DELALLOC"}, {2, "MAPPED"}, {3, "UNWRITTEN"}, {4, "INLINE"}};
constexpr NamedWord xfs_fork_words[] = {{0, "data"}, {1, "attr"}, {2, "cow"}, {3, "staging"}};
constexpr NamedWord xfs_io_words[] = {
    {0, "invalid"}, {1, "delalloc"}, {2, "unwritten"}, {3, "overwrite"}, {4, "CoW"}};
constexpr NamedWord tlb_612_words[] = {{0, "flush on task switch"},
                                       {1, "remote shootdown"},
                                       {2, "local shootdown"},
                                       {3, "local mm shootdown"},
                                       {4, "remote ipi send"}};
constexpr NamedWord tlb_71_words[] = {{0, "flush on task switch"}, {1, "remote shootdown"},
                                      {2, "local shootdown"},      {3, "local MM shootdown"},
                                      {4, "remote IPI send"},      {5, "remote wrong CPU"}};

// Errors that never leave the kernel (include/linux/errno.h); the rest is in <faultline/errno.hpp>.
constexpr NamedWord internal_errors[] = {{512, "ERESTARTSYS"},    {513, "ERESTARTNOINTR"},
                                         {514, "ERESTARTNOHAND"}, {516, "ERESTART_RESTARTBLOCK"},
                                         {517, "EPROBE_DEFER"},   {524, "ENOTSUPP"},
                                         {529, "EIOCBQUEUED"}};

}  // namespace

std::span<const NamedWord> flag_words(FieldType type) {
  switch (type) {
    case FieldType::contention:
      return contention_words;
    case FieldType::xfs_lock:
      return xfs_lock_words;
    case FieldType::xfs_buf:
      return xfs_buf_words;
    case FieldType::xfs_tic:
      return xfs_tic_words;
    case FieldType::fault_flags:
      return fault_flag_words;
    case FieldType::vm_fault:
      return vm_fault_words;
    case FieldType::iomap_map_612:
      return iomap_map_612_words;
    case FieldType::iomap_map_71:
      return iomap_map_71_words;
    case FieldType::iomap_op_612:
      return iomap_op_612_words;
    case FieldType::iomap_op_71:
      return iomap_op_71_words;
    case FieldType::pfn_words:
      return pfn_flag_words;
    default:
      return {};
  }
}

std::span<const NamedWord> value_words(FieldType type) {
  switch (type) {
    case FieldType::iomap_type:
      return iomap_type_words;
    case FieldType::xfs_fork:
      return xfs_fork_words;
    case FieldType::xfs_io:
      return xfs_io_words;
    case FieldType::tlb_612:
      return tlb_612_words;
    case FieldType::tlb_71:
      return tlb_71_words;
    default:
      return {};
  }
}

std::string_view errno_word(std::uint64_t number) {
  if (number >= 1 && number <= errno_max) return errno_name(static_cast<int>(number));
  for (const auto& word : internal_errors) {
    if (word.value == number) return word.name;
  }
  return {};
}

std::uint64_t errno_number(std::string_view word) {
  for (const auto& known : internal_errors) {
    if (known.name == word) return known.value;
  }
  return static_cast<std::uint64_t>(errno_from_name(word).value_or(0));
}

}  // namespace faultline
