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
        mem_mb=4000,
        gpu=GPUS,
    params:
        module=planned("probe", "module"),
        paper=planned("probe", "paper"),
        settings=planned("probe", "settings"),
        job_settings=planned("probe", "job_settings"),
        data_hashes=planned("probe", "data_hashes"),
        code=planned("probe", "code"),
        torch=planned("probe", "torch"),
    script:
        "../scripts/probe.py"
