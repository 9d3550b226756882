#!/usr/bin/env bash
# Plays the benchmarks that are built in a folder and prints one table: ours, the peer, the ratio,
# the target. Ratios are what counts: both sides run by turns on one core.
# usage: run.sh FOLDER [NAME...]   NAME: queue, calls, ns3, simgrid; default: all that are there
# Exit codes: 0 every target is met, 1 one is missed or a benchmark failed, 2 bad usage.
set -uo pipefail

folder=${1:-}
if [[ ! -d $folder ]]; then
  echo "usage: run.sh FOLDER [NAME...]" >&2
  exit 2
fi
shift
names=("$@")
((${#names[@]})) || names=(queue calls ns3 simgrid)

code=0
ran=0
format='%-66s %12s %12s %8s %7s  %s\n'
# shellcheck disable=SC2059
printf "$format" what ours/s peer/s ratio target ""
for name in "${names[@]}"; do
  program=$folder/bench_$name
  if [[ ! -x $program ]]; then
    echo "run.sh: $program is not built: left out" >&2
    continue
  fi
  ran=$((ran + 1))
  rows=$("$program" 2>/dev/null) || code=1
  while IFS=$'\t' read -r what ours peer ratio target verdict; do
    [[ -n ${verdict:-} ]] || continue
    [[ $verdict == MISSED ]] && code=1
    # shellcheck disable=SC2059
    printf "$format" "$what" "$ours" "$peer" "$ratio" "$target" "$verdict"
  done <<<"$rows"
done
if ((ran == 0)); then
  echo "run.sh: nothing is built in $folder" >&2
  exit 1
fi
exit $code
