#!/usr/bin/env bash
# What is no whole trace, before all commands that read one. broken_trace_test.sh FAULTLINE TOP
source "$(dirname -- "${BASH_SOURCE[0]}")/../cli/lib.sh"

good_scenario >good.json
expect good 0 -- run good.json --trace good.trace

# A trace of ours that is broken is refused by all readers alike, with the place; one that only has
# no end is read and said to be incomplete; one that is empty has nothing to say anything of.
sed '5s/.*/garbage/' good.trace >line.trace
sed '2s/format=1/format=9/' good.trace >format.trace
sed '$s/records=.*/records=3/' good.trace >count.trace
sed '$d' good.trace >open.trace
head -c -300 good.trace >cut.trace
: >empty.trace
for reader in "locks" "stats" "view -o page.html" "diff good.trace" \
  "diff --view events good.trace" "diff --view locks good.trace"; do
  # shellcheck disable=SC2086
  {
    expect "$reader: a line" 2 "line.trace:5:1: not a trace line" -- $reader line.trace
    expect "$reader: format" 2 "format.trace:2:1: format 9 is not known" -- $reader format.trace
    expect "$reader: count" 2 "count.trace:$(wc -l <good.trace):1: the end line counts 3" \
      -- $reader count.trace
    expect "$reader: empty" 2 "empty.trace: the file is empty" -- $reader empty.trace
    expect "$reader: no file" 2 "/dev/null: the file is empty" -- $reader /dev/null
  }
done
[[ ! -e page.html ]] || fail "view wrote a page of a broken trace"
for trace in open.trace cut.trace; do
  expect "locks $trace" 0 "incomplete" -- locks $trace
  expect "stats $trace" 0 "incomplete" -- stats $trace
  expect "view $trace" 0 -- view $trace -o page.html
  expect "diff $trace" 1 "B is incomplete" -- diff good.trace $trace
done
# What has a header but no locks has been looked at.
expect "no locks" 0 "nothing to complain of" -- locks <(sed -n '1,2p' good.trace)
# Of another program any line may be anything.
raw=$top/tests/conformance/raw/dax-read-hole.events.ftrace.txt
{ cat "$raw" && echo garbage; } >foreign.txt
for reader in "locks" "stats" "view -o page.html" "diff foreign.txt"; do
  # shellcheck disable=SC2086
  expect "$reader: foreign" 0 -- $reader foreign.txt
done

finish
