#!/usr/bin/env bash
# faultline locks: what it takes, what it says, its exit codes. locks_test.sh FAULTLINE TOP
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

lock=$top/scenarios/lock
raw=$top/tests/conformance/raw
direct=$top/scenarios/map_direct
good_scenario >good.json

expect clean 0 "nothing to complain of" -- locks good.json
expect inversion 1 "possible circular locking" "CPU0" "What would have to happen" -- locks "$lock/abba_only_possible.json"
expect happened 1 "this happened" "one.b" "held by two" -- locks "$lock/abba_deadlock.json"
expect recursion 1 "possible recursive locking" -- locks "$top/scenarios/locks/aa_readers.json"
expect bad_release 1 "bad unlock balance" -- locks "$top/scenarios/locks/double_unlock.json"
expect init_held 1 "held lock initialised" -- locks "$top/scenarios/locks/init_held.json"
expect real 0 "nothing to complain of" -- locks "$raw"
mkdir mixed
cp good.json "$raw/dax-read-hole.events.ftrace.txt" mixed
echo '{ "format": 1 }' >mixed/other.json
printf '# tracer: function_graph\n' >mixed/graph.ftrace.txt
expect mixed 0 "other.json: left out" "graph.ftrace.txt: left out" "traces: 2" -- locks mixed
expect graph 2 "function_graph" -- locks mixed/graph.ftrace.txt
printf '# case: x\n# kernel: 6.12\n## STEP 1: a\nP ACQ A@1\n' >reduced.txt
expect reduced 2 "reduced reference format" -- locks reduced.txt
expect two_forms 2 -- locks good.json --json --dot
expect nothing 2 "No such file" -- locks missing.trace
mkdir empty
expect empty_folder 2 "no trace" -- locks empty
printf 'x\n' >bad.trace
expect no_trace 2 "bad.trace" -- locks bad.trace
spoiled unknown_verb '"load"' '"laod"'
expect bad_scenario 2 "unknown_verb.json:" "laod" -- locks unknown_verb.json good.json
expect chooser 2 "fastest" -- locks good.json --chooser fastest
expect update_alone 2 "--baseline" -- locks good.json --update

[[ $("$faultline" locks "$lock/abba_deadlock.json" | head -n 1) == \
  'WARNING: possible circular locking dependency detected' ]] || fail "the first line"

# One document each, that its readers take.
for form in "$lock/abba_deadlock.json" good.json "$raw"; do
  "$faultline" locks "$form" --json 2>/dev/null | python3 -m json.tool >/dev/null ||
    fail "--json of $form is no JSON"
done
expect dot 1 "digraph" "color=red" -- locks "$lock/abba_deadlock.json" --dot

# A baseline: nothing new against itself, something new against less.
expect baseline_missing 2 "--update" -- locks good.json --baseline order.json
expect baseline_update 0 -- locks good.json --baseline order.json --update
expect baseline_same 0 "0 new, 0 gone" -- locks good.json --baseline order.json
printf '{ "faultline_lock_order": 1, "edges": [] }' >less.json
expect baseline_new 1 "NEW: " -- locks good.json --baseline less.json
# The documents say what is new and what is gone, so that they explain the exit code.
"$faultline" run "$lock/abba_only_possible.json" --trace abba.trace >run.txt
printf '{ "faultline_lock_order": 1, "edges": [ { "from": "A", "to": "B", "kinds": ["EN", "SN"] }, { "from": "A", "to": "C", "kinds": ["EN"] } ] }' >other.json
expect baseline_json 1 '"known_otherwise": false' -- locks abba.trace --baseline other.json --json
python3 - other.json stdout <<'PY' || fail "--json does not tell what is new and gone: $(cat stdout)"
import json, sys
b = json.load(open(sys.argv[2]))["baseline"]
assert b["file"] == sys.argv[1]
assert b["new"] == [{"from": "B", "to": "A", "kind": "EN", "known_otherwise": False}]
assert b["gone"] == [{"from": "A", "to": "B", "kind": "SN"}, {"from": "A", "to": "C", "kind": "EN"}]
PY
expect no_baseline 1 '"baseline": null' -- locks abba.trace --json
expect baseline_dot 1 '"B" -> "A" [label="NEW EN x1"' '"A" -> "C" [label="gone EN"' \
  '"A" -> "B" [label="EN x1"' -- locks abba.trace --baseline other.json --dot
printf '{ "edges": [ }' >broken.json
expect baseline_broken 2 "broken.json:1" -- locks good.json --baseline broken.json

# Trace and scenario of one run say the same; a compressed trace is read.
"$faultline" run good.json --trace good.trace >run.txt
"$faultline" locks good.json | grep -o 'dependencies: .*' >played
"$faultline" locks good.trace | grep -o 'dependencies: .*' >read
cmp played read || fail "a scenario and its trace differ"
expect pipe 0 "traces: 1" -- locks <(cat good.trace)
if command -v zstd >/dev/null; then
  zstd -q good.trace
  expect compressed 0 "traces: 1" -- locks good.trace.zst
fi

# One task ends with a lock that another waits for: no order is wrong, but it must be said.
cat >stuck.json <<'JSON'
{ "format": 1, "name": "stuck", "machine": { "cpus": 1, "preset": "x86-dram" },
  "schedule": { "chooser": "sequential" }, "locks": { "A": { "type": "mutex" } },
  "tasks": { "one": { "cpu": 0, "steps": [ { "id": "take", "lock": { "name": "A" } } ] },
             "two": { "cpu": 0, "steps": [ { "id": "want", "lock": { "name": "A" } } ] } } }
JSON
expect stuck 0 "STUCK: this happened" "two (step two.want lock)" "held by one" "but runs stuck: 1" \
  -- locks stuck.json
expect stuck_json 0 '"outcome": "stuck"' '"step": "two.want lock"' -- locks stuck.json --json

# The numbers of the last table stand below each other, however long the names.
"$faultline" locks "$direct/one_thread_shows_the_circle.json" |
  awk '/^  class /{on=1} on{print length($0)}' | sort -u >widths
[[ $(wc -l <widths) == 1 ]] || fail "the table of classes is crooked: $(tr '\n' ' ' <widths)"

# Without lock events, mmap_lock and XFS inode lock events stand for them.
"$faultline" run good.json --level kernel --trace kernel.trace >run.txt
grep -q ': lock_acquire: ' kernel.trace && fail "the level kernel has lock events: the test shows nothing"
expect inferred 0 "no lock events" "XFS_MMAPLOCK" -- locks kernel.trace

# MAP_DIRECT of 2017: its circle from one thread with write(2) goes through a try that would have
# waited, so that a kernel's validator says nothing; with a read it speaks at once.
expect circle 1 "possible circular locking" "tried, and would have waited for" "mmap_sem" \
  -- locks "$direct/one_thread_shows_the_circle.json"
expect silent 0 "nothing to complain of" -- locks --as-lockdep "$direct/one_thread_shows_the_circle.json"
expect loud 1 "possible circular locking" -- locks --as-lockdep "$direct/a_read_shows_the_circle_to_lockdep.json"

finish
