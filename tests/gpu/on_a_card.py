"""Check and time every engine on the GPU that is here: `python tests/gpu/on_a_card.py`, minutes.

Runs a job of each on the CPU and on the GPU, compares the results, and prints a table for
docs/gpu.md. The exit code is 1 if results differ by more than rounding, 2 without a GPU.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

# Where pytest looks for modules.
sys.path.extend(str(Path(__file__).parents[1] / one) for one in ("", "engines", "../workflow"))

import torch
from agreement import largest_difference
from card_jobs import CARD_JOBS, CardJob
from torch.profiler import ProfilerActivity, profile, supported_activities

# Largest differences, relative to the largest number of a variable: kernels sum in other orders.
ROUNDING = {"float64": 1e-9, "float32": 1e-5}
REPEATS = 3
LAUNCHES = ("cudaLaunchKernel", "cudaLaunchKernelExC", "cuLaunchKernel", "cudaGraphLaunch")
WAITS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize")
HEAD = ("engine", "size", "CPU", "GPU", "CPU / GPU", "launches", "waits", "difference", "agrees")


def seconds(one: CardJob, device: str) -> float:
    """Median time of a step, of a whole job where it has no limit."""

    def spent(limit: int) -> float:
        torch.cuda.synchronize()
        start = time.perf_counter()
        one.run(limit, device)
        torch.cuda.synchronize()
        return time.perf_counter() - start

    first, second = one.limits
    if not one.steps:
        return statistics.median(spent(second) for _ in range(REPEATS))
    times = [spent(second) - spent(first) for _ in range(REPEATS)]
    return max(statistics.median(times), 0.0) / one.n_steps


def counted(one: CardJob) -> tuple[str, str]:
    """Launches and waits in a step, as torch.profiler sees them; dashes where it sees none."""
    found = []
    if ProfilerActivity.CUDA not in supported_activities():
        return "-", "-"
    for limit in one.limits:
        with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiler:
            one.run(limit, "cuda")
        count = {event.key: event.count for event in profiler.key_averages()}
        found.append([sum(count.get(name, 0) for name in names) for names in (LAUNCHES, WAITS)])
    steps = one.n_steps or 1
    launches, waits = (
        (second - first * bool(one.steps)) / steps for first, second in zip(*found, strict=True)
    )
    return (f"{launches:.0f}", f"{waits:.2g}") if any(found[1]) else ("-", "-")


def card() -> str:
    """The GPU, its driver and torch, in a line."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        driver = subprocess.run(command, capture_output=True, text=True).stdout.split("\n")[0]
    except OSError:
        driver = ""
    return (
        f"{torch.cuda.get_device_name()}, driver {driver or 'unknown'}, torch {torch.__version__} "
        f"(CUDA {torch.version.cuda}), CPU with {torch.get_num_threads()} threads"
    )


def main(jobs: Mapping[str, Callable[[], CardJob]] = CARD_JOBS) -> int:
    """Print the table; return the exit code."""
    if not torch.cuda.is_available():
        print("torch finds no GPU here: nothing was run", file=sys.stderr)
        return 2
    # As in a job: all bits of float32.
    torch.backends.cuda.matmul.allow_tf32 = False
    print(f"{card()}. Milliseconds in a step:\n")
    print(f"| {' | '.join(HEAD)} |\n| --- | --- |{' ---: |' * 6} --- |", flush=True)
    agree = True
    for name, make in jobs.items():
        one = make()
        # Also what loads the libraries, before any clock runs
        expected, found = (one.run(one.limits[0], device) for device in ("cpu", "cuda"))
        difference, variable = largest_difference(expected, found)
        agrees = difference <= ROUNDING[one.precision]
        agree &= agrees
        on_cpu, on_gpu = (seconds(one, device) for device in ("cpu", "cuda"))
        row = [
            *(f"`{name.split(', ')[0]}`{name.partition(',')[1]}{name.partition(',')[2]}", one.size),
            *(f"{1e3 * on_cpu:.3g}", f"{1e3 * on_gpu:.3g}", f"{on_cpu / max(on_gpu, 1e-9):.2g}"),
            *counted(one),
            *(f"{difference:.1g}", "yes" if agrees else f"no: {variable}"),
        ]
        print(f"| {' | '.join(row)} |", flush=True)
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
