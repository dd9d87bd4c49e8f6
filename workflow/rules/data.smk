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
        kind=planned("data", "kind"),
        settings=planned("data", "settings"),
        data_hash=planned("data", "hash"),
    script:
        "../scripts/data.py"
