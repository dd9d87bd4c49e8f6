"""The experiments of Song et al. (2021): their names here, and the size of that of Section 6."""

MNIST = "song2021_mnist"
# On the theory.
LEMMA3 = "song2021_lemma3"
LAZY = "song2021_lazy"
ORDER = "song2021_order"

LOG_LIKELIHOOD, MEAN_SQUARE = "log_likelihood", "mean_square"
WIDTH = 1000
N_TRAIN, N_TEST = 60_000, 10_000
EPOCHS = 300
SEEDS = 5
N_OMEGA_2 = 10


def he_omega_2(width: int) -> float:
    """Deviation (2/m)^(1/2) of the output weights in He's initialisation."""
    return (2 / width) ** 0.5
