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
        mem_mb=1000,
    params:
        module=planned("claims", "module"),
        modules=planned("claims", "modules"),
        paper=planned("claims", "paper"),
        settings=planned("claims", "settings"),
        code=planned("claims", "code"),
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
            mem_mb=1000,
        params:
            module=planned("all_claims", "module"),
            settings=planned("all_claims", "settings"),
            code=planned("all_claims", "code"),
        script:
            "../scripts/all_claims.py"
