# Data sets: results/data/<dataset>.nc; those made from another one are in features.smk.


rule data:
    input:
        stamp=local("results/code/data-{dataset}.txt"),
    output:
        "results/data/{dataset}.nc",
    log:
        "results/logs/data/{dataset}.log",
    wildcard_constraints:
        dataset=alternatives(name for name, data in PLAN.data.items() if not data.source),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=3000,
    params:
        kind=lambda wildcards: PLAN.data[wildcards.dataset].kind,
        settings=lambda wildcards: PLAN.data[wildcards.dataset].counted,
        data_hash=lambda wildcards: PLAN.data[wildcards.dataset].hash,
    script:
        "../scripts/data.py"
