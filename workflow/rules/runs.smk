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
        gpu=gpu_if_in(PLACEMENT.trained),
        uses_gpu=gpu_if_in(PLACEMENT.trained),
        attempt=number_of_attempt,
    params:
        stage=handed("train"),
    script:
        "../scripts/train.py"


# On a GPU: several jobs of an experiment in one process, one after the other, since it takes long to
# start. Each has its own file, log and states. Only files that are missing: Snakemake deletes what a
# job is to make. Those of the jobs that have succeeded are kept when another fails.
for group in TOGETHER:

    rule:
        name:
            group.name
        input:
            data=data_of(group.jobs),
        output:
            [job.path for job in group.jobs],
        log:
            [f"results/logs/runs/{job.name}.log" for job in group.jobs],
        priority: group.jobs[0].priority
        conda:
            "../../envs/training.yaml"
        threads: 1
        resources:
            training=1,
            mem_mb=memory(4000, jobs=group.jobs),
            gpu=1,
            uses_gpu=1,
            attempt=number_of_attempt,
        params:
            stages=handed_of(group.jobs),
        script:
            "../scripts/train.py"

    take_resources_of_train(group.name)
