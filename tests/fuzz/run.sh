#!/usr/bin/env bash
# Runs each libFuzzer target for some seconds, from the project's scenarios and traces as seeds.
# run.sh FOLDER-OF-FUZZERS SECONDS. Exit code 1 if one finds something; its input is kept beside it.
set -u
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
programs=$1
seconds=$2
top=$here/../..
corpus=$(mktemp -d) || exit 1
trap 'rm -rf "$corpus"' EXIT
status=0
found=0
for program in "$programs"/*_fuzz; do
  [[ -x $program ]] || continue
  found=1
  name=$(basename "$program" _fuzz)
  mkdir -p "$corpus/$name"
  case $name in
    scenario) ending='*.json' ;;
    *) ending='*.t[xr][ta]*' ;;
  esac
  n=0
  while IFS= read -r -d '' seed; do
    n=$((n + 1))
    head -c 32768 "$seed" >"$corpus/$name/$n"
  done < <(find "$top/scenarios" "$top/tests" -name "$ending" -type f -print0)
  echo "fuzzing $name for $seconds s from $n seeds"
  "$program" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=4096 -max_len=65536 -seed=1 \
    -print_final_stats=1 -artifact_prefix="$programs/$name-found-" "$corpus/$name" || status=1
done
((found)) || { echo "no fuzzer in $programs"; exit 1; }
exit $status
