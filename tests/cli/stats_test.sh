#!/usr/bin/env bash
# faultline stats: on our own traces, on real ones, and on what is no trace. stats_test.sh FAULTLINE
# TOP
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

good_scenario >good.json
expect good 0 -- run good.json --trace good.trace
expect native 0 "mapping.invalidate_lock" "faults" "user write" -- stats good.trace
zstd -q good.trace -o packed.trace.zst 2>/dev/null &&
  expect packed 0 "mapping.invalidate_lock" -- stats packed.trace.zst
expect scenario 2 "good.json:1:1: this is JSON, not a trace" -- stats good.json
expect pipe 0 "mapping.invalidate_lock" -- stats <(cat good.trace)
for raw in "$top"/tests/conformance/raw/*.ftrace.txt; do
  expect "real_$(basename "$raw")" 0 "records" -- stats "$raw"
done
expect folder 0 "traces" "&mm->mmap_lock" -- stats "$top/tests/conformance/raw"
expect json 0 '"classes"' '"waits"' -- stats --json good.trace
# As many acquisitions as the trace has records of them.
count=$(grep -cE ': (lock|sim_bitlock)_acquire: ' good.trace)
sum=$("$faultline" stats --json good.trace |
  python3 -c 'import json,sys
d = json.load(sys.stdin)
print(sum(c[m]["acquisitions"] for c in d["classes"] for m in ("read", "write")))')
[[ $count == "$sum" ]] || fail "acquisitions: $sum, but the trace has $count"
# Without page walks the parts of faults are all of their time. With them the walk before the
# exception and both ends of the exception come on top; the report's times have the ends, too.
"$faultline" run "$top/scenarios/fault/write_to_a_hole.json" --trace walks.trace \
  --report walks.json >walks.out
"$faultline" run "$top/scenarios/fault/write_to_a_hole.json" --trace calls.trace --level calls \
  >calls.out
"$faultline" stats --json walks.trace >walks.stats
"$faultline" stats --json calls.trace >calls.stats
python3 -c 'import json
def total(file):
    d = json.load(open(file))
    parts = {p["part"]: p["total_ns"] for p in d["fault_parts"]}
    return parts, sum(k["total_ns"] for k in d["faults"] if not k["lower_bounds"])
calls, whole = total("calls.stats")
assert whole > 0 and sum(calls.values()) == whole and calls["translation"] == 0, calls
walks, again = total("walks.stats")
assert again == whole and walks["translation"] > 0 and walks["entry"] > calls["entry"], walks
faults = [f for s in json.load(open("walks.json"))["steps"] for f in s["faults"]]
def sums(part): return sum(f["parts"].get(part, 0) for f in faults)
assert sums("translation") == walks["translation"]
for f in faults:
    assert sum(f["parts"].values()) == f["ns"], f
assert sums("entry") == walks["entry"], (sums("entry"), walks)
' || fail "the parts are not the whole"
first=$("$faultline" stats good.trace) second=$("$faultline" stats good.trace)
[[ $first == "$second" ]] || fail "two accounts of one trace differ"

# A run that ends in deadlock: what was waited for until then is in the tables, and is as much as who
# waited for whom adds up to. The second task works for 2 us longer than the first.
expect deadlock 0 -- run "$top/scenarios/lock/abba_deadlock.json" \
  --set /tasks/two/steps/1/compute/for=3us --trace deadlock.trace
"$faultline" stats --json deadlock.trace | python3 -c 'import json,sys
d = json.load(sys.stdin)
sides = [c[m] for c in d["classes"] for m in ("read", "write")]
inside = [i[m] for i in d["instances"] for m in ("read", "write")]
total = lambda us: sum(u["wait"]["total_ns"] + u["unfinished_ns"] + u["abandoned_ns"] for u in us)
assert total(sides) == total(inside) == sum(w["total_ns"] for w in d["waits"])
assert [u["unfinished_ns"] for u in sides if u["unfinished"]] == [0, 2000]' ||
  fail "stats of a deadlock: the sums differ"
expect unfinished 0 "unfinished  so far  given up  after" -- stats deadlock.trace
for line in "A +write .* 1 +0 +0 +0" "B +write .* 1 +2000 +0 +0"; do
  grep -qE "^  $line\$" stdout || fail "stats of a deadlock: no line $line: $(head -n 8 stdout)"
done

expect none 2 -- stats
expect missing 2 "missing.trace" -- stats missing.trace
: >empty.trace
expect empty 2 "empty.trace" -- stats empty.trace
mkdir nothing
expect nothing 2 "no trace" -- stats nothing
head -c 65536 "$faultline" >noise.trace
expect noise 2 "noise.trace" -- stats noise.trace
printf "# tracer: function_graph\n" >graph.trace
expect graph 2 "function_graph" -- stats graph.trace
printf '\x28\xb5\x2f\xfd\x00\x01' >bad.trace.zst
expect damaged 2 "bad.trace.zst" -- stats bad.trace.zst
expect top 2 -- stats good.trace --top -3

finish
