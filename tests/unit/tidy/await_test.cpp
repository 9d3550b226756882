// The coroutine shapes that gcc 12.2 miscompiles are refused, and the idioms beside them accepted.
#include <string>

#include "catch.hpp"
#include "rules.hpp"

using namespace faultline::tidy;

namespace {

std::string check(const std::string& line) {
  std::string all;
  const auto source =
      make_source("sim/kernel/a.cpp", "// A file.\nPath<int> f() {\n" + line + "\n}\n");
  for (const auto& finding : check_awaits(source)) {
    all += (all.empty() ? "" : " ") + finding.rule + "@" + std::to_string(finding.line);
  }
  return all;
}

}  // namespace

TEST_CASE("an awaited value is not a condition") {
  CHECK(check("if (co_await x()) co_return 1;") == "await-condition@3");
  CHECK(check("if (!co_await x()) co_return 1;") == "await-condition@3");
  CHECK(check("if (ready && (co_await x()) > 2) {}") == "await-condition@3");
  CHECK(check("if constexpr (co_await x()) {}") == "");  // not C++: a constant cannot be awaited
  CHECK(check("if (auto e = co_await x()) co_return e;") == "await-condition@3");
  CHECK(check("if (init(); co_await x()) co_return 1;") == "await-condition@3");
  CHECK(check("while (co_await x()) {}") == "await-condition@3");
  CHECK(check("do {} while (\n  co_await x());") == "await-condition@3");
  CHECK(check("switch (co_await x()) {}") == "await-condition@3");
  CHECK(check("for (int i = 0; co_await x(i); ++i) {}") == "await-condition@3");
  CHECK(check("const int a = co_await x() ? 1 : 2;") == "await-condition@3");
  CHECK(check("const int a = co_await x(b, c) == 3\n ? 1 : 2;") == "await-condition@4");
}

TEST_CASE("a name for the awaited value makes it right") {
  CHECK(check("if (const auto err = co_await x(); err) co_return err;") == "");
  CHECK(check("switch (const auto r = co_await x(f(1), [] { return 1; }); r) {}") == "");
  CHECK(check("for (int i = co_await x(); i < 3; i += co_await y()) {}") == "");
  CHECK(check("for (const auto& v : values) co_await x(v);") == "");
  CHECK(check("if (ready) co_await x();") == "");
  CHECK(check("f(co_await x(), ready ? 1 : 2);") == "");
  CHECK(check("co_await x(ready ? 1 : 2);") == "");
  CHECK(check("const int a = ready ? co_await x() : 2;") == "");
  CHECK(check("// if (co_await x()) is what gcc 12 miscompiles") == "");
  CHECK(check("auto s = \"while (co_await x())\";") == "");
}

TEST_CASE("no braced temporary in an awaited call") {
  CHECK(check("co_await f({1, 2});") == "await-temporary@3");
  CHECK(check("co_return co_await f(Range{1, 2});") == "await-temporary@3");
  CHECK(check("const auto r = co_await f(a,\n  g(Range{1, 2}));") == "await-temporary@4");
  CHECK(check("co_await object.f(std::vector<int>{1});") == "await-temporary@3");
  CHECK(check("co_await f(a, {});") == "await-temporary@3");
}

TEST_CASE("what has nothing to destroy, and lambdas, may stand in an awaited call") {
  CHECK(check("co_await f(Range(1, 2));") == "");
  CHECK(check("co_await cpu.spend(Nanos{5});") == "");
  CHECK(check("co_await f(a, Vaddr{0x1000}, b);") == "");
  CHECK(check("co_await f([&] { return 1; });") == "");
  CHECK(check("co_await f([&](int n) mutable { return n; });") == "");
  CHECK(check("if (const auto e = co_await f(a); e) { g({1, 2}); }") == "");
  CHECK(check("Awaiter operator co_await() && noexcept { return Awaiter{handle_}; }") == "");
}
