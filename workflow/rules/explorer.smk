# The explorer: results/explorer.html, one page with all papers' measures and claims.
# It is no item of the report, inside which a browser shows no page of its size.


rule explorer:
    input:
        measures=PLAN.explorer.measures.values(),
        claims=PLAN.explorer.claims.values(),
        stamp=local(PLAN.explorer.stamp),
    output:
        PLAN.explorer.path,
    log:
        "results/logs/explorer.log",
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        measures=list(PLAN.explorer.measures),
        claims=list(PLAN.explorer.claims),
        titles=PLAN.explorer.titles,
        code=PLAN.explorer.code,
    script:
        "../scripts/explorer.py"
