#!/usr/bin/env bash
# Scenarios that cannot be played: each is refused with exit code 2, the place and the reason, and
# nothing is run. bad_scenario_test.sh FAULTLINE TOP
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

refused() { # NAME TEXT...: NAME.json exists
  local name=$1
  shift
  expect "$name" 2 "$@" -- run "$name.json" --trace "$name.trace" --report "$name.report"
  [[ ! -e $name.trace && ! -e $name.report ]] || fail "$name: refused, but left a trace or report"
}

spoil() { # NAME OLD NEW TEXT...: what the good scenario so changed must be refused with
  local name=$1 old=$2 new=$3
  shift 3
  spoiled "$name" "$old" "$new"
  refused "$name" "$name.json:" "$@"
}

good_scenario >good.json
expect good 0 -- run good.json --trace good.trace --report good.report
is_whole good.trace || fail "good: its trace has no end line"
[[ -s good.report ]] || fail "good: no report"

# --- the file itself
expect missing 2 missing.json "No such file" -- run missing.json
mkdir folder.json
expect folder 2 folder.json "directory" -- run folder.json
: >empty.json
refused empty "empty.json:" "empty"
printf ' \n\t\n' >blank.json
refused blank "blank.json:"
good_scenario >whole
for size in 1 50 400 900 1100; do
  head -c "$size" whole >"cut$size.json"
  refused "cut$size" "cut$size.json:"
done
good_scenario | sed '$a{}' >tail.json
refused tail "tail.json:" "follows the end"
printf '\xef\xbb\xbf{' >bom.json
refused bom "bom.json:"
head -c 100000 /dev/zero >zeros.json
refused zeros "zeros.json:1:1:"
cp "$faultline" program.json
refused program "program.json:"
{ head -c 100000 /dev/zero | tr '\0' '['; } >brackets.json
refused brackets "brackets.json:" "deep"
{ for ((i = 0; i < 3000; ++i)); do printf '{"a":'; done; } >braces.json
refused braces "braces.json:" "deep"
spoil utf8 'Two tasks' $'Two \xff tasks' "UTF-8"
spoil overlong 'Two tasks' $'Two \xc0\xaf tasks' "UTF-8"
spoil escape 'Two tasks' 'Two \ud800 tasks'
spoil comma '"name": "good",' '"name": "good"' ":4:"
spoil array '{ "outcome": "completed" }' '7' /expect/0
printf '[1, 2, 3]\n' >list.json
refused list "list.json:1:1:"

# --- types, keys and words
spoil type_string '"cpus": 2' '"cpus": "two"' /machine/cpus
spoil type_float '"cpus": 2' '"cpus": 2.5' /machine/cpus
spoil type_negative '"cpus": 2' '"cpus": -1' /machine/cpus
spoil type_object '"doc": [' '"doc": {}, "machine2": [' /doc
spoil type_null '"files": {' '"files": null, "x": {' /files
spoil key_top '"machine":' '"machin":' "machine" "did you mean"
spoil key_step '"store": { "at"' '"store": { "att"' "did you mean" /tasks/one/steps/2
spoil verb '"store": {' '"stor": {' "did you mean" "store"
spoil flag '"MAP_SHARED"' '"MAP_SHRED"' "did you mean" "MAP_SHARED"
spoil profile 'linux-6.12' 'linux-6.21' "did you mean" "linux-6.12"
spoil preset 'x86-optane' 'x86-optan' "did you mean" "x86-optane"
spoil outcome '"completed"' '"complete"' "did you mean" "completed"
spoil file '"open": { "file": "data"' '"open": { "file": "dat"' "did you mean" "data"
spoil device '"device": "pmem0"' '"device": "pmem1"' "did you mean" "pmem0"
spoil duplicate '"name": "good",' '"name": "good", "name": "again",' "duplicate"
spoil duplicate_task '"two": { "cpu"' '"one": { "cpu"' "duplicate" /tasks/one
spoil duplicate_id '"id": "touch", "store"' '"id": "map", "store"' "map"
spoil two_verbs '"store": { "at": "map+4KiB" }' '"store": { "at": "map" }, "load": { "at": "map" }'
spoil no_verb '"store": { "at": "map+4KiB" }' '"expect": { "errno": 0 }'
spoil no_tasks '"tasks": {' '"tasks": {}, "tasks2": {'
spoil format '"format": 1' '"format": 2' /format
spoil address 'map+4KiB' 'mpa+4KiB' "did you mean"
spoil size 'map+4KiB' 'map+4QiB'

