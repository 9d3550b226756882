// tidy_check ROOT: prints each place of the tree that breaks a house rule, as FILE:LINE: rule: why.
// Exit code 0 when there is none, 1 when there are some, 2 when there is no tree to look at.
#include <cstdio>
#include <fstream>
#include <iterator>

#include "rules.hpp"

int main(int argc, char* argv[]) {
  using namespace faultline::tidy;
  const std::string root = argc == 2 ? argv[1] : "";
  const auto files = argc == 2 ? source_files(root) : std::vector<std::string>{};
  if (files.empty()) {
    std::fprintf(stderr, "usage: tidy_check ROOT, where ROOT holds sim/, include/, tests/\n");
    return 2;
  }
  std::size_t count = 0;
  DefinitionTable table;  // of the simulator; the tests are programs of their own
  for (const auto& file : files) {
    std::ifstream in(root + "/" + file, std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    if (!in.good() && !in.eof()) {
      std::fprintf(stderr, "%s: cannot be read\n", file.c_str());
      return 2;
    }
    const Source source = make_source(file, std::move(text));
    Findings found = check_source(source);
    if (file.substr(0, 6) != "tests/") table.add(source, found);
    for (const auto& finding : found) {
      ++count;
      std::printf("%s:%zu: %s: %s\n", finding.path.c_str(), finding.line, finding.rule.c_str(),
                  finding.text.c_str());
    }
  }
  std::printf("tidy: %zu files, %zu findings\n", files.size(), count);
  return count == 0 ? 0 : 1;
}
