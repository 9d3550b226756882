#!/usr/bin/env bash
# The viewer's page in a browser: opened from disk without a network, it uses itself (#selftest) and
# says what came of it. Needs chromium; exit code 77 without it. view_test.sh FAULTLINE TOP
source "$(dirname -- "${BASH_SOURCE[0]}")/../cli/lib.sh"

browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || {
  echo "skipped: no chromium here (apt-get install chromium)"
  exit 77
}
sandbox=()
((EUID != 0)) || sandbox=(--no-sandbox)

# Opens a page in a browser that resolves no name, and leaves what it says of itself in NAME.json.
selftest() { # NAME PAGE
  checks=$((checks + 1))
  timeout 120 "$browser" --headless=new "${sandbox[@]}" --disable-gpu --window-size=1500,950 \
    --host-resolver-rules='MAP * ~NOTFOUND' --user-data-dir="$work/profile" \
    --virtual-time-budget=20000 --dump-dom "file://$work/$2#selftest" >"$1.dom" 2>"$1.err"
  python3 - "$1.dom" >"$1.json" <<'PY' || fail "$1: the page says nothing: $(tail -n 2 "$1.err")"
import html, re, sys
print(html.unescape(re.search(r'SELFTEST (\{.*\})</pre>', open(sys.argv[1]).read()).group(1)))
PY
}

# Each text is a Python expression over what the page said, `p`.
holds() { # NAME EXPRESSION...
  local name=$1 expression
  shift
  for expression in "$@"; do
    checks=$((checks + 1))
    python3 - "$name.json" "$expression" <<'PY' || fail "$name: not so: $expression"
import json, sys
p = json.load(open(sys.argv[1]))
sys.exit(0 if eval(sys.argv[2]) else 1)
PY
  done
}

# What holds of every page that has a graph.
works=('p["errors"] == []' 'p["colors"] > 10' 'p["drawn"] > 0' 'p["nodes"] > 1'
  'p["filtered"] and p["unfiltered"]' 'p["clicked"]' 'p["arrow_key"]' 'p["zoomed"]' 'p["large"]'
  'p["axis"] == "order"' 'p["theme"]' 'p["found"] > 0' '"seen" in p["tip"]')

play() { # NAME SCENARIO [ARG...]
  local name=$1 scenario=$2
  shift 2
  "$faultline" run "$top/scenarios/$scenario.json" --trace "$name.trace" "$@" >/dev/null 2>&1
}

play race race/two_threads_one_hole
expect race 0 -- view race.trace -o race.html
selftest race race.html
holds race "${works[@]}" "p['records'] == $(grep -vc '^#' race.trace)" \
  'p["lanes"] == ["CPU 0", "CPU 1", "one", "two"]' 'p["waits"] == 1' 'p["arrows"] == 1' \
  'p["red_edges"] == 0 and p["circles"] == 0' 'p["dashed"] > 0' 'p["strips"] == 2' \
  'p["pieces"][0] == 0 and p["pieces"][1] > 1' 'p["notices"] == ""'

# Each edge's label can be read and lies on no other edge; each state of a map has its own pattern.
readable=('p["labels"]["size"] > 8.9' 'p["labels"]["crossed"] == 0')
patterned=('all(len({c for a, _, c in s if a == kind}) == sum(a == kind for a, _, _ in s)
  for s in p["swatches"] for kind in ("extent", "pte"))')
holds race "${readable[@]}" "${patterned[@]}" 'len(p["swatches"][0]) == 8'
play freeze race/freeze_against_write_faults
expect freeze 0 -- view freeze.trace -o freeze.html
selftest freeze freeze.html
holds freeze "${works[@]}" "${readable[@]}" 'p["edges"] > 15'
play direct map_direct/mmap_waits_for_a_writer
expect direct 0 -- view direct.trace -o direct.html
selftest direct direct.html
holds direct "${works[@]}" "${readable[@]}" "${patterned[@]}" 'len(p["swatches"][0]) == 5'

