# Measures: results/measures/<experiment>.nc, from all runs of the experiment, their
# probes, and the data that they were trained on.


rule measure:
    input:
        files("measure"),
    output:
        "results/measures/{experiment}.nc",
    log:
        "results/logs/measures/{experiment}.log",
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000, "measure"),
    params:
        stage=handed("measure"),
    script:
        "../scripts/measure.py"
