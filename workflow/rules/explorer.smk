# The explorer: results/explorer.html, one page with all papers' measures and claims.
# It is no item of the report, inside which a browser shows no page of its size.


rule explorer:
    input:
        files("explorer"),
    output:
        PLAN.explorer.path,
    log:
        "results/logs/explorer.log",
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
    params:
        stage=handed("explorer"),
    script:
        "../scripts/explorer.py"
