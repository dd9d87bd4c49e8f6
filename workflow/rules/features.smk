# Data sets that a network makes of the images of another, features or labels:
# results/data/<dataset>.nc


rule features:
    input:
        files("features"),
    output:
        "results/data/{dataset}.nc",
    log:
        "results/logs/data/{dataset}.log",
    wildcard_constraints:
        dataset=alternatives(PLAN.by_rule["features"]),
    conda:
        "../../envs/training.yaml"
    # With more threads the sums would have another order, and --cores would change the last bits.
    threads: 1
    resources:
        training=1,
        mem_mb=memory(4000, "features"),
        gpu=int(PLACEMENT.device == "cuda"),
        uses_gpu=int(PLACEMENT.device == "cuda"),
        attempt=number_of_attempt,
    params:
        stage=handed("features"),
    script:
        "../scripts/features.py"
