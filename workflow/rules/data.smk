# Data sets: results/data/<dataset>.nc


rule data:
    input:
        stamp="results/code/data-{dataset}.txt",
    output:
        "results/data/{dataset}.nc",
    log:
        "results/logs/data/{dataset}.log",
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=3000,
    params:
        kind=lambda wildcards: PLAN.data[wildcards.dataset].kind,
        settings=lambda wildcards: PLAN.data[wildcards.dataset].settings,
        data_hash=lambda wildcards: PLAN.data[wildcards.dataset].hash,
    script:
        "../scripts/data.py"
