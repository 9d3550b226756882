#!/usr/bin/env bash
# Outputs that cannot be written, runs that are interrupted, and traces that are not whole: nothing
# half-written may be taken for whole. bad_output_test.sh FAULTLINE TOP
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

good_scenario >good.json
expect good 0 -- run good.json --trace good.trace --report good.report

# --- where nothing can be written
expect trace_folder 2 "no/such/x.trace" "No such file" -- run good.json --trace no/such/x.trace
expect trace_is_folder 2 "$work" -- run good.json --trace "$work"
expect report_folder 2 "no/such/x.json" -- run good.json --report no/such/x.json
if ((EUID != 0)); then
  mkdir locked && chmod 500 locked
  expect trace_locked 2 "locked/x" "Permission denied" -- run good.json --trace locked/x
fi
expect trace_full 2 "/dev/full" "No space left" -- run good.json --trace /dev/full
expect report_full 2 "/dev/full" "No space left" -- run good.json --report /dev/full
stdout_full() { # NAME ARG...
  local name=$1 status
  shift
  checks=$((checks + 1))
  timeout 60 "$faultline" "$@" </dev/null >/dev/full 2>stderr
  status=$?
  ((status == 2)) || fail "$name to a full disk: exit code $status, not 2"
  grep -q "No space left" stderr || fail "$name to a full disk: it did not say so"
}
stdout_full run run good.json
stdout_full schema schema
stdout_full list list events
stdout_full check check good.json
stdout_full diff diff good.trace good.trace
stdout_full version --version
stdout_full help --help
stdout_full run_help run --help

# --- one file for two things
cp good.json self.json
ln self.json other_name.json
ln -s self.json link.json
for output in self.json ./self.json "$work/self.json" other_name.json link.json; do
  expect over_scenario 2 "the scenario" -- run self.json --trace "$output"
  expect over_scenario 2 "the scenario" -- run self.json --report "$output"
done
cmp -s self.json good.json || fail "over_scenario: the scenario was touched"
expect both_outputs 2 "--trace" -- run good.json --trace both --report ./both
[[ ! -e both ]] || fail "both_outputs: something was written"
expect both_stdout 2 "--trace" -- run good.json --trace - --report -
expect both_nowhere 0 -- run good.json --trace /dev/null --report /dev/null
cp good.trace shown.trace
expect over_trace 2 "trace" -- view shown.trace -o shown.trace
cmp -s shown.trace good.trace || fail "over_trace: the trace was touched"

# --- traces that are not whole, or no traces
lines=$(wc -l <good.trace)
head -n $((lines / 2)) good.trace >half.trace
expect diff_same 0 -- diff good.trace good.trace
expect diff_half 1 "incomplete" -- diff good.trace half.trace
head -c $(($(wc -c <good.trace) / 2)) good.trace >bytes.trace
expect diff_bytes 1 "incomplete" -- diff good.trace bytes.trace
expect diff_missing 2 "missing.trace" -- diff good.trace missing.trace
expect diff_folder 2 "$work" -- diff good.trace "$work"
: >empty.trace
expect diff_empty 2 "empty.trace" -- diff good.trace empty.trace
head -c 65536 "$faultline" >noise.trace
expect diff_noise 2 "noise.trace" -- diff good.trace noise.trace
sed '0,/ sim_step: /s/one\.touch/one.tuch/' good.trace >changed.trace
cmp -s good.trace changed.trace || expect diff_changed 1 -- diff good.trace changed.trace

# --- a run without an end is ended by a limit, or by who started it
spoiled long '"store": { "at": "map+4KiB" }' '"store": { "at": "map+4KiB", "count": 1000000000000,
  "stride": 0 }'

expect max_events 4 "limit" -- run long.json --max-events 10000 --trace limit.trace
grep -q '^# faultline: end outcome=limit' limit.trace || fail "max_events: no outcome=limit"

interrupted() { # NAME SIGNAL ARG...
  local name=$1 signal=$2 pid status start=$SECONDS
  shift 2
  checks=$((checks + 1))
  # In a shell without job control a background process ignores SIGINT; env gives it back.
  env --default-signal=INT "$faultline" run long.json "$@" </dev/null >stdout 2>stderr &
  pid=$!
  sleep 0.3
  kill -"$signal" "$pid" 2>/dev/null || fail "$name: the run ended before the signal"
  wait "$pid"
  status=$?
  ((SECONDS - start < 20)) || fail "$name: took $((SECONDS - start)) s to stop"
  ((status != 0)) || fail "$name: exit code 0 from an interrupted run"
  grep -qE 'terminate called|assertion failed' stderr && fail "$name: $(head -n 2 stderr)"
}

interrupted trace INT --trace long.trace --report long.report
grep -qi "interrupted" stderr || fail "SIGINT: it did not say that it was interrupted"
is_whole long.trace && ! grep -q 'outcome=interrupted' long.trace &&
  fail "SIGINT: the trace says that it is whole"
[[ ! -e long.report ]] || fail "SIGINT: there is a report of a run that did not end"
[[ ! -e long.trace ]] || expect diff_interrupted 1 "incomplete" -- diff good.trace long.trace
interrupted no_trace INT
interrupted term TERM --trace term.trace
is_whole term.trace && fail "SIGTERM: the trace says that it is whole"

finish
