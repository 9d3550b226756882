#!/usr/bin/env bash
# The files and tables of check: JUnit for CI, coverage. check_test.sh FAULTLINE TOP
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

good_scenario >good.json
mkdir some
cp good.json some/a.json
spoiled bad '"outcome": "completed"' '"outcome": "deadlock"' && mv bad.json some/'b&<c.json'
expect junit 1 "2 scenarios, 1 failed" -- check some --junit out.xml -j 2
python3 - <<'PY' || fail "the JUnit file is not as it should be: $(cat out.xml)"
import xml.etree.ElementTree as t
s = t.parse("out.xml").getroot()
names = [c.get("name") for c in s]
assert s.get("tests") == "2" and s.get("failures") == "1" and s.get("errors") == "0"
assert names == ["some/a.json", "some/b&<c.json"]
assert s[0].find("failure") is None and "deadlock" in s[1].find("failure").get("message")
PY
"$faultline" check some/a.json --junit no/such/out.xml >stdout 2>stderr
[[ $? == 2 ]] || fail "a JUnit file that cannot be written: not exit code 2"

# What the one scenario uses is not among the unused; what it does not use is.
"$faultline" check some/a.json --coverage >stdout 2>stderr || fail "coverage: not exit code 0"
grep -E '^  not ' stdout | sed 's/^  not//' | tr ',' '\n' | tr -d ' ' >unused
for word in linux-6.12 mmap sim_step sys_enter; do
  grep -qxF -- "$word" unused && fail "coverage: $word is used"
done
for word in linux-7.1 mlock mm.thp mm_filemap_fault; do
  grep -qxF -- "$word" unused || fail "coverage: $word is not used, and that is not said"
done
finish