# --- values that mean nothing
spoil zero_cpus '"cpus": 2' '"cpus": 0' /machine/cpus
spoil many_cpus '"cpus": 2' '"cpus": 1000000' /machine/cpus
spoil no_such_cpu '"cpu": 1' '"cpu": 2' /tasks/two/cpu
spoil absurd_device '"size": "64MiB"' '"size": 9223372036854775808' /devices/pmem0
spoil absurd_text '"size": "64MiB"' '"size": "8EiB"' /devices/pmem0
spoil wrapping '"size": "64MiB"' '"size": "99999999999999999999"' /devices/pmem0
spoil zero_device '"size": "64MiB"' '"size": 0' /devices/pmem0
spoil absurd_file '"size": "64KiB"' '"size": 9223372036854775808' /files/data
spoil beyond '"phys": "8MiB"' '"phys": "64MiB"' /files/data/extents/0
spoil beyond_wrapping '"phys": "8MiB"' '"phys": "0xfffffffffffff000"' /files/data/extents/0
spoil overlap '"phys": "8MiB" }' \
  '"phys": "8MiB" }, { "at": "32KiB", "length": "4KiB", "state": "unwritten" }' /extents/1
spoil overlap_on_device '"phys": "8MiB" }' '"phys": "8MiB" }, { "at": "64KiB", "length": "4KiB",
  "state": "written", "phys": "8MiB" }' /extents/1
spoil cyclic '"id": "map", "mmap"' '"id": "map", "after": ["two.touch"], "mmap"' "cycl"
spoil own_cycle '"id": "touch", "store"' '"id": "touch", "after": ["one.touch"], "store"'
spoil own_body '"store": { "at": "map+4KiB" }' \
  '"repeat": { "times": 2, "steps": [ { "after": ["one.touch"], "fence": {} } ] }' "cycl"
spoil endless '"store": { "at": "map+4KiB" }' '"repeat": { "times": 1099511627776, "steps": [] }' \
  /tasks/one/steps/2/repeat/times "10 million"
spoil endless_nested '"store": { "at": "map+4KiB" }' \
  '"repeat": { "times": 100000, "steps": [ { "repeat": { "times": 100000, "steps": [] } } ] }' \
  /tasks/one/steps/2/repeat/times "10 million"
spoil where '"outcome": "completed"' '"never": { "event": "sim_step", "where": { "stp": 1 } }' \
  ":23:" /expect/0/never/where/stp "no field"
spoil beyond_64_bits '"size": "64MiB"' '"size": "16EiB"' "does not fit in 64 bits"
grep -q "XFS needs" stderr && fail "beyond_64_bits: a follow-up error"
spoil nobody '["one.touch"]' '["one.tuch"]' "did you mean"
spoil not_open '"mmap": { "fd": "fd"' '"mmap": { "fd": "touch"' /tasks/one/steps/1

spoiled stdin '"outcome": "completed"' '"never": { "event": "sim_step", "where": { "stp": 1 } }'
"$faultline" run - <stdin.json >stdout 2>stderr
grep -q '^standard input:23:[0-9]*: /expect/0/never/where/stp:' stderr ||
  fail "stdin: $(head -n 1 stderr)"

# --- all errors in one go, in the order of the file
good_scenario | sed 's/"cpus": 2/"cpus": 0/; s/"MAP_SHARED"/"MAP_SHRED"/; s/"completed"/"done"/' \
  >several.json
refused several /machine/cpus /tasks/one/steps/1 /tasks/two/steps/1 /expect/0
order=$(grep -oE 'several\.json:[0-9]+:' stderr | cut -d: -f2 | tr '\n' ' ')
[[ $order == "$(tr ' ' '\n' <<<"$order" | sort -n | tr '\n' ' ' | sed 's/^ //')" ]] ||
  fail "several: errors are not in the order of the file: $order"

# --- more than ten million steps, written out
{
  good_scenario | sed -n '1,/"id": "map", "mmap"/p'
  yes '{"load":{"at":"map"}},{"load":{"at":"map"}},{"load":{"at":"map"}},{"load":{"at":"map"}},' |
    head -n 2500000
  good_scenario | sed -n '/"id": "touch", "store"/,$p'
} >many.json
refused many "many.json:" "10"
rm -f many.json

finish
