#!/usr/bin/env bash
# stop.sh DIR: end the jobs and the daemons of the cluster that start.sh DIR has started.
set -uo pipefail
dir=$(cd "$1" && pwd) || exit 1
export SLURM_CONF="$dir/slurm.conf"

# True while any job is there.
jobs_left() {
    squeue --noheader --states=PENDING,RUNNING,COMPLETING 2>/dev/null | grep -q .
}

if jobs_left; then
    scancel --user="$(id -un)"
    for _ in $(seq 100); do
        jobs_left || break
        sleep 0.1
    done
fi
status=0
for file in "$dir"/slurmd-*.pid "$dir/slurmctld.pid" "$dir/munge/pid"; do
    [[ -s $file ]] || continue
    pid=$(<"$file")
    kill "$pid" 2>/dev/null || continue
    for _ in $(seq 100); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    if kill -0 "$pid" 2>/dev/null; then
        echo "process $pid of $file does not end" >&2
        status=1
    fi
done
exit $status
