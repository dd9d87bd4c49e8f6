"""The experiments of Chen et al. (2022): their names, and the sizes of those of Section 4."""

from dataclasses import dataclass

RANDOM_LABELS = "chen2022_random_labels"
QUADRATIC_EMBEDDING = "chen2022_quadratic_embedding"
SCALINGS = "chen2022_scalings"
# Experiment 1 with data of its own for each seed.
RANDOM_LABELS_DRAWS = "chen2022_random_labels_draws"
EXPERIMENTS = (RANDOM_LABELS, QUADRATIC_EMBEDDING, SCALINGS)
# On the theory of Sections 2.2 and 3.
MOVEMENT = "chen2022_movement"
LEMMA_1_TANH = "chen2022_lemma_1_tanh"
LEMMA_1_RELU = "chen2022_lemma_1_relu"
LEMMA_1 = (LEMMA_1_TANH, LEMMA_1_RELU)
THEOREM_1 = "chen2022_theorem_1"
THEOREM_3 = "chen2022_theorem_3"
THEOREM_1_DRAWN_SIGNS = "chen2022_theorem_1_drawn_signs"
LEAKY_RELU = "chen2022_leaky_relu"
STARTS = "chen2022_starts"
STEPS = 50_000
# The models as the runs name them, with the names of the paper's legends, in the order of its
# figures.
MODELS = {
    RANDOM_LABELS: {"shallow": "shallow"},
    RANDOM_LABELS_DRAWS: {"shallow": "shallow"},
    QUADRATIC_EMBEDDING: {"plain": "plain", "quadratic": "quadratic embedding"},
    SCALINGS: {"ours": "ours", "ntk": "NTK", "mean_field": "MF"},
}


@dataclass(frozen=True)
class Size:
    """A figure of the paper and its sizes.

    Its experiment, widths m, numbers of points n, and at least how many seeds it has.
    """

    experiment: str
    widths: tuple[int, ...]
    n_train: tuple[int, ...]
    seeds: int


# Numbers of points of Experiment 1.
N_TRAIN = (20, 40, 60, 80, 100)
# By the figure's number.
FIGURES = {
    1: Size(RANDOM_LABELS, (8192,), N_TRAIN, 5),
    # Of the values of n the text prints none; the ends of their range are those of the figure.
    2: Size(QUADRATIC_EMBEDDING, (8192,), (50, 1000), 5),
    # The text has no number of seeds for Experiment 3, and of its widths the largest alone.
    3: Size(SCALINGS, (8192,), (200, 400, 600, 800), 3),
    4: Size(SCALINGS, (8192,), (600,), 3),
    5: Size(RANDOM_LABELS, (4096,), N_TRAIN, 5),
    6: Size(QUADRATIC_EMBEDDING, (2048, 8192), (50, 1000), 5),
    7: Size(SCALINGS, (8192,), (400,), 3),
    8: Size(SCALINGS, (8192,), (800,), 3),
}
