# Training: results/runs/<experiment>/<job>-<hash>.nc, one job for some runs of an experiment.
#
# The hash in the name covers everything that the content depends on (see regimes.plan.jobs), so that a
# run that exists is never made again, whatever Snakemake knows about times, data and environments.
# That is what the constraint says: existing runs are plain source files. An `ancient` data file
# would not do it: Snakemake ignores the mark when the file is missing, and trains every run when
# one needs it; and when the data set is remade it plans nothing else, and leaves stale figures.


rule train:
    input:
        files("train"),
    output:
        "results/runs/{experiment}/{job}.nc",
    log:
        "results/logs/runs/{experiment}/{job}.log",
    wildcard_constraints:
        job=to_be_made(PLAN.jobs),
    priority: planned("train", "priority")
    conda:
        "../../envs/training.yaml"
    # With more threads the linear algebra would sum in another order, and --cores would change
    # the last bits.
    threads: 1
    resources:
        training=1,
        mem_mb=memory(4000, "train"),
        gpu=lambda wildcards: GPUS * planned("train", "uses_gpu")(wildcards),
        uses_gpu=lambda wildcards: GPUS * planned("train", "uses_gpu")(wildcards),
        attempt=number_of_attempt,
    params:
        stage=handed("train"),
    script:
        "../scripts/train.py"
