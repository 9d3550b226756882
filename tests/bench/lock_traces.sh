#!/usr/bin/env bash
# How long `faultline locks` takes: one trace of a million lock events, and a thousand traces of a
# thousand. The traces are made by awk with a fixed seed: eight tasks take up to five of forty lock
# classes in order, some shared. lock_traces.sh FAULTLINE
set -eu
export LC_ALL=C
faultline=$(readlink -f -- "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

make_trace() { # EVENTS SEED
  awk -v events="$1" -v seed="$2" 'BEGIN {
    srand(seed)
    print "# tracer: nop\n# faultline: format=1 scenario=bench profile=linux-6.12 seed=1 level=locks"
    while (n < events) {
      task = int(rand() * 8); depth = 0
      for (c = int(rand() * 20); c < 40 && depth < 5; c += 1 + int(rand() * 12)) held[depth++] = c
      for (i = 0; i < depth; ++i) line("lock_acquire", held[i], rand() < 0.3 ? "read " : "")
      while (depth-- > 0) line("lock_release", held[depth], "")
    }
    print "# faultline: end outcome=completed records=" n
  }
  function line(event, c, how) {
    printf "           t%d-%d     [%03d] .....     0.%09d: %s: %016x %s&c%02d->lock\n",
           task, 101 + task, task, ++n * 20, event, 4096 + c * 64 + task % 4, how, c
  }'
}

make_trace 1000000 1 >"$work/one.trace"
mkdir "$work/many"
for i in $(seq 1000); do make_trace 1000 "$i" >"$work/many/$i.trace"; done
for what in one.trace many; do
  begin=$(date +%s%N)
  "$faultline" locks "$work/$what" | grep 'lock records'
  echo "$what: $((($(date +%s%N) - begin) / 1000000)) ms"
done
