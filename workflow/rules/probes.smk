# Probes: results/probes/<experiment>/<probe>/<block>-<hash>.nc, from the runs of a block and their
# data. As of runs, the hash in the name covers everything that the content depends on, and a file
# that exists is never made again.


rule probe:
    input:
        run=lambda wildcards: probe_of(wildcards).block.path,
        data=lambda wildcards: [one.path for one in probed_data_of(wildcards)],
    output:
        "results/probes/{experiment}/{probe}/{block}.nc",
    log:
        "results/logs/probes/{experiment}/{probe}/{block}.log",
    wildcard_constraints:
        probe="[a-z_]+",
        block=to_be_made(PLAN.probes.values()),
    conda:
        "../../envs/training.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        gpu=GPUS,
    params:
        settings=lambda wildcards: probe_of(wildcards).settings,
        block=lambda wildcards: probe_of(wildcards).block.settings,
        data_hashes=lambda wildcards: [one.hash for one in probed_data_of(wildcards)],
        code=lambda wildcards: probe_of(wildcards).code,
        torch=lambda wildcards: probe_of(wildcards).block.torch,
    script:
        "../scripts/probe.py"
