#!/usr/bin/env bash
# Wrong command lines, and the commands that only list things. usage_test.sh FAULTLINE TOP
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

good_scenario >good.json

expect no_command 2 --
expect unknown_command 2 "rn" -- rn good.json
expect no_scenario 2 -- run
expect unknown_option 2 "--trase" -- run good.json --trase x
expect option_without_value 2 -- run good.json --trace
expect seed 2 "abc" -- run good.json --seed abc
expect negative_seed 2 -- run good.json --seed -1
expect chooser 2 "fastest" -- run good.json --chooser fastest
expect profile 2 "linux-6.21" "did you mean" -- run good.json --profile linux-6.21
expect level 2 "everything" -- run good.json --level everything
expect set_nothing 2 -- run good.json --set knob
expect set_unknown 2 "no_such_knob" -- run good.json --set no_such_knob=1
expect set_pointer 2 "/machine/cpus" -- run good.json --set /machine/cpus=0
expect set_no_place 2 "/machine/cups" -- run good.json --set /machine/cups=1
expect set_fine 0 -- run good.json --set /machine/cpus=3
expect replay_nothing 2 "/schedule/chooser" "--schedule" -- run good.json --chooser replay
expect replay_locks 2 "--schedule" -- locks good.json --chooser replay
expect diff_one 2 -- diff good.json
expect diff_view 2 "pictures" -- diff --view pictures good.json good.json
expect check_missing 2 "missing" -- check missing
expect list_unknown 2 "cats" -- list cats

expect version 0 "format" -- --version
expect help 0 "run" "check" "diff" -- --help
expect schema 0 "http://json-schema.org/draft-07/schema" -- schema
expect profiles 0 "linux-6.12" -- list profiles
expect presets 0 "x86-optane" "x86-dram" "x86-cxl" -- list presets
expect verbs 0 "mmap" "store" "fallocate" -- list verbs
expect events 0 "dax_pte_fault" "sim_step" "lock_acquire" -- list events
expect knobs 0 -- list knobs

timeout 60 "$faultline" run - <good.json >stdout 2>stderr || fail "run -: exit code $?"
timeout 60 "$faultline" run - </dev/null >stdout 2>stderr
[[ $? == 2 ]] || fail "run - with nothing on its input: not exit code 2"

finish
