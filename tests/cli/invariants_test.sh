#!/usr/bin/env bash
# Every shipped scenario keeps the invariants after every event, but for those that it expects to be
# broken; docs/invariants.md names states of history with the rules that they break, and their
# scenarios expect just that. invariants_test.sh FAULTLINE TOP
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

"$faultline" check "$top/scenarios" --check-invariants >all 2>errors
checks=$((checks + 1))
! grep -A 4 ^FAILED all >failed || fail "broken without being expected: $(cat failed)"

# "SCENARIO RULE" lines; a row may have several of both.
awk -F'|' '/^\| scenario \| rule \|/ { on = 1; next } on && /^\| `/ {
  gsub(/[` ]/, "", $2); gsub(/[` ]/, "", $3)
  scenarios = split($2, scenario, ","); rules = split($3, rule, ",")
  for (s = 1; s <= scenarios; ++s) for (r = 1; r <= rules; ++r) print scenario[s], rule[r] }' \
  "$top/docs/invariants.md" | sort >documented
checks=$((checks + 1))
[[ -s documented ]] || fail "docs/invariants.md names no state of history"
for file in "$top"/scenarios/*/*.json; do
  at=${file#"$top/scenarios/"}
  sed -n "s|.*\"kind\": \"invariant\".*\"names\": \[ *\"\([a-z-]*\)\".*|${at%.json} \1|p" "$file"
done | sort >expected
checks=$((checks + 1))
diff documented expected >difference || fail "not as docs/invariants.md has it: $(cat difference)"

# What is wrong is told with its place, and counts as a finding where nobody expects it.
history=mmap_prepare/hidden_mapping_fails_under_the_lock
sed -e '/"kind": "invariant"/d' -e '/"kind": "recursion"/s/,$//' "$top/scenarios/$history.json" \
  >unexpected.json
expect without 0 -- run unexpected.json
expect with 1 "invariant: unmap-under-rmap" "sim_call of program in step program.map mmap" \
  "nobody expected the invariant" -- run unexpected.json --check-invariants
expect expected 0 "invariant (expected): unmap-under-rmap" -- run "$top/scenarios/$history.json"
finish
