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
        mem_mb=memory(3000, "data"),
    params:
        stage=handed("data"),
    script:
        "../scripts/data.py"
