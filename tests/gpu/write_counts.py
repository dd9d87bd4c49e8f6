"""Write the counts of a step and the estimated times into docs/gpu.md, from the pretend GPU.

Run with `python tests/gpu/write_counts.py` after a change of an engine, some minutes. With
`--check` nothing is written, and the exit code is 1 if the page has not what it would write.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

# Where pytest looks for modules.
sys.path.extend(str(Path(__file__).parents[1] / one) for one in ("", "engines", "../workflow"))

from card_jobs import CARD_JOBS, CardJob, work_in_a_step

PAGE = Path(__file__).parents[2] / "docs/gpu.md"
BEGIN, END = "<!-- counts -->\n", "<!-- end of counts -->\n"
# An NVIDIA H100 SXM by its data sheet: bytes and floating-point operations in a second.
CARD = "NVIDIA H100 SXM"
BANDWIDTH = 3.35e12
RATES = {"float64": 34e12, "float32": 67e12}
# Seconds: the host to launch, the host to wait and go on, a GPU for the shortest kernel.
LAUNCH, WAIT, KERNEL = 5e-6, 20e-6, 2e-6


def estimate(work: Mapping[str, float], precision: str) -> float:
    """Seconds of a step: host and GPU work at once, but for the waits."""
    gpu = work["kernels"] * KERNEL + work["bytes"] / BANDWIDTH + work["flops"] / RATES[precision]
    return max(work["launches"] * LAUNCH, gpu) + work["waits"] * WAIT


def rounded(number: float, digits: int) -> str:
    """A number with so many digits, and no exponent where it is large."""
    return f"{float(f'{number:.{digits}g}'):.10g}"


def row(name: str, one: CardJob) -> str:
    """A line of the table."""
    work = work_in_a_step(one)
    engine, _, kind = name.partition(", ")
    cells = [
        f"`{engine}`{kind and ', '}{kind}",
        one.size,
        *(rounded(work[name], 3) for name in ("launches", "kernels", "waits")),
        *(rounded(work[name] / 1e6, 3) for name in ("bytes", "flops")),
        rounded(1e6 * estimate(work, one.precision), 2),
    ]
    return f"| {' | '.join(cells)} |"


def block() -> Iterator[str]:
    """The lines of the block."""
    yield "| engine | size | launches | kernels | waits | MB | Mflop | estimated: us |"
    yield "| --- | --- |" + " ---: |" * 6
    for name, make in CARD_JOBS.items():
        one = make()
        if one.steps:
            yield row(name, one)
    yield ""
    yield (
        f"The estimate is of the larger of {1e6 * LAUNCH:.0f} us a launch, for the host, and of "
        f"{1e6 * KERNEL:.0f} us a kernel, the bytes at {BANDWIDTH / 1e12:.2f} TB/s and the "
        f"operations at {RATES['float64'] / 1e12:.0f} Tflop/s ({RATES['float32'] / 1e12:.0f} in "
        f"float32), for the GPU; and of {1e6 * WAIT:.0f} us a wait. Rates are of the data sheet of "
        f"an {CARD}; the other numbers are assumed."
    )


def main(arguments: list[str]) -> int:
    """Write or check the page; return the exit code."""
    text = PAGE.read_text("utf-8")
    before, rest = text.split(BEGIN)
    new = before + BEGIN + "\n".join(["", *block(), "", ""]) + END + rest.split(END)[1]
    if "--check" in arguments:
        return int(new != text)
    PAGE.write_text(new, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
