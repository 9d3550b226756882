#!/usr/bin/env bash
# What a run says of the order of locks does not depend on whether records of all locks are made:
# with a report they are, without one only what is new is told. order_watch_test.sh FAULTLINE TOP
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

circles=0
compare() { # SCENARIO [ARG...]
  checks=$((checks + 1))
  "$faultline" run "$@" >watched 2>&1
  local code=$?
  "$faultline" run "$@" --report report.json >recorded 2>&1
  [[ $? == "$code" ]] || fail "$*: exit code $code, and another with records"
  cmp -s watched recorded || fail "$*: $(diff watched recorded | head -n 4)"
  ! grep -q 'lock-cycle' report.json || circles=$((circles + 1))
}

for scenario in "$top"/scenarios/*/*.json; do
  [[ $scenario == */schema/* ]] || compare "$scenario"
done
for scenario in "$top"/scenarios/{race,map_direct}/*.json; do
  for seed in 1 2; do compare "$scenario" --chooser random --seed $seed; done
done
((circles >= 5)) || fail "$circles runs with a circle: the test shows nothing"
finish
