#!/usr/bin/env bash
# Our trace text as a tool made for ftrace sees it, knowing only the kernel's layout of a line; and
# the kernel's own text as our reader sees it. native_text_test.sh FAULTLINE TOP
source "$(dirname -- "${BASH_SOURCE[0]}")/../cli/lib.sh"

good_scenario >good.json
expect good 0 -- run good.json --trace good.trace

# --- the layout: TASK-PID [CPU] FLAGS SECONDS.NANOS: EVENT: FIELDS
[[ $(head -n 1 good.trace) == '# tracer: nop' ]] || fail "the first line is not # tracer: nop"
grep -q '^# faultline: format=1 scenario=good profile=linux-6.12 seed=1 level=all' good.trace ||
  fail "no header line of Faultline's own"
layout='^ *[^ ]+-[0-9]+ +\[[0-9]{3,}\] [.a-zA-Z0-9]{5} +[0-9]+\.[0-9]{9}: [a-z_0-9]+: '
bad=$(grep -v '^#' good.trace | grep -vE "$layout" | head -n 3)
[[ -z $bad ]] || fail "lines that are not ftrace's: $bad"
records=$(grep -vc '^#' good.trace)
grep -q "^# faultline: end outcome=completed records=$records\$" good.trace ||
  fail "the end line does not count $records records: $(tail -n 1 good.trace)"

# --- time never goes back, and who takes a lock releases it
awk '
  /^#/ { next }
  {
    match($0, / [0-9]+\.[0-9]+: /)
    time = substr($0, RSTART + 1, RLENGTH - 3)
    rest = substr($0, RSTART + RLENGTH)
    task = $1
    split(time, part, ".")
    if (part[1] < seconds || (part[1] == seconds && part[2] < nanos)) {
      print "time goes back in: " $0; bad = 1
    }
    seconds = part[1]; nanos = part[2]
    n = split(rest, word, " ")
    if (word[1] == "lock_acquire:") { held[task " " word[2]]++; taken++ }
    if (word[1] == "lock_release:" && --held[task " " word[2]] < 0) {
      print "releases what it does not hold: " $0; bad = 1
    }
  }
  END {
    for (lock in held) if (held[lock] != 0) { print "never released: " lock; bad = 1 }
    if (taken == 0) { print "no lock was taken at all"; bad = 1 }
    exit bad
  }' good.trace >awk.out || fail "locks and times: $(head -n 3 awk.out)"

# --- the levels are subsets of all
for level in kernel locks calls; do
  expect "level $level" 0 -- run good.json --level "$level" --trace "$level.trace"
  grep -v '^#' "$level.trace" >some.lines
  grep -v '^#' good.trace | grep -vxFf some.lines | wc -l >rest.count
  (($(cat rest.count) + $(wc -l <some.lines) == records)) ||
    fail "level $level: its lines are not lines of level all"
  [[ -s some.lines ]] || fail "level $level: nothing in it"
done

# --- what a real kernel printed
samples=("$top"/tests/unit/trace/data/*.ftrace.txt)
[[ -e ${samples[0]} ]] || fail "no sample of a real kernel's text"
for sample in "${samples[@]}"; do
  case $sample in
    *function_graph*) expect "${sample##*/}" 2 "function_graph" -- diff "$sample" "$sample" ;;
    *) expect "${sample##*/}" 0 -- diff "$sample" "$sample" ;;
  esac
done
expect "two kernel traces" 1 -- diff "$top"/tests/unit/trace/data/dax-{read,write}-hole.locks.ftrace.txt

finish
