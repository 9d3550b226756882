#!/usr/bin/env bash
# What the documents show is what the program does: every ```console block of README.md and docs/ is
# run and compared, every <!-- file: PATH --> block must be that file, every link must lead somewhere,
# and docs/fidelity.md names every case that is compared with a real kernel.
# readme_test.sh FAULTLINE TOP
set -u
export LC_ALL=C
faultline=$(readlink -f -- "$1")
top=$(readlink -f -- "$2")
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
checks=0
failures=0

fail() { # TEXT...
  failures=$((failures + 1))
  echo "FAILED: $*"
}

# Runs the commands of a block in a folder that looks like the top of the tree; prints the block as
# it should be. A command is a line "$ faultline ..." or "$ ./dev run ...".
played() { # BLOCK-FILE
  local line
  while IFS= read -r line; do
    [[ $line == '$ '* ]] || continue
    printf '%s\n' "$line"
    line=${line#'$ '}
    case $line in
      './dev run '*) line="run ${line#./dev run }" ;;
      'faultline '*) line=${line#faultline } ;;
      *) echo "(not a command that the test knows)"; continue ;;
    esac
    (cd "$work/tree" && eval "\"\$faultline\" $line" 2>&1 </dev/null)
  done <"$1"
}

# Cuts a document into blocks: NUMBER.console, NUMBER.file (with the path in NUMBER.path).
cut_blocks() { # DOCUMENT FOLDER
  awk -v folder="$2" '
    /^<!-- file: .* -->$/ { path = $3; next }
    /^```console$/ { out = folder "/" ++n ".console"; printf "" > out; next }
    /^```/ && out == "" && path != "" {
      out = folder "/" ++n ".file"; printf "" > out
      print path > (folder "/" n ".path"); path = ""; next
    }
    /^```/ { if (out == "") skip = !skip; else close(out); out = ""; next }
    out != "" { print > out }' "$1"
}

mkdir "$work/tree"
for part in "$top"/*; do ln -s "$part" "$work/tree/"; done

for document in "$top"/README.md "$top"/docs/*.md; do
  name=${document#"$top"/}
  blocks=$work/$(basename "$document").blocks
  mkdir "$blocks"
  cut_blocks "$document" "$blocks"
  for block in "$blocks"/*.console; do
    [[ -f $block ]] || continue
    checks=$((checks + 1))
    played "$block" >"$block.now"
    diff -u --label "$name" --label now "$block" "$block.now" ||
      fail "$name shows what is not so: $(head -n 1 "$block")"
  done
  for block in "$blocks"/*.file; do
    [[ -f $block ]] || continue
    checks=$((checks + 1))
    path=$(<"${block%.file}.path")
    diff -u --label "$name" --label "$path" "$block" "$top/$path" || fail "$name: not like $path"
  done
  while IFS= read -r link; do
    checks=$((checks + 1))
    [[ -e $(dirname "$document")/$link ]] || fail "$name: no $link"
  done < <(grep -oE '\]\([^)#]+\)' "$document" | sed -E 's/^\]\(|\)$//g' | grep -vE '^https?:')
done

for folder in "$top"/tests/conformance/cases/*/; do
  checks=$((checks + 1))
  grep -qF "| $(basename "$folder") |" "$top/docs/fidelity.md" ||
    fail "docs/fidelity.md does not name the case $(basename "$folder")"
done

((checks > 20)) || fail "only $checks checks: the blocks are not found"
echo "readme_test: $checks checks, $failures failures"
((failures == 0))
