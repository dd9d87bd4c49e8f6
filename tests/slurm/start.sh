#!/usr/bin/env bash
# start.sh DIR: a Slurm cluster of two nodes on this machine, for tests, all of it below DIR. As
# root, without systemd; needs the packages slurm-wlm and munge, in a build that lets several slurmd
# run on one machine, as Debian's does. Afterwards Slurm's commands find it with
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
read -r control_port port_1 port_2 < <(python3 - <<'PYTHON'
import socket

sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
print(*(one.getsockname()[1] for one in sockets))
PYTHON
)

# Munge signs what Slurm's parts send each other: a key and a socket of its own.
(umask 077 && head -c 1024 /dev/urandom >"$dir/munge/key")
munged --force --key-file="$dir/munge/key" --socket="$dir/munge/socket" \
    --pid-file="$dir/munge/pid" --log-file="$dir/munge/log" --seed-file="$dir/munge/seed"

touch "$dir"/gpus/{0,1}
# The nodes have GPUs of different models; those of the second can be shared, by two jobs each.
cat >"$dir/gres.conf" <<CONF
NodeName=node1 Name=gpu Type=a100 File=$dir/gpus/[0-1]
NodeName=node2 Name=gpu Type=h200 File=$dir/gpus/[0-1]
NodeName=node2 Name=shard Count=4
CONF
# config_overrides: take the node's size from here. EnforcePartLimits: refuse what can never run.
cat >"$dir/slurm.conf" <<CONF
ClusterName=tests
SlurmctldHost=$host(127.0.0.1)
SlurmUser=$user
SlurmdUser=$user
SlurmctldPort=$control_port
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$dir/munge/socket
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool/%n
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd-%n.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd-%n.log
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
GresTypes=gpu,shard
NodeName=DEFAULT CPUs=4 RealMemory=64000 State=UNKNOWN
NodeName=node1 NodeHostname=$host NodeAddr=127.0.0.1 Port=$port_1 Gres=gpu:a100:2
NodeName=node2 NodeHostname=$host NodeAddr=127.0.0.1 Port=$port_2 Gres=gpu:h200:2,shard:4
PartitionName=main Nodes=node1,node2 Default=YES MaxTime=INFINITE State=UP
CONF

export SLURM_CONF="$dir/slurm.conf"
# Snakemake's jobs start srun without SLURM_CONF, and there may be no /etc/slurm/slurm.conf.
printf '#!/bin/sh\nSLURM_CONF=%s exec %s "$@"\n' "$SLURM_CONF" "$(command -v srun)" >"$dir/bin/srun"
chmod +x "$dir/bin/srun"
slurmctld -c
slurmd -N node1
slurmd -N node2
for _ in $(seq 100); do
    if [[ $(sinfo --noheader --Node --states=idle 2>/dev/null | wc -l) == 2 ]]; then
        exit 0
    fi
    sleep 0.1
done
echo "Slurm did not start:" >&2
tail -n 20 "$dir"/log/*.log >&2
exit 1
