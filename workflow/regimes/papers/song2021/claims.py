"""Claims of Song et al. (2021): S3, S4 and S5 on the theory."""

from regimes.papers.song2021 import claims_theory

CLAIMS = [*claims_theory.CLAIMS]
