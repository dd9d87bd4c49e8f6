# Claims: results/claims/<paper>.nc and the same as a table, results/claims/<paper>.md; those of
# all papers together, results/claims.nc


rule claims:
    input:
        files("claims"),
    output:
        dataset="results/claims/{paper}.nc",
        table="results/claims/{paper}.md",
    log:
        "results/logs/claims/{paper}.log",
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
    params:
        stage=handed("claims"),
    script:
        "../scripts/claims.py"


if PLAN.all_claims:

    rule all_claims:
        input:
            files("all_claims"),
        output:
            PLAN.all_claims.path,
        log:
            "results/logs/claims.log",
        conda:
            "../../envs/analysis.yaml"
        threads: 1
        resources:
            mem_mb=memory(1000),
        params:
            stage=handed("all_claims"),
        script:
            "../scripts/all_claims.py"
