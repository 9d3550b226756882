#!/usr/bin/env bash
# Plays every scenario twice with each given build of faultline and compares the traces and reports
# byte for byte, and the exit codes. compare.sh FAULTLINE FAULTLINE...
# FAULTLINE_SCENARIOS: folders to take scenarios from, one a line, instead of the project's own.
# Exit code 0: all the same; 1: a difference (the first of each scenario is shown), or a scenario
# that a build could not play; 2: bad usage.
set -u
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)

# One scenario on all builds; prints what differs.
compare_one() { # SCENARIO BUILD...
  local scenario=$1 build round status first= first_status= name file work
  shift
  work=$(mktemp -d) || return 1
  trap 'rm -rf "$work"' RETURN
  for build in "$@"; do
    for round in 1 2; do
      name=$work/out$((++n))
      "$build" run "$scenario" --trace "$name.trace" --report "$name.report" \
        </dev/null >"$name.stdout" 2>"$name.stderr"
      status=$?
      if ((status == 2 || status == 3 || status > 4)) || [[ ! -s $name.trace ]]; then
        echo "DIFFERENT $scenario: $build could not play it (exit code $status)"
        head -n 5 "$name.stderr"
        return 1
      fi
      if [[ -z $first ]]; then
        first=$name first_build=$build first_status=$status
        continue
      fi
      if ((status != first_status)); then
        echo "DIFFERENT $scenario: exit code $first_status from $first_build, $status from $build"
        return 1
      fi
      for file in trace report stdout; do
        cmp -s "$first.$file" "$name.$file" && continue
        echo "DIFFERENT $scenario: $file of $build (run $round) and of $first_build (run 1)"
        diff "$first.$file" "$name.$file" | head -n 6
        return 1
      done
    done
  done
}

if [[ ${1-} == --one ]]; then
  shift
  n=0
  compare_one "$@"
  exit
fi

(($# > 0)) || { echo "usage: compare.sh FAULTLINE..." >&2; exit 2; }
for build in "$@"; do
  [[ -x $build ]] || { echo "compare.sh: there is no program $build" >&2; exit 2; }
done

top=$here/../..
if [[ -n ${FAULTLINE_SCENARIOS-} ]]; then
  mapfile -t folders <<<"$FAULTLINE_SCENARIOS"
  mapfile -t scenarios < <(find "${folders[@]}" -name schema -prune -o -name '*.json' -print |
    LC_ALL=C sort)
else # tests/conformance also holds tables of other shapes
  folders=("$top/scenarios" "$top/tests/conformance")
  mapfile -t scenarios < <({
    find "$top/scenarios" -name schema -prune -o -name '*.json' -print
    find "$top/tests/conformance" -name scenario.json
  } | LC_ALL=C sort)
fi
((${#scenarios[@]} > 0)) || { echo "compare.sh: no scenario in ${folders[*]}" >&2; exit 1; }

printf '%s\0' "${scenarios[@]}" |
  xargs -0 -P "$(nproc)" -I '{}' bash "${BASH_SOURCE[0]}" --one '{}' "$@"
status=$?
echo "${#scenarios[@]} scenarios, $# builds, 2 runs each"
((status == 0))
