#!/usr/bin/env bash
# The comparison itself: with programs in the place of faultline that agree, that differ from each
# other, that differ from run to run, and that fail.
set -u
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failures=0

program() { # NAME BODY: a faultline that gets SCENARIO, TRACE and REPORT
  printf '#!/bin/bash\nshift; scenario=$1; trace=$3; report=$5\n%s\n' "$2" >"$work/$1"
  chmod +x "$work/$1"
}

expect() { # EXIT-CODE TEXT PROGRAM...
  local code=$1 text=$2 out status
  shift 2
  out=$(FAULTLINE_SCENARIOS="$work/a folder" bash "$here/compare.sh" "${@/#/$work/}" 2>&1)
  status=$?
  if ((status != code)) || [[ $out != *"$text"* ]]; then
    echo "FAILED: $*: exit code $status (not $code) or no '$text' in: $out"
    failures=$((failures + 1))
  fi
}

mkdir -p "$work/a folder/schema"
echo '{}' >"$work/a folder/one.json"
echo '{}' >"$work/a folder/two.json"
echo 'no scenario' >"$work/a folder/schema/schema.json"

program good 'cat "$scenario" >"$trace"; echo done >"$report"'
program same 'echo {} >"$trace"; echo done >"$report"'
program other 'echo {x} >"$trace"; echo done >"$report"'
program other_report 'echo {} >"$trace"; echo gone >"$report"'
program other_code 'echo {} >"$trace"; echo done >"$report"; exit 1'
program unsteady "echo {} >\"\$trace\"; echo x >>'$work/count'; wc -l <'$work/count' >\"\$report\""
program refusing 'echo {} >"$trace"; echo "unknown verb" >&2; exit 2'
program killed 'echo {} >"$trace"; kill -SEGV $$'
program silent ': >"$trace"'
program only_one 'echo {} >"$trace"; echo done >"$report"; [[ $scenario != *two* ]] || echo y >>"$trace"'

expect 0 '2 scenarios, 2 builds' good same
expect 1 'trace of' good other
expect 1 'report of' good other_report
expect 1 'exit code 0 from' good other_code
expect 1 '(run 2)' unsteady
expect 1 'unknown verb' refusing
expect 1 'could not play' killed
expect 1 'could not play' silent
expect 1 'two.json: trace' good only_one
expect 2 'there is no program' good missing
rm "$work/a folder"/*.json
expect 1 'no scenario' good same

echo "compare: $failures failures"
[[ $failures == 0 ]]
