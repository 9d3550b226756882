#!/usr/bin/env bash
# faultline crash: what it takes, what it says, its exit codes; and that no shipped scenario breaks a
# promise after any of its steps but for the hazard that shows one broken. crash_test.sh FAULTLINE TOP
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

crash=$top/scenarios/crash
hazard=flushed_data_is_lost_in_a_power_cut
expect kept 0 "0 of 6 power cuts break a promise" \
  -- crash "$crash/map_sync_keeps_its_promise.json"
expect torn 0 "data+0x38: 0x0 or 0x2222222200000000" "lines pending" \
  -- crash "$crash/a_word_in_two_lines_is_torn.json"
expect broken 1 "lost-durable: what was flushed and fenced through a MAP_DIRECT mapping at 0x0 of data is a hole" \
  -- crash "$top/scenarios/map_direct/$hazard.json"
expect json 0 '"power_cuts": ' -- crash "$crash/a_truncation_is_undone.json" --json
expect nobody 2 -- crash
expect nothing 2 "nothing.json" -- crash nothing.json
for scenario in "$top"/scenarios/*/*.json; do
  case $scenario in */schema/*) continue ;; esac
  checks=$((checks + 1))
  "$faultline" crash "$scenario" >cuts 2>&1 && continue
  [[ $scenario == *"/$hazard.json" ]] || fail "$scenario: $(grep -m1 -E 'lost-|recovered' cuts)"
done
finish
