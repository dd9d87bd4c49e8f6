# Data sets that a network makes of the images of another, features or labels:
# results/data/<dataset>.nc


rule features:
    input:
        images=lambda wildcards: source_of(wildcards).path,
        stamp=local("results/code/data-{dataset}.txt"),
    output:
        "results/data/{dataset}.nc",
    log:
        "results/logs/data/{dataset}.log",
    wildcard_constraints:
        dataset=alternatives(name for name, data in PLAN.data.items() if data.source),
    conda:
        "../../envs/training.yaml"
    # With more threads the sums would have another order, and --cores would change the last bits.
    threads: 1
    resources:
        mem_mb=4000,
        gpu=GPUS,
    params:
        settings=lambda wildcards: PLAN.data[wildcards.dataset].settings,
        data_hash=lambda wildcards: PLAN.data[wildcards.dataset].hash,
        images_hash=lambda wildcards: source_of(wildcards).hash,
        torch=lambda wildcards: PLAN.data[wildcards.dataset].torch,
    script:
        "../scripts/features.py"
