// Each tidy rule on small texts: what it must refuse, and its nearest neighbour that it must
// accept.
#include "rules.hpp"

#include <string>

#include "catch.hpp"

using namespace faultline::tidy;

namespace {

std::string rules_of(const Findings& findings) {
  std::string all;
  for (const auto& finding : findings) {
    all += (all.empty() ? "" : " ") + finding.rule + "@" + std::to_string(finding.line);
  }
  return all;
}

std::string check(const std::string& path, const std::string& text) {
  return rules_of(check_source(make_source(path, text)));
}

std::string function_of(int lines, const std::string& head = "void f() {\n") {
  std::string text = "// A file.\n" + head;
  for (int i = 2; i < lines; ++i) text += "  call();\n";
  return text + "}\n";
}

}  // namespace

TEST_CASE("a layer includes itself and the ones under it") {
  const std::string head = "// A file.\n#include ";
  CHECK(check("sim/engine/a.cpp", head + "\"base/rng.hpp\"\n") == "");
  CHECK(check("sim/engine/a.cpp", head + "\"engine/path.hpp\"\n") == "");
  CHECK(check("sim/engine/a.cpp", head + "<faultline/types.hpp>\n") == "");
  CHECK(check("sim/cli/main.cpp", head + "\"export/dot.hpp\"\n") == "");
  CHECK(check("sim/engine/a.cpp", head + "\"kernel/mm/memory.hpp\"\n") == "layer@2");
  CHECK(check("sim/base/a.cpp", head + "\"trace/record.hpp\"\n") == "layer@2");
  CHECK(check("sim/trace/a.cpp", "// A file.\n  #  include \"cli/x.hpp\"\n") == "layer@2");
  CHECK(check("sim/export/a.cpp", head + "\"cli/x.hpp\"\n") == "layer@2");
}

TEST_CASE("an include is spelt from sim/, and public headers know nothing of sim/") {
  CHECK(check("sim/engine/a.cpp", "// A file.\n#include \"path.hpp\"\n") == "layer@2");
  CHECK(check("sim/engine/a.cpp", "// A file.\n#include \"../kernel/fault.hpp\"\n") == "layer@2");
  CHECK(check("sim/misc/a.cpp", "// A file.\n") == "layer@0");
  CHECK(check("include/faultline/a.hpp", "// A file.\n#pragma once\n#include \"base/rng.hpp\"\n") ==
        "layer@3");
  CHECK(check("include/faultline/a.hpp",
              "// A file.\n#pragma once\n#include <faultline/types.hpp>\n") == "");
}

TEST_CASE("lines, files and heads") {
  CHECK(check("sim/base/a.cpp", "// " + std::string(97, 'x') + "\n") == "");
  CHECK(check("sim/base/a.cpp", "// " + std::string(98, 'x') + "\n") == "columns@1");
  std::string accents = "// ";
  for (int i = 0; i < 97; ++i) accents += "\xc3\xa9";  // 97 columns, 194 bytes
  CHECK(check("sim/base/a.cpp", accents + "\n") == "");
  std::string long_file = "// A file.\n";
  for (int i = 1; i < 400; ++i) long_file += "\n";
  CHECK(check("sim/base/a.cpp", long_file) == "");
  CHECK(check("sim/base/a.cpp", long_file + "\n") == "file-length@0");
  CHECK(check("sim/base/a.cpp", "int x;\n") == "head-comment@1");
  CHECK(check("sim/base/a.cpp", "") == "head-comment@1");
  CHECK(check("sim/base/a.hpp", "// A file.\nint x;\n") == "pragma-once@1");
  CHECK(check("sim/base/a.hpp", "// A file.\n#pragma once\nint x;\n") == "");
}

TEST_CASE("notes of unfinished work, in code and comments but not in strings") {
  const std::string word = std::string("TO") + "DO";
  CHECK(check("tests/a.cpp", "// A file.\n// " + word + ": more\n") == "unfinished@2");
  CHECK(check("tests/a.cpp",
              "// A file.\nint x;  /* FIX"
              "ME */\n") == "unfinished@2");
  CHECK(check("tests/a.cpp", "// A file.\nauto s = \"" + word + "\";\n") == "");
  CHECK(check("tests/a.cpp", "// A file.\nint " + word + "_NOT = 1;\n") == "");
}

