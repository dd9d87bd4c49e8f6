"""Claims of Luo et al. (2021), gathered from one module for each group."""

from regimes.papers.luo2021 import claims_boundaries, claims_experiments, claims_theorems

CLAIMS = sorted(
    [*claims_boundaries.CLAIMS, *claims_theorems.CLAIMS, *claims_experiments.CLAIMS],
    key=lambda claim: claim.id,
)
