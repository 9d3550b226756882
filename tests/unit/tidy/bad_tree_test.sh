#!/usr/bin/env bash
# The built checker against whole trees: a good one passes, and one wrong file of each kind in it
# makes it fail with that file's name. bad_tree_test.sh TIDY_CHECK
set -u
tidy=$1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failures=0

fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

good_tree() {
  rm -rf "$work/tree"
  mkdir -p "$work"/tree/sim/{base,trace,engine} "$work/tree/include/faultline"
  printf '// Ids.\n#pragma once\n' >"$work/tree/sim/base/ids.hpp"
  printf '// Records.\n#include "base/ids.hpp"\n' >"$work/tree/sim/trace/record.cpp"
  printf '// Time.\n#include "trace/record.hpp"\n' >"$work/tree/sim/engine/time.cpp"
}

refused() { # FILE RULE TEXT
  good_tree
  printf '%s\n' "$3" >"$work/tree/$1"
  local out status
  out=$("$tidy" "$work/tree") && status=0 || status=$?
  [[ $status == 1 ]] || fail "$2: exit code $status, not 1"
  grep -q "^$1:[0-9]*: $2: " <<<"$out" || fail "$2: not named in: $out"
}

good_tree
"$tidy" "$work/tree" >"$work/out" || fail "a good tree was refused: $(cat "$work/out")"

refused sim/base/up.cpp layer $'// Up.\n#include "engine/time.hpp"'
refused sim/trace/up.hpp layer $'// Up.\n#pragma once\n#include "cli/main.hpp"'
refused sim/base/hash.cpp determinism $'// Hash.\nstd::unordered_set<int> s;'
refused sim/engine/wait.cpp await-condition $'// Wait.\nP f() { if (co_await x) co_return 1; }'
refused sim/engine/temp.cpp await-temporary $'// Temp.\nP f() { co_await g(A{1, 2}); }'
refused include/faultline/api.hpp pragma-once $'// Api.\nint x;'
refused sim/base/bare.cpp head-comment 'int x;'

# Two types of one name, found only when both files are looked at.
good_tree
printf '// A.\nnamespace f { struct Field { int a; }; }\n' >"$work/tree/sim/base/a.cpp"
printf '// B.\nnamespace f { struct Field { long b[3]; }; }\n' >"$work/tree/sim/trace/b.cpp"
"$tidy" "$work/tree" | grep -q '^sim/trace/b.cpp:2: one-definition: ' ||
  fail "two definitions of one type were not refused"

"$tidy" "$work/empty" >/dev/null 2>&1
[[ $? == 2 ]] || fail "no tree: exit code is not 2"

echo "bad_tree: $failures failures"
[[ $failures == 0 ]]
