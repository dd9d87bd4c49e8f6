"""The experiments of Caron et al. (2023): their names here, and their sizes."""

from dataclasses import dataclass
from typing import Any

from regimes.claims.core import Sizes

SIMULATED = "caron2023_simulated"
# With the loss (5), half the sum of the squares, where the others have their mean.
SIMULATED_HALF_SUM = "caron2023_simulated_half_sum"
# As the authors' code has it.
SIMULATED_CODE = "caron2023_simulated_code"
# Over widths, for the main statement.
WIDTHS = "caron2023_simulated_widths"
# At the size that Theorem 4.2 asks for.
SMOOTH = "caron2023_smooth"
CONCRETE = "caron2023_concrete"
ENERGY = "caron2023_energy"
ENERGY_CODE = "caron2023_energy_code"
AIRFOIL = "caron2023_airfoil"
PLANT = "caron2023_plant"
MNIST = "caron2023_mnist"
CIFAR10 = "caron2023_cifar10"
CIFAR10_GAMMA = "caron2023_cifar10_gamma"
REGRESSION = (CONCRETE, ENERGY, AIRFOIL, PLANT)
# Of these, those that a laptop trains at the paper's size.
SMALL_SETS = (CONCRETE, ENERGY, AIRFOIL)
# Means over initialisations, for the theorems of Sections 3 and 5.
RELU = "caron2023_theorems_relu"
TANH = "caron2023_theorems_tanh"
SOFTPLUS = "caron2023_theorems_softplus"
# Of narrower and of wider networks than RELU's.
NARROW = "caron2023_theorems_narrow"
WIDE = "caron2023_theorems_wide"
# The paper states no number of draws: a larger standard error of a mean over its closed form would
# decide nothing.
LARGEST_ERROR = 0.01

WIDTH = 2000
SEEDS = 5
TRANSFER_STEPS = 5000
SETTINGS = 4
BACKBONE = "ResNet-18"


@dataclass(frozen=True)
class Size:
    """An experiment of the paper: its number n of training points and its number of steps."""

    n_train: int
    steps: int
    # Meaning of the steps, where the paper counts otherwise.
    note: str = ""
    # Training points of the external network of the transfer, where they are not half of the
    # validation points.
    transfer_n_train: int = 0


# 40 % of the rows of the regression sets. MNIST's steps, and the epochs of CIFAR-10, in whole
# mini-batches of 64, are those of the authors' code.
PAPER = {
    SIMULATED: Size(100, 50_000),
    SIMULATED_HALF_SUM: Size(100, 50_000),
    CONCRETE: Size(412, 100_000),
    ENERGY: Size(307, 100_000),
    AIRFOIL: Size(601, 100_000),
    PLANT: Size(3827, 100_000),
    MNIST: Size(5000, 200_000, transfer_n_train=5000),
    CIFAR10: Size(50_000, 78_100, "100 epochs"),
    CIFAR10_GAMMA: Size(50_000, 78_100, "100 epochs"),
}
TITLES = {
    SIMULATED: "simulated data",
    SIMULATED_HALF_SUM: "simulated data, half-sum loss",
    CONCRETE: "concrete",
    ENERGY: "energy",
    AIRFOIL: "airfoil",
    PLANT: "plant",
    MNIST: "MNIST",
    CIFAR10: "CIFAR-10",
    CIFAR10_GAMMA: "CIFAR-10",
}


def full_size(experiment: str, *, transfer: bool = False, **contains: tuple[Any, ...]) -> Sizes:
    """The paper's size of an experiment, with all values of gamma.

    transfer: that of the external networks too. contains: further values that axes must have.
    """
    size = PAPER[experiment]
    least = {"width": WIDTH, "n_train": size.n_train, "step": size.steps}
    if transfer:
        least |= {"transfer_steps": TRANSFER_STEPS}
        if size.transfer_n_train:
            least |= {"transfer_n_train": size.transfer_n_train}
    return Sizes(SEEDS, {"gamma": (1.0, 0.5, 0.0)} | contains, least)
