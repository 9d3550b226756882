#!/usr/bin/env bash
# The deadlocks of MAP_DIRECT without a script: of many seeds some hang and some do not, and under a
# locking rule that is sound none does. map_direct_test.sh FAULTLINE TOP
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

scenario=$top/scenarios/map_direct/writer_and_mapper_at_random.json
seeds=150

# How many of the seeds end as `deadlock` under a rule.
deadlocks() { # RULE
  local seed count=0
  for ((seed = 1; seed <= seeds; seed++)); do
    "$faultline" run "$scenario" --seed "$seed" --set "xfs.map_direct.seal_locks=$1" --report r.json \
      >/dev/null 2>&1
    grep -q '"outcome": *"deadlock"' r.json && count=$((count + 1))
  done
  echo "$count"
}

for rule in iolock_mmaplock iolock; do
  n=$(deadlocks $rule)
  checks=$((checks + 1))
  ((n > 0 && n < seeds)) || fail "$rule: $n of $seeds seeds hang"
done
for rule in none mmaplock ilock mmaplock_ilock; do
  n=$(deadlocks $rule)
  checks=$((checks + 1))
  ((n == 0)) || fail "$rule: $n of $seeds seeds hang"
done

# One thread shows the circle; a lock validator, which counts no successful try, does not see it for
# write(2), and does for read(2).
one=$top/scenarios/map_direct/one_thread_shows_the_circle.json
expect ours 1 "possible circular" "mmap_sem" "i_mutex_key" -- locks "$one"
expect validator 0 -- locks "$one" --as-lockdep
expect reading 1 "possible circular" -- locks --as-lockdep \
  "$top/scenarios/map_direct/a_read_shows_the_circle_to_lockdep.json"

# Version 7: a lease that is broken while its holder lets go of it crashes the kernel, with some seeds;
# a worker that does not read the VMA never does.
leased=$top/scenarios/map_direct/holder_and_writer_at_random.json
crashes() { # KNOB
  local seed count=0
  for ((seed = 1; seed <= 60; seed++)); do
    "$faultline" run "$leased" --seed "$seed" --set "fs.map_direct.invalidate_reads_vma=$1" \
      --report r.json >/dev/null 2>&1
    grep -q '"outcome": *"kernel-bug"' r.json && count=$((count + 1))
  done
  echo "$count"
}
n=$(crashes true)
checks=$((checks + 1))
((n > 0 && n < 60)) || fail "leases: $n of 60 seeds crash"
n=$(crashes false)
checks=$((checks + 1))
((n == 0)) || fail "leases noted at registration: $n of 60 seeds crash"

finish
