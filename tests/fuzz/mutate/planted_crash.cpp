// A target that aborts on an input no seed contains: the mutator must find it.
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.find("18446744073709551616") != std::string_view::npos) std::abort();
  return 0;
}
