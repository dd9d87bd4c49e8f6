"""Claims of Song et al. (2021): S1 and S2 on the students of MNIST, S3 to S5 on the theory."""

from regimes.papers.song2021 import claims_mnist, claims_theory

CLAIMS = [*claims_mnist.CLAIMS, *claims_theory.CLAIMS]
