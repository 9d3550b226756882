#!/usr/bin/env bash
# Every shipped scenario keeps the invariants after every event, but for the states of history that
# docs/invariants.md names, each with the rule that it breaks. invariants_test.sh FAULTLINE TOP
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

# "SCENARIO RULE" lines.
awk -F'|' '/^\| scenario \| rule \|/ { on = 1; next } on && /^\| `/ {
  gsub(/[` ]/, "", $2); gsub(/[` ]/, "", $3); print $2, $3 }' "$top/docs/invariants.md" |
  sort >expected
checks=$((checks + 1))
[[ -s expected ]] || fail "docs/invariants.md names no state of history"

"$faultline" check "$top/scenarios" --check-invariants >all 2>errors
awk -v top="$top/scenarios/" '
  /^(ok|FAILED) / {
    failed = /^FAILED/; at = $0; sub(/^[a-zA-Z]+ +/, "", at)
    if (index(at, top) == 1) at = substr(at, length(top) + 1)
    sub(/\.json$/, "", at); next }
  failed && /^unexpected invariant: / { rule = $3; sub(/:$/, "", rule); print at, rule }' all |
  sort -u >found
checks=$((checks + 1))
diff expected found >difference || fail "not as docs/invariants.md has it: $(cat difference)"
checks=$((checks + 1))
while read -r failed; do
  grep -qF "$failed " expected || fail "$failed fails, for another reason"
done < <(sed -n "s|^FAILED *$top/scenarios/\(.*\)\.json$|\1|p" all)

# What is wrong is told with its place, and counts as a finding that nobody expected.
history=$top/scenarios/mmap_prepare/hidden_mapping_fails_under_the_lock.json
expect without 0 -- run "$history"
expect with 1 "invariant: unmap-under-rmap" "sim_call of program in step program.map mmap" \
  "nobody expected the invariant" -- run "$history" --check-invariants
finish
