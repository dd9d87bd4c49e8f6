# Probes: results/probes/<experiment>/<probe>/<job>-<hash>.nc, from the runs of a training job and
# their data. As of runs, the hash in the name covers everything that the content depends on, and a file
# that exists is never made again.


rule probe:
    input:
        files("probe"),
    output:
        "results/probes/{experiment}/{probe}/{job}.nc",
    log:
        "results/logs/probes/{experiment}/{probe}/{job}.log",
    wildcard_constraints:
        probe="[a-z_]+",
        job=to_be_made(PLAN.probes),
    conda:
        "../../envs/training.yaml"
    threads: 1
    resources:
        training=1,
        mem_mb=memory(4000, "probe"),
        gpu=gpu_if_in(PLACEMENT.probed),
        uses_gpu=gpu_if_in(PLACEMENT.probed),
        attempt=number_of_attempt,
    params:
        stage=handed("probe"),
    script:
        "../scripts/probe.py"
