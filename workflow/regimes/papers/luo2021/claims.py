"""Claims of Luo et al. (2021)."""

from regimes.claims.core import Claim, Measured, Measures

# Slopes over smaller widths are not yet those of the limit.
PAPER_WIDTHS = (1000, 5000, 10_000, 20_000, 40_000)
BOUNDARY_TOLERANCE = 0.1


def _boundary(measures: Measures) -> Measured:
    """Largest distance of the measured boundary from the theory's, over all gamma'."""
    diagram = measures["phase_diagram"]
    off = abs(diagram["boundary_gamma"] - diagram["theory_boundary_gamma"])
    if off.isnull().any():
        missing = off["gamma_prime"].values[off.isnull().values]
        return Measured(
            float("nan"), False, "no zero of slope_w at gamma' = " + ", ".join(map(str, missing))
        )
    worst = diagram.isel(gamma_prime=int(off.argmax("gamma_prime")))
    detail = (
        f"worst at gamma' = {float(worst['gamma_prime']):g}: measured "
        f"{float(worst['boundary_gamma']):.3f} +- {float(worst['boundary_gamma_stderr']):.3f}, "
        f"theory {float(worst['theory_boundary_gamma']):g}"
    )
    value = float(off.max())
    return Measured(value, value <= BOUNDARY_TOLERANCE, detail)


def _below_paper_width(measures: Measures) -> str | None:
    widths = measures["phase_diagram"]["width"].values.tolist()
    if max(widths) < max(PAPER_WIDTHS) or len(widths) < len(PAPER_WIDTHS):
        return f"{len(widths)} widths up to {max(widths)}, needs {len(PAPER_WIDTHS)} up to 40000"
    return None


CLAIMS = [
    Claim(
        id="L1",
        statement=(
            "slope_w vanishes on the boundary gamma = 1 for gamma' <= 0 and gamma = 1 + gamma' for "
            "gamma' > 0: largest |boundary_gamma - theory| over gamma'"
        ),
        paper_value=0.0,
        tolerance=BOUNDARY_TOLERANCE,
        source="section 4.1, Fig. 4, Theorems 6 and 8",
        needs=("phase_diagram",),
        check=_boundary,
        too_small=_below_paper_width,
        figure="phase_diagram",
    ),
]
