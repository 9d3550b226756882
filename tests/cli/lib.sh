# What the command tests share: a work folder, a small valid scenario to spoil, and `expect`, which
# runs faultline and looks at its exit code, its two outputs and whether it died of a signal.
# Sourced by *_test.sh, which get the program and the top of the tree as arguments.
set -u
export LC_ALL=C
faultline=$1
top=$2
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
checks=0
failures=0

fail() { # TEXT...
  failures=$((failures + 1))
  echo "FAILED: $*"
}

# The scenario that the tests spoil: two tasks, a DAX file, a fault each.
good_scenario() {
  cat <<'JSON'
{
  "format": 1,
  "name": "good",
  "doc": ["Two tasks map one DAX file; each touches a page of it."],
  "kernel": { "profile": "linux-6.12" },
  "machine": { "cpus": 2, "preset": "x86-optane" },
  "devices": { "pmem0": { "pmem": { "size": "64MiB" } } },
  "filesystems": { "scratch": { "xfs": { "device": "pmem0", "dax": "always", "reflink": false } } },
  "files": {
    "data": { "fs": "scratch", "size": "64KiB",
              "extents": [ { "at": 0, "length": "64KiB", "state": "written", "phys": "8MiB" } ] }
  },
  "tasks": {
    "one": { "cpu": 0, "steps": [
      { "id": "fd", "open": { "file": "data", "flags": ["O_RDWR"] } },
      { "id": "map", "mmap": { "fd": "fd", "length": "64KiB", "prot": ["READ", "WRITE"], "flags": ["MAP_SHARED"] } },
      { "id": "touch", "store": { "at": "map+4KiB" } } ] },
    "two": { "cpu": 1, "steps": [
      { "id": "fd", "open": { "file": "data", "flags": ["O_RDWR"] } },
      { "id": "map", "mmap": { "fd": "fd", "length": "64KiB", "prot": ["READ"], "flags": ["MAP_SHARED"] } },
      { "id": "touch", "after": ["one.touch"], "load": { "at": "map" } } ] }
  },
  "expect": [ { "outcome": "completed" } ]
}
JSON
}

# Writes NAME.json: the good scenario with one text replaced. A text that is not there is a defect
# of the test.
spoiled() { # NAME OLD NEW
  local text
  text=$(good_scenario)
  [[ $text == *"$2"* ]] || fail "test $1: the scenario has no $2"
  printf '%s\n' "${text/"$2"/"$3"}" >"$1.json"
}

# Runs faultline with the arguments after `--`; each text must be in what it says, on either output.
# A refusal must leave stdout empty.
expect() { # NAME EXIT-CODE [TEXT...] -- ARG...
  local name=$1 code=$2 status text texts=()
  shift 2
  while [[ $1 != -- ]]; do
    texts+=("$1")
    shift
  done
  shift
  checks=$((checks + 1))
  timeout 60 "$faultline" "$@" </dev/null >"$work/stdout" 2>"$work/stderr"
  status=$?
  if ((status != code)); then
    fail "$name: exit code $status, not $code, from: faultline $*"
    head -n 3 "$work/stderr"
  fi
  for text in "${texts[@]}"; do
    if ! cat "$work/stdout" "$work/stderr" | grep -qiF -e "$text"; then
      fail "$name: '$text' is not in what it said: $(head -n 4 "$work/stderr")"
    fi
  done
  if ((code == 2)) && [[ -s $work/stdout ]]; then
    fail "$name: a refusal printed on stdout: $(head -n 2 "$work/stdout")"
  fi
  if grep -qE 'terminate called|Sanitizer|assertion failed' "$work/stderr"; then
    fail "$name: died: $(head -n 3 "$work/stderr")"
  fi
}

# Whether a trace says that it is whole.
is_whole() { # FILE
  [[ -f $1 ]] && tail -n 1 "$1" | grep -q '^# faultline: end '
}

finish() {
  echo "$(basename "$0" .sh): $checks checks, $failures failures"
  ((failures == 0))
  exit
}
