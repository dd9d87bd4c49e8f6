#!/usr/bin/env bash
# start.sh DIR: a Slurm cluster of one node, for tests, all of it below DIR. As root, without
# systemd; needs the packages slurm-wlm and munge. Afterwards Slurm's commands find it with
#   export SLURM_CONF=DIR/slurm.conf PATH=DIR/bin:$PATH
# and stop.sh DIR ends it. Processors, memory and GPUs are made up, so that any machine will do.
set -euo pipefail
umask 022
mkdir -p "$1"
dir=$(cd "$1" && pwd)
export PATH="$PATH:/usr/sbin:/sbin"
mkdir -p "$dir"/{munge,state,spool,log,bin,gpus}
chmod 755 "$dir" "$dir/munge"
host=$(hostname -s)
user=$(id -un)
read -r control_port node_port < <(python3 - <<'PYTHON'
import socket

sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(one.getsockname()[1] for one in sockets))
PYTHON
)

# Munge signs what Slurm's parts send each other: a key and a socket of its own.
(umask 077 && head -c 1024 /dev/urandom >"$dir/munge/key")
munged --force --key-file="$dir/munge/key" --socket="$dir/munge/socket" \
    --pid-file="$dir/munge/pid" --log-file="$dir/munge/log" --seed-file="$dir/munge/seed"

touch "$dir"/gpus/{0,1}
echo "NodeName=$host Name=gpu File=$dir/gpus/[0-1]" >"$dir/gres.conf"
# config_overrides: take the node's size from here. EnforcePartLimits: refuse what can never run.
cat >"$dir/slurm.conf" <<CONF
ClusterName=tests
SlurmctldHost=$host(127.0.0.1)
SlurmUser=$user
SlurmdUser=$user
SlurmctldPort=$control_port
SlurmdPort=$node_port
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$dir/munge/socket
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
EnforcePartLimits=ALL
MinJobAge=600
KillWait=2
SchedulerParameters=sched_interval=1,bf_interval=1,sched_min_interval=0
GresTypes=gpu
NodeName=$host NodeAddr=127.0.0.1 CPUs=4 RealMemory=64000 Gres=gpu:2 State=UNKNOWN
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF

export SLURM_CONF="$dir/slurm.conf"
# Snakemake's jobs start srun without SLURM_CONF, and there may be no /etc/slurm/slurm.conf.
printf '#!/bin/sh\nSLURM_CONF=%s exec %s "$@"\n' "$SLURM_CONF" "$(command -v srun)" >"$dir/bin/srun"
chmod +x "$dir/bin/srun"
slurmctld -c
slurmd
for _ in $(seq 100); do
    if sinfo --noheader --format=%t 2>/dev/null | grep -qx idle; then
        exit 0
    fi
    sleep 0.1
done
echo "Slurm did not start:" >&2
tail -n 20 "$dir"/log/*.log >&2
exit 1
