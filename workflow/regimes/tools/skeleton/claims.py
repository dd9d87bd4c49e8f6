"""What is expected of the measures."""

from regimes.claims.core import Finding, Measures, claim, within


@claim(
    "S1",
    says="in the linear regime the first layer moves by m^(gamma - 1) relative to its start",
    statistic="slope at gamma = 1/2, gamma' = 0",
    wanted=within(-0.65, -0.35, "what widths so small allow"),
    paper_value=-0.5,
    source="theory of the linear regime",
    needs=("my_study_growth",),
    figure="my_study/growth",
)
def linear_slope(measures: Measures) -> Finding:
    """The slope of the distance against the width where training is linear."""
    found = measures["my_study_growth"].sel(gamma_prime=0.0, gamma=0.5)
    return Finding(float(found["slope"]), f"widths {found['width'].values.tolist()}")
