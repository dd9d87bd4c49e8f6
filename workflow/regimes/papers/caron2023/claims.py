"""Claims of Caron et al. (2023): A1 to A4 and A6, on the experiments."""

from regimes.papers.caron2023 import claims_experiments

CLAIMS = claims_experiments.CLAIMS
