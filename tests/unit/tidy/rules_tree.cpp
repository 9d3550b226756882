// Rules about a file's place: which layers it may include, and which rules hold where.
#include <algorithm>
#include <array>
#include <filesystem>
#include <tuple>

#include "rules.hpp"

namespace faultline::tidy {
namespace {

// From the lowest to the highest: a layer includes itself and those before it.
constexpr auto layers =
    std::to_array<std::string_view>({"base", "trace", "engine", "locking", "machine", "kernel",
                                     "scenario", "analysis", "explore", "export", "cli"});

std::size_t layer_index(std::string_view name) {
  return std::size_t(std::find(layers.begin(), layers.end(), name) - layers.begin());
}

bool starts_with(std::string_view text, std::string_view head) {
  return text.substr(0, head.size()) == head;
}

// The path between quotes of an #include line; empty for all other lines.
std::string_view quoted_include(std::string_view line) {
  const auto hash = line.find_first_not_of(" \t");
  if (hash == std::string_view::npos || line[hash] != '#') return {};
  const auto word = line.find_first_not_of(" \t", hash + 1);
  if (word == std::string_view::npos || !starts_with(line.substr(word), "include")) return {};
  const auto open = line.find('"', word);
  const auto close = open == std::string_view::npos ? open : line.find('"', open + 1);
  if (close == std::string_view::npos) return {};
  return line.substr(open + 1, close - open - 1);
}

std::string_view folder(std::string_view path) { return path.substr(0, path.find('/')); }

}  // namespace

Findings check_layers(const Source& source) {
  Findings found;
  const std::string_view path = source.path;
  const bool in_sim = starts_with(path, "sim/");
  if (!in_sim && !starts_with(path, "include/")) return found;
  const auto own = in_sim ? folder(path.substr(4)) : std::string_view{};
  if (in_sim && layer_index(own) == layers.size()) {
    found.push_back({source.path, 0, "layer", std::string(own) + " is not a layer"});
    return found;
  }
  std::size_t line = 0;
  for (const auto text : lines_of(source.text)) {
    ++line;
    const auto included = quoted_include(text);
    if (included.empty()) continue;
    const auto other = folder(included);
    if (!in_sim) {
      found.push_back({source.path, line, "layer", "a public header includes nothing of sim/"});
    } else if (layer_index(other) == layers.size()) {
      found.push_back({source.path, line, "layer",
                       "\"" + std::string(included) + "\" does not begin with a layer's name"});
    } else if (layer_index(other) > layer_index(own)) {
      found.push_back({source.path, line, "layer",
                       std::string(own) + " includes upwards: " + std::string(included)});
    }
  }
  return found;
}

Findings check_source(const Source& source) {
  Findings found = check_text(source);
  const auto add = [&found](Findings more) {
    for (auto& finding : more) found.push_back(std::move(finding));
  };
  add(check_functions(source));
  add(check_awaits(source));
  add(check_layers(source));
  if (!starts_with(source.path, "tests/")) add(check_words(source));
  std::sort(found.begin(), found.end(), [](const Finding& a, const Finding& b) {
    return std::tie(a.line, a.rule, a.text) < std::tie(b.line, b.rule, b.text);
  });
  return found;
}

std::vector<std::string> source_files(const std::string& root) {
  namespace fs = std::filesystem;
  std::vector<std::string> files;
  for (const char* top : {"sim", "include", "tests"}) {
    std::error_code error;
    for (fs::recursive_directory_iterator it(fs::path(root) / top, error), end; it != end;
         it.increment(error)) {
      const auto extension = it->path().extension();
      if (extension == ".cpp" || extension == ".hpp") {
        files.push_back(fs::path(it->path()).lexically_relative(root).generic_string());
      }
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace faultline::tidy
