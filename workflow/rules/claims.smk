# Claims: results/claims/<paper>.nc and the same as a table, results/claims/<paper>.md; those of
# all papers together, results/claims.nc


rule claims:
    input:
        measures=lambda wildcards: claims_of(wildcards).measures.values(),
        stamp=local("results/code/claims-{paper}.txt"),
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
        modules=lambda wildcards: list(claims_of(wildcards).modules),
        measures=lambda wildcards: list(claims_of(wildcards).measures),
        settings=lambda wildcards: claims_of(wildcards).settings,
        code=lambda wildcards: claims_of(wildcards).code,
    script:
        "../scripts/claims.py"


if PLAN.all_claims:

    rule all_claims:
        input:
            claims=[PLAN.claims[paper].path for paper in PLAN.claims],
            stamp=local(PLAN.all_claims.stamp),
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
            papers=list(PLAN.claims),
            settings=PLAN.all_claims.settings,
            code=PLAN.all_claims.code,
        script:
            "../scripts/all_claims.py"
