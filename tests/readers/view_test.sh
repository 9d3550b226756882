#!/usr/bin/env bash
# The viewer's page as a file: whole, small, the same each time, with nothing in it that needs a
# network; what it says to bad input. tests/browser opens it. view_test.sh FAULTLINE TOP
source "$(dirname -- "${BASH_SOURCE[0]}")/../cli/lib.sh"

good_scenario >good.json
expect run 0 -- run good.json --trace good.trace
expect view 0 -- view good.trace -o good.html
[[ ! -s stdout ]] || fail "view printed on stdout"
expect again 0 -- view good.trace -o again.html
cmp -s good.html again.html || fail "two pages of one trace differ"
[[ $(head -c 15 good.html) == '<!doctype html>' ]] || fail "the page does not begin as HTML"
tail -n 1 good.html | grep -q '</html>' || fail "the page does not end as HTML"
[[ $(grep -c 'class="trace"' good.html) == 1 ]] || fail "not one trace in the page"

shell=$top/viz/dist/viewer.html
(($(wc -c <"$shell") < 150000)) || fail "the page without data has $(wc -c <"$shell") bytes"
# Names of XML namespaces are no addresses.
sed 's|http://www.w3.org/[a-zA-Z0-9/]*||g' "$shell" | sed '/The viewer carries/,$d' >no_licences
if grep -oE '(https?:)?//[a-z0-9.-]+\.[a-z]{2,}/|<link [^>]*href="[^d]|src="[^"]' no_licences | grep -q .; then
  fail "the page names something outside of it"
fi
for library in @dagrejs/dagre @dagrejs/graphlib; do
  grep -qF "$library" "$shell" || fail "the licence of $library is not in the page"
done
grep -q 'Permission is hereby granted' "$shell" || fail "no licence text in the page"

# The payload, unpacked by another program than ours: the head counts the records.
if command -v python3 >/dev/null; then
  records=$(grep -vc '^#' good.trace)
  python3 - good.html "$records" <<'PY' || fail "the payload does not unpack to $records records"
import base64, json, re, struct, sys, zlib
page = open(sys.argv[1], encoding="utf-8").read()
data = re.search(r'class="trace">([^<]*)<', page).group(1)
raw = zlib.decompress(base64.b64decode(data))
size = struct.unpack("<I", raw[:4])[0]
head = json.loads(raw[4:4 + size])
columns = {name: (count, length) for name, count, length in head["columns"]}
assert sum(length for _, length in columns.values()) == len(raw) - 4 - size
assert columns["time"][0] == int(sys.argv[2]), columns["time"]
assert head["info"]["complete"] and head["info"]["outcome"] == "completed"
PY
fi

# --- a second trace
expect other 0 -- run good.json --set mm.per_vma_lock=false --trace other.trace
expect two 0 -- view good.trace other.trace -o two.html
[[ $(grep -c 'class="trace"' two.html) == 2 ]] || fail "not two traces in the page"

# --- compressed, or from a pipe
if command -v zstd >/dev/null; then
  zstd -q good.trace -o packed.trace.zst
  expect packed 0 -- view packed.trace.zst -o packed.html
  expect same_packed 0 "same" -- diff good.trace packed.trace.zst
  expect view_of_packed 0 "agree" -- diff --view locks packed.trace.zst good.trace
fi
expect pipe 0 -- view <(cat good.trace) -o pipe.html
expect same_pipe 0 "same" -- diff <(cat good.trace) good.trace

# --- a real kernel's
for raw in "$top"/tests/conformance/raw/*.ftrace.txt; do
  expect "$(basename "$raw")" 0 -- view "$raw" -o real.html
done

# --- bad input
echo hello >text
: >empty
expect "no trace" 2 "not a trace" -- view text -o out.html
expect empty 2 -- view empty -o out.html
expect missing 2 "No such file" -- view missing.trace -o out.html
expect "no output" 2 "output" -- view good.trace
expect three 2 -- view good.trace good.trace good.trace -o out.html
expect "second bad" 2 "not a trace" -- view good.trace text -o out.html
expect "no folder" 2 "No such file" -- view good.trace -o no/such/folder.html
[[ ! -e out.html ]] || fail "a refusal wrote a page"
finish
