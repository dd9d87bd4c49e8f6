"""The experiments of Song et al. (2021): their names here, and the size of that of Section 6."""

MNIST = "song2021_mnist"
# On the theory.
LEMMA3 = "song2021_lemma3"
LAZY = "song2021_lazy"
ORDER = "song2021_order"
LAZY_WIDE = "song2021_lazy_wide"
LOCAL = "song2021_local"
# Along n = d_0^2 / 4.
WIDTH_8 = "song2021_width_8"
WIDTH_12 = "song2021_width_12"
WIDTH_16 = "song2021_width_16"
WIDTHS = (WIDTH_8, WIDTH_12, WIDTH_16)

LOG_LIKELIHOOD, MEAN_SQUARE = "log_likelihood", "mean_square"
WIDTH = 1000
N_TRAIN, N_TEST = 60_000, 10_000
EPOCHS = 300
SEEDS = 5
# Those of the authors' code.
OMEGA_2 = (0.002, 0.00744, 0.01289, 0.01833, 0.02378, 0.03467, 0.04556, 0.05644, 0.06733, 0.07822)
N_OMEGA_2 = len(OMEGA_2)


def he_omega_2(width: int) -> float:
    """Deviation (2/m)^(1/2) of the output weights in He's initialisation."""
    return (2 / width) ** 0.5
