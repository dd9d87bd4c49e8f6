"""Claims of Chen et al. (2022): C1 to C6 and C9 on the experiments, C7 and C8 on the theory."""

from regimes.papers.chen2022 import claims_experiments, claims_theorems

CLAIMS = sorted(
    [*claims_experiments.CLAIMS, *claims_theorems.CLAIMS], key=lambda claim: int(claim.id[1:])
)
