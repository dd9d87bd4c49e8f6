# Measures: results/measures/<experiment>.nc, from the runs of all blocks of the experiment, their
# probes, and the data that they were trained on.


rule measure:
    input:
        runs=lambda wildcards: measure_of(wildcards).runs,
        probes=lambda wildcards: measure_of(wildcards).probes,
        data=lambda wildcards: measure_of(wildcards).data,
        stamp=local("results/code/measures-{experiment}.txt"),
    output:
        "results/measures/{experiment}.nc",
    log:
        "results/logs/measures/{experiment}.log",
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        module=lambda wildcards: measure_of(wildcards).module,
        paper=lambda wildcards: measure_of(wildcards).paper,
        grids=lambda wildcards: list(measure_of(wildcards).grids),
        settings=lambda wildcards: measure_of(wildcards).settings,
        code=lambda wildcards: measure_of(wildcards).code,
    script:
        "../scripts/measure.py"