play abba lock/abba_deadlock
expect abba 0 -- view abba.trace -o abba.html
selftest abba abba.html
holds abba "${works[@]}" 'p["nodes"] == 2' 'p["red_edges"] == 2' 'p["circles"] == 1' 'p["waits"] == 2'

play other race/two_threads_one_hole --set mm.per_vma_lock=false
expect two 0 -- view race.trace other.trace -o two.html
selftest two two.html
holds two "${works[@]}" 'p["traces"] == 2' 'None not in p["difference"]' '"They differ" in p["notices"]'

# The difference is at the same height of both views, on either axis, and marked in both.
side_by_side=('all(abs(a["part"] - b["part"]) < 0.01 and 0 < a["part"] < 1
    for a, b in (p["beside"][k] for k in ("time", "order", "zoomed")))'
  'all(v["records"] > 5 for v in p["beside"]["order"])' 'p["beside"]["whole"] == [True, True]')
holds two "${side_by_side[@]}" \
  'all(v["marked"] == "first difference" for k in ("time", "order") for v in p["beside"][k])'

# Of a record that one trace has, the other shows the place; its clock may be another.
place=$(grep -n 'sim_pte_set' race.trace | head -n 1 | cut -d: -f1)
python3 - "$place" <<'PY'
import re, sys
place = int(sys.argv[1])
lines = open("race.trace").read().splitlines()
def later(m): return f"0.{int(m.group(1)) + 50000:09d}:"
late = [re.sub(r"0\.(\d{9}):", later, l, count=1) for l in lines[place:]]
late[-1] = re.sub(r"records=(\d+)", lambda m: f"records={int(m.group(1)) - 1}", late[-1])
open("late.trace", "w").write("\n".join(lines[:place - 1] + late) + "\n")
PY
record=$(head -n "$place" race.trace | grep -vc '^#')
for pair in 'race late A 0' 'late race B 1'; do
  read -r a b has number <<<"$pair"
  expect "$a-$b" 0 -- view "$a.trace" "$b.trace" -o "$a-$b.html"
  selftest "$a-$b" "$a-$b.html"
  holds "$a-$b" "${works[@]}" "${side_by_side[@]}" "p['beside']['holder'] == $number" \
    "p['difference'][$number] == [$((record - 1)), 0]" \
    "p['difference'][1 - $number] == [$((record - 2)), 1]" \
    "all(p['beside'][k][1 - $number]['marked'] == 'first difference: only $has has it'
      for k in ('time', 'order'))"
done

sed '$d' race.trace >cut.trace
expect cut 0 -- view cut.trace -o cut.html
selftest cut cut.html
holds cut 'p["errors"] == []' '"incomplete" in p["notices"]'

expect real 0 -- view "$top/tests/conformance/raw/dax-write-hole.locks.ftrace.txt" -o real.html
selftest real real.html
holds real "${works[@]}" 'p["lanes"][0] == "CPU 1" and "pf" in p["lanes"]' 'p["circles"] == 0'

expect events 0 -- view "$top/tests/conformance/raw/dax-write-hole.events.ftrace.txt" -o events.html
selftest events events.html
holds events 'p["errors"] == []' '"No lock events" in p["notices"]' 'p["strips"] >= 1'
if command -v zstd >/dev/null; then
  zstd -dq "$top/tests/readers/real/linux-6.18-stock.ftrace.txt.zst" -o stock.txt
  waits=$(grep -c 'contention_begin: .*(flags=\(WRITE\|READ\))' stock.txt)
  expect stock 0 -- view stock.txt -o stock.html
  selftest stock stock.html
  holds stock "${works[@]}" '"No lock events" in p["notices"]' "p['waits'] == $waits" \
    '"map per-1 [x]" in p["lanes"] and "toucher" in p["lanes"]' 'p["nodes"] == 4'
fi
finish
