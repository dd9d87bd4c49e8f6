# Training: results/runs/<experiment>/<block>-<hash>.nc, one job per block of runs.
#
# The hash in the name covers everything that the content depends on (see regimes.plan.plan), so that a
# run that exists is never made again, whatever Snakemake knows about times, data and environments.
# That is what the constraint says: existing runs are plain source files. An `ancient` data file
# would not do it: Snakemake ignores the mark when the file is missing, and trains every block when
# one needs it; and when the data set is remade it plans nothing else, and leaves stale figures.


rule train:
    input:
        data=lambda wildcards: data_of(wildcards).path,
    output:
        "results/runs/{experiment}/{block}.nc",
    log:
        "results/logs/runs/{experiment}/{block}.log",
    wildcard_constraints:
        block=to_be_made(PLAN.all_blocks()),
    priority: lambda wildcards: block_of(wildcards).priority
    conda:
        "../../envs/training.yaml"
    # With more threads the linear algebra would sum in another order, and --cores would change
    # the last bits.
    threads: 1
    resources:
        mem_mb=4000,
        gpu=GPUS,
    params:
        block=lambda wildcards: block_of(wildcards).settings,
        data_hash=lambda wildcards: data_of(wildcards).hash,
        code=lambda wildcards: block_of(wildcards).code,
        torch=lambda wildcards: block_of(wildcards).torch,
        checkpoint=lambda wildcards: block_of(wildcards).checkpoint,
        end_states=lambda wildcards: block_of(wildcards).end_states,
    script:
        "../scripts/train.py"
