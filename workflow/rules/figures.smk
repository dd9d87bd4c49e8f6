# Figures: figures/<figure>.pdf and the same as PNG, which the report shows. Those that render a
# table: figures/<figure>.csv too.


rule figure:
    input:
        files("figure"),
    output:
        pdf="figures/{figure}.pdf",
        png=report(
            "figures/{figure}.png",
            caption="../report/figure.rst",
            category=lambda wildcards: SETTINGS.papers[PLAN.figures[wildcards.figure].paper].title,
            labels=planned("figure", "labels"),
        ),
    log:
        "results/logs/figures/{figure}.log",
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
    params:
        stage=handed("figure"),
    script:
        "../scripts/figure.py"


rule table:
    input:
        files("table"),
    output:
        report(
            "figures/{figure}.csv",
            caption="../report/figure.rst",
            category=lambda wildcards: SETTINGS.papers[PLAN.figures[wildcards.figure].paper].title,
            labels=lambda wildcards: PLAN.figures[wildcards.figure].labels | {"form": "table"},
        ),
    log:
        "results/logs/tables/{figure}.log",
    wildcard_constraints:
        figure=alternatives(PLAN.by_rule["table"]),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
    params:
        stage=handed("table"),
    script:
        "../scripts/table.py"
