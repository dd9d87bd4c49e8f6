"""The experiment of Section 6 of Song et al. (2021): its name here, and its size."""

MNIST = "song2021_mnist"

LOG_LIKELIHOOD, MEAN_SQUARE = "log_likelihood", "mean_square"
WIDTH = 1000
N_TRAIN, N_TEST = 60_000, 10_000
EPOCHS = 300
SEEDS = 5
N_OMEGA_2 = 10


def he_omega_2(width: int) -> float:
    """Deviation (2/m)^(1/2) of the output weights in He's initialisation."""
    return (2 / width) ** 0.5