TEST_CASE("functions of at most 60 lines") {
  CHECK(check("sim/base/a.cpp", function_of(60)) == "");
  CHECK(check("sim/base/a.cpp", function_of(61)) == "function-length@2");
  CHECK(check("sim/base/a.cpp", function_of(61, "template <class T>\n")) == "");
  CHECK(check("sim/base/a.cpp", function_of(61, "bool operator==(A a, B b) {\n")) ==
        "function-length@2");
  CHECK(check("sim/base/a.cpp", function_of(61, "A::A(int n) : n_{n}, m_(n) {\n")) ==
        "function-length@2");
  CHECK(check("sim/base/a.cpp", function_of(90, "namespace faultline {\n")) == "");
  CHECK(check("sim/base/a.cpp", function_of(90, "struct A {\n")) == "");
  CHECK(check("sim/base/a.cpp", function_of(90, "constexpr auto table = to_array<Row>({\n")) == "");
  CHECK(check("sim/base/a.cpp", function_of(90, "enum class E : int {\n")) == "");
}

TEST_CASE("rows of a table are not functions") {
  CHECK(check("sim/base/a.cpp", function_of(90, "constexpr Row rows[] = {\n  all(1), f({2}),\n")) ==
        "");
  CHECK(check("sim/base/a.cpp", function_of(61, "auto f = [](int n) {\n")) == "function-length@2");
}

TEST_CASE("a long function is found inside namespaces and classes, brackets in literals or not") {
  const std::string body = function_of(61,
                                       "auto s = \"{\"; char c = '{'; int n = 1'000;\n"
                                       "namespace x {\nstruct A {\n  int f() const {\n");
  CHECK(check("sim/base/a.cpp", body + "};\n}\n") == "function-length@5");
  CHECK(check("sim/base/a.cpp", "// A file.\nauto r = R\"x(\nvoid f() {\n)x\";\n" +
                                    function_of(61)) == "function-length@6");
}

TEST_CASE("words that could make two runs differ") {
  CHECK(check("sim/base/a.cpp", "// A file.\nstd::unordered_map<int, int> m;\n") ==
        "determinism@2");
  CHECK(check("sim/base/a.cpp", "// A file.\ndouble ratio = 1;\n") == "determinism@2");
  CHECK(check("include/faultline/a.hpp", "// A file.\n#pragma once\nfloat x;\n") ==
        "determinism@3");
  CHECK(check("sim/base/a.cpp", "// A file.\nauto h = std::hash<int>{}(1);\n") == "determinism@2");
  CHECK(check("sim/base/a.cpp", "// A double read; unordered_map.\nauto s = \"float\";\n") == "");
  CHECK(check("sim/base/a.cpp", "// A file.\nint double_read = 1;\n") == "");
  CHECK(check("tests/bench/a.cpp", "// A file.\ndouble seconds = 1;\n") == "");
  CHECK(check("sim/cli/a.cpp", "// A file.\ndouble s = 1;  // not in output: progress\n") == "");
  CHECK(check("sim/cli/a.cpp", "// A file.\n// not in output: progress\ndouble s = 1;\n") == "");
  CHECK(check("sim/cli/a.cpp", "// A file.\n// not in output: progress\n\ndouble s = 1;\n") ==
        "determinism@4");
}

TEST_CASE("one type, one definition in the simulator") {
  const auto names = [](const std::string& text) {
    std::string all;
    for (const auto& definition : definitions(make_source("sim/base/a.cpp", text))) {
      all += (all.empty() ? "" : " ") + definition.name + "@" + std::to_string(definition.line);
    }
    return all;
  };
  CHECK(names("namespace a {\nstruct B { struct C {}; };\n}") == "a::B@2");
  CHECK(names("namespace a::b {\nenum class E : int { x };\n}") == "a::b::E@2");
  CHECK(names("namespace a {\nnamespace {\nstruct B {};\n}\nclass D final : B {};\n}") == "a::D@5");
  CHECK(names("template <class T, struct U = V>\nstruct A { T t; };") == "A@2");
  CHECK(names("template <>\nstruct A<int> {};\nstruct B;\nstruct C* f(struct D* d) {}") == "");
  CHECK(names("void f() { struct Inside {}; }\nstruct alignas(8) A {};") == "A@2");

  DefinitionTable table;
  Findings found;
  table.add(make_source("sim/trace/a.hpp", "namespace f { struct Field { int a; }; }"), found);
  table.add(make_source("sim/base/b.hpp", "namespace g { struct Field { int b; }; }"), found);
  table.add(make_source("sim/base/c.cpp", "namespace f { namespace { struct Field {}; } }"), found);
  CHECK(found.empty());
  table.add(make_source("sim/scenario/d.hpp", "namespace f {\nstruct Field { int b; }; }"), found);
  CHECK(rules_of(found) == "one-definition@2");
}
