# Data sets: results/data/<dataset>.nc; those made from another one are in features.smk.


rule data:
    input:
        files("data"),
    output:
        "results/data/{dataset}.nc",
    log:
        "results/logs/data/{dataset}.log",
    wildcard_constraints:
        dataset=alternatives(PLAN.by_rule["data"]),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=3000,
    params:
        stage=handed("data"),
    script:
        "../scripts/data.py"
