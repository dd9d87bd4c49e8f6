"""Claims of Caron et al. (2023): A1 to A4 and A6 on the experiments, A7 on the theorems."""

from regimes.papers.caron2023 import claims_experiments, claims_theorems

CLAIMS = sorted([*claims_experiments.CLAIMS, *claims_theorems.CLAIMS], key=lambda claim: claim.id)
