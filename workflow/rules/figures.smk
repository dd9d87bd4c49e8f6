# Figures: figures/<figure>.pdf and the same as PNG, which the report shows. Those that render a
# table: figures/<figure>.csv too.


rule figure:
    input:
        measures=lambda wildcards: figure_of(wildcards).measures.values(),
        stamp=lambda wildcards: local(figure_of(wildcards).stamp),
    output:
        pdf="figures/{figure}.pdf",
        png=report(
            "figures/{figure}.png",
            caption="../report/figure.rst",
            category=lambda wildcards: SETTINGS.papers[figure_of(wildcards).paper].title,
            labels=lambda wildcards: figure_of(wildcards).labels,
        ),
    log:
        "results/logs/figures/{figure}.log",
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        module=lambda wildcards: figure_of(wildcards).module,
        arguments=lambda wildcards: figure_of(wildcards).arguments,
        measures=lambda wildcards: list(figure_of(wildcards).measures),
        scale=SETTINGS.scale,
        config_hash=lambda wildcards: figure_of(wildcards).config_hash,
        code=lambda wildcards: figure_of(wildcards).code,
    script:
        "../scripts/figure.py"


rule table:
    input:
        measures=lambda wildcards: figure_of(wildcards).measures.values(),
        stamp=lambda wildcards: local(figure_of(wildcards).stamp),
    output:
        report(
            "figures/{figure}.csv",
            caption="../report/figure.rst",
            category=lambda wildcards: SETTINGS.papers[figure_of(wildcards).paper].title,
            labels=lambda wildcards: figure_of(wildcards).labels | {"form": "table"},
        ),
    log:
        "results/logs/tables/{figure}.log",
    wildcard_constraints:
        figure=alternatives(name for name, figure in PLAN.figures.items() if figure.csv),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        module=lambda wildcards: figure_of(wildcards).module,
        arguments=lambda wildcards: figure_of(wildcards).arguments,
        measures=lambda wildcards: list(figure_of(wildcards).measures),
        config_hash=lambda wildcards: figure_of(wildcards).config_hash,
        code=lambda wildcards: figure_of(wildcards).code,
    script:
        "../scripts/table.py"
