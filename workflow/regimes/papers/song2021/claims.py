"""Claims of Song et al. (2021): S1 and S2 on the students of MNIST."""

from regimes.papers.song2021 import claims_mnist

CLAIMS = claims_mnist.CLAIMS
