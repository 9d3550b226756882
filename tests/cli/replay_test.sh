#!/usr/bin/env bash
# Schedules that are recorded and replayed. replay_test.sh FAULTLINE TOP
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

good_scenario >good.json
for seed in 1 2 3; do
  expect "record$seed" 0 -- run good.json --chooser random --seed $seed \
    --record-schedule "s$seed" --trace "a$seed"
  expect "replay$seed" 0 -- replay good.json --schedule "s$seed" --trace "b$seed"
  # The header's seed is the scenario's own in the replay.
  cmp -s <(tail -n +3 "a$seed") <(tail -n +3 "b$seed") || fail "seed $seed: the replay differs"
done
cmp -s s1 s2 && cmp -s s2 s3 && fail "three seeds, one schedule: the test shows nothing"
expect timed 2 "timed" -- run good.json --record-schedule s
expect no_schedule 2 "schedule" -- replay good.json
expect missing 2 "nowhere" -- replay good.json --schedule nowhere
sed '2s/ .*/ thre/' s1 >unknown
expect unknown 2 "unknown:2" "thre" -- replay good.json --schedule unknown
echo "1 one" >headless
expect headless 2 "headless:1" -- replay good.json --schedule headless
printf '# faultline schedule: format=1\n99999 one\n' >wrong
expect wrong 2 "cannot run" "incomplete" -- replay good.json --schedule wrong --trace half.trace
is_whole half.trace && fail "wrong: half a replay left a trace that says it is whole"
finish
