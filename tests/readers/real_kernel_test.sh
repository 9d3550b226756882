#!/usr/bin/env bash
# What another kernel printed, as three tools hand it over: tests/readers/real. The first two are one
# recording, so that everything but addresses must come out the same. Expected numbers are counted
# in the text. real_kernel_test.sh FAULTLINE TOP
source "$(dirname -- "${BASH_SOURCE[0]}")/../cli/lib.sh"

command -v zstd >/dev/null || {
  echo "skipped: no zstd here"
  exit 77
}
for tool in ftrace trace-cmd perf; do
  zstd -dq "$top/tests/readers/real/linux-6.18-stock.$tool.txt.zst" -o "$tool.txt"
done

for tool in ftrace trace-cmd perf; do
  expect "$tool locks" 0 "no lock events" "nothing to complain of" "XFS_MMAPLOCK" -- locks "$tool.txt"
  expect "$tool stats" 0 "no lock events" "who waited for whom" "user write" -- stats "$tool.txt"
  grep -q 'not understood\|no trace text' stdout && fail "$tool: $(grep 'note: [0-9]' stdout)"
  expect "$tool view" 0 -- view "$tool.txt" -o "$tool.html"
  expect "$tool diff" 0 "same" -- diff "$tool.txt" "$tool.txt"

  # Attempts that got the lock, and those that did not.
  "$faultline" stats --json "$tool.txt" >"$tool.json"
  taken=$(grep -c 'mmap_lock_start_locking' "$tool.txt")
  failed=$(grep -c 'mmap_lock_acquire_returned: .*success=false' "$tool.txt")
  waits=$(grep -c 'contention_begin: .*(flags=\(WRITE\|READ\))' "$tool.txt")
  python3 - "$tool.json" $((taken - failed)) "$failed" "$waits" <<'PY' || fail "$tool: other counts of mmap_lock"
import json, sys
classes = {c["class"]: c for c in json.load(open(sys.argv[1]))["classes"]}
lock = classes["&mm->mmap_lock"]
taken, failed, waits = map(int, sys.argv[2:])
sum_of = lambda key: sum(lock[side][key] for side in ("read", "write"))
assert sum_of("acquisitions") == taken, (sum_of("acquisitions"), taken)
assert sum_of("abandoned") == failed, (sum_of("abandoned"), failed)
assert sum_of("contended") == failed + waits, (sum_of("contended"), failed, waits)
PY
done

# One recording, two texts. Hashed addresses differ, and so do the names of files.
for what in locks stats; do
  for tool in ftrace trace-cmd; do
    "$faultline" $what $tool.txt --json | python3 -c '
import json, re, sys
print(re.sub(r"(ffff[0-9a-f]{12}|0000[0-9a-f]{12})|(ftrace|trace-cmd).txt|.instance.: .*", "", json.dumps(json.load(sys.stdin), indent=1)))' |
      grep -v '"id"' >"$tool.$what"
  done
  cmp ftrace.$what trace-cmd.$what || fail "$what: text and trace-cmd report differ"
done
finish
