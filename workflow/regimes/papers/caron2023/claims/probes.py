"""Claims of Caron et al. (2023) on what is done with trained networks: pruning and transfer.

The paper's findings are on gamma; that a smaller alpha helps too is what it expects, and is shown
in the details. Statistics are risks themselves, as in its figures, not what pruning adds to them.
"""

from collections.abc import Callable

import numpy as np
import xarray as xr

from regimes.claims.core import (
    CODE,
    Finding,
    Measures,
    Sizes,
    at_least,
    claim,
)
from regimes.claims.sampling import mean_of, trend
from regimes.papers.caron2023.orders import (
    ORDERED,
    complete,
    differences,
    gamma_blocks,
    least_gamma_pairs,
    listed,
    ratios,
    symmetric_pairs,
)
from regimes.papers.caron2023.paper import (
    AIRFOIL,
    CIFAR10,
    CIFAR10_GAMMA,
    CONCRETE,
    ENERGY,
    ENERGY_CODE,
    MNIST,
    PAPER,
    PLANT,
    SEEDS,
    SMALL_SETS,
    WIDTH,
    full_size,
)

OF_CODE = (1.0, 0.5, 0.2, 0.0)
# Shares of kept nodes where many are pruned: a convention of ours. Where few are, the networks of
# gamma = 0 need not be the best, since they start from a higher risk.
KEPT = (0.05, 0.1, 0.15, 0.2, 0.25)
# Numbers of transferred features: the fewest of the paper's figures, and the most.
FEW, MANY = 10, 100
OVER_KEPT = "kept shares 0.05 to 0.25"
PRUNED = "with the smallest gamma the training risk stays the lowest when many nodes are pruned"
OF_PRUNED = f"smallest ratio, of seeds, of the risk of another setting to it, mean over {OVER_KEPT}"
TRANSFERRED = (
    "on few transferred features the test risk is lower with gamma < 1 than with gamma = 1"
)
OF_TRANSFERRED = f"smallest ratio, of seeds, of the risk at gamma = 1 on {FEW} features to another"
SHOWN = at_least(0.0, "shown where its lower limit is above 0")
NO_LOSS = at_least(0.0, "above 0 the order is the paper's")
# All of the paper's size but the numbers of points, which differ.
ALL_SETS = {"width": WIDTH, "step": PAPER[CONCRETE].steps}
GAMMAS = (1.0, 0.5, 0.0)


def pruned(runs: xr.Dataset, quantity: str) -> xr.DataArray:
    """Mean over KEPT of a quantity of pruned networks, (node_scaling, seed)."""
    return runs[quantity].sel(kept=list(KEPT)).mean("kept", skipna=False)


@claim(
    "A3-concrete",
    says=f"{PRUNED}, on concrete",
    statistic=OF_PRUNED,
    wanted=ORDERED,
    source="section 6.2, Figs. 2, 6",
    needs=(CONCRETE,),
    sizes=full_size(CONCRETE, kept=KEPT),
    known=True,
    figure="caron2023/fig06_concrete",
)
@claim(
    "A3-energy",
    says=f"{PRUNED}, on energy",
    statistic=OF_PRUNED,
    wanted=ORDERED,
    source="section 6.2, Figs. 2, 7",
    needs=(ENERGY,),
    sizes=full_size(ENERGY, kept=KEPT),
    known=True,
    figure="caron2023/fig07_energy",
)
@claim(
    "A3-energy-code",
    says=f"{PRUNED}, on energy, with lambda_j as importance",
    statistic=OF_PRUNED,
    wanted=ORDERED,
    source="section 6.2, Figs. 2, 7",
    needs=(ENERGY_CODE,),
    reading=CODE,
    sizes=full_size(ENERGY, kept=KEPT, gamma=OF_CODE),
)
@claim(
    "A3-airfoil",
    says=f"{PRUNED}, on airfoil",
    statistic=OF_PRUNED,
    wanted=ORDERED,
    source="section 6.2, Figs. 2, 8",
    needs=(AIRFOIL,),
    sizes=full_size(AIRFOIL, kept=KEPT),
    known=True,
    figure="caron2023/fig08_airfoil",
)
@claim(
    "A3-plant",
    says=f"{PRUNED}, on plant",
    statistic=OF_PRUNED,
    wanted=ORDERED,
    source="section 6.2, Figs. 2, 9",
    needs=(PLANT,),
    sizes=full_size(PLANT, kept=KEPT),
    known=True,
    figure="caron2023/fig09_plant",
)
def pruning(measures: Measures) -> Finding:
    """Risk after pruning of each other setting over that of the smallest gamma."""
    (runs,) = map(complete, measures.values())
    risk = pruned(runs, "pruned_train_risk")
    detail = listed({"training risk": risk}, runs)
    return ratios([-differences(np.log(risk), least_gamma_pairs(runs))], detail)


@claim(
    "A3-trend",
    says="the training risk after much pruning falls with gamma, on concrete, energy, airfoil",
    statistic=f"deviate of Page's test over gamma, mean over {OVER_KEPT}; blocks: sets and seeds",
    wanted=SHOWN,
    source="section 6.2, Figs. 2, 6 to 8",
    needs=SMALL_SETS,
    sizes=Sizes(SEEDS, {"gamma": GAMMAS, "kept": KEPT}, ALL_SETS),
    known=True,
    figure="caron2023/fig02_regression",
)
def pruning_trend(measures: Measures) -> Finding:
    """Trend over gamma, the two settings of gamma = 0.5 taken together."""
    return _trend(measures, lambda runs: pruned(runs, "pruned_train_risk"))


def _trend(measures: Measures, quantity: Callable[[xr.Dataset], xr.DataArray]) -> Finding:
    found = {name: complete(runs) for name, runs in measures.items()}
    blocks = [gamma_blocks(quantity(runs), runs) for runs in found.values()]
    detail = f"{sum(map(len, blocks))} blocks of {len(found)} sets"
    return trend(np.concatenate(blocks), detail)


@claim(
    "A3-mnist",
    says="with gamma = 0 the test accuracy stays highest when many nodes are pruned, on MNIST",
    statistic=f"least difference, of seeds, to the accuracy of another setting, over {OVER_KEPT}",
    wanted=NO_LOSS,
    source="section 6.3, Fig. 3",
    needs=(MNIST,),
    sizes=full_size(MNIST, kept=KEPT),
    known=True,
    figure="caron2023/fig03_mnist",
)
@claim(
    "A3-cifar10-accuracy",
    says="with gamma = 0 the test accuracy stays highest when many nodes are pruned, on CIFAR-10",
    statistic=f"least difference, of seeds, to the accuracy of another setting, over {OVER_KEPT}",
    wanted=NO_LOSS,
    source="section 6.3, Fig. 4",
    needs=(CIFAR10,),
    sizes=full_size(CIFAR10, kept=KEPT),
    known=True,
    figure="caron2023/fig04_cifar10",
)
def pruned_accuracy(measures: Measures) -> Finding:
    """Accuracy after pruning at the smallest gamma minus that of each other setting."""
    (runs,) = map(complete, measures.values())
    accuracy = pruned(runs, "pruned_test_accuracy")
    gained = differences(accuracy, least_gamma_pairs(runs))
    return mean_of(gained, at_least(0.0), listed({"accuracy": accuracy}, runs))


@claim(
    "A3-cifar10-risk",
    says="with gamma = 0 the test risk stays the lowest when many nodes are pruned, on CIFAR-10",
    statistic=OF_PRUNED,
    wanted=ORDERED,
    source="section 6.3, Fig. 4",
    needs=(CIFAR10,),
    sizes=full_size(CIFAR10, kept=KEPT),
    known=True,
    figure="caron2023/fig04_cifar10",
)
def pruned_risk(measures: Measures) -> Finding:
    """Test risk after pruning of each other setting over that of the smallest gamma."""
    (runs,) = map(complete, measures.values())
    risk = pruned(runs, "pruned_test_risk")
    detail = listed({"test risk": risk}, runs)
    return ratios([-differences(np.log(risk), least_gamma_pairs(runs))], detail)


@claim(
    "A4-concrete",
    says=f"{TRANSFERRED}, on concrete",
    statistic=OF_TRANSFERRED,
    wanted=ORDERED,
    source="section 6.2, Figs. 2, 6",
    needs=(CONCRETE,),
    sizes=full_size(CONCRETE, transfer=True, n_transfer_features=(FEW,)),
    known=True,
    figure="caron2023/fig06_concrete",
)
@claim(
    "A4-energy",
    says=f"{TRANSFERRED}, on energy",
    statistic=OF_TRANSFERRED,
    wanted=ORDERED,
    source="section 6.2, Figs. 2, 7",
    needs=(ENERGY,),
    sizes=full_size(ENERGY, transfer=True, n_transfer_features=(FEW,)),
    known=True,
    figure="caron2023/fig07_energy",
)
@claim(
    "A4-energy-code",
    says=f"{TRANSFERRED}, on energy, to two hidden layers, values times lambda_j^(1/2)",
    statistic=OF_TRANSFERRED,
    wanted=ORDERED,
    source="section 6.2, Figs. 2, 7",
    needs=(ENERGY_CODE,),
    reading=CODE,
    sizes=full_size(ENERGY, transfer=True, n_transfer_features=(FEW,), gamma=OF_CODE),
)
@claim(
    "A4-airfoil",
    says=f"{TRANSFERRED}, on airfoil",
    statistic=OF_TRANSFERRED,
    wanted=ORDERED,
    source="section 6.2, Figs. 2, 8",
    needs=(AIRFOIL,),
    sizes=full_size(AIRFOIL, transfer=True, n_transfer_features=(FEW,)),
    known=True,
    figure="caron2023/fig08_airfoil",
)
@claim(
    "A4-plant",
    says=f"{TRANSFERRED}, on plant",
    statistic=OF_TRANSFERRED,
    wanted=ORDERED,
    source="section 6.2, Figs. 2, 9",
    needs=(PLANT,),
    sizes=full_size(PLANT, transfer=True, n_transfer_features=(FEW,)),
    known=True,
    figure="caron2023/fig09_plant",
)
@claim(
    "A4-mnist",
    says=f"{TRANSFERRED}, on MNIST",
    statistic=OF_TRANSFERRED,
    wanted=ORDERED,
    source="section 6.3, Fig. 10",
    needs=(MNIST,),
    sizes=full_size(MNIST, transfer=True, n_transfer_features=(FEW,)),
    known=True,
    figure="caron2023/fig10_mnist",
)
def transfer(measures: Measures) -> Finding:
    """Risk on few features at gamma = 1 over that of each other setting."""
    (runs,) = map(complete, measures.values())
    risk = _on(runs, "transfer_test_risk", FEW)
    detail = listed({f"test risk on {FEW} features": risk}, runs)
    return ratios([-differences(np.log(risk), symmetric_pairs(runs))], detail)


def _on(runs: xr.Dataset, name: str, count: int) -> xr.DataArray:
    return runs[name].sel(n_transfer_features=count, drop=True)


@claim(
    "A4-trend",
    says="the test risk on few transferred features falls with gamma, on concrete, energy, airfoil",
    statistic=f"deviate of Page's test over gamma, on {FEW} features; blocks: sets and seeds",
    wanted=SHOWN,
    source="section 6.2, Figs. 2, 6 to 8",
    needs=SMALL_SETS,
    sizes=Sizes(SEEDS, {"gamma": GAMMAS, "n_transfer_features": (FEW,)}, ALL_SETS),
    known=True,
    figure="caron2023/fig02_regression",
)
def transfer_trend(measures: Measures) -> Finding:
    """Trend over gamma, the two settings of gamma = 0.5 taken together."""
    return _trend(measures, lambda runs: _on(runs, "transfer_test_risk", FEW))


@claim(
    "A4-few",
    says="with small gamma a few nodes carry features enough: more help less, at 0 than at 1",
    statistic=(
        f"smallest ratio, of sets, of the ratio of the risks on {FEW} and {MANY} features at "
        "gamma = 1 to that at gamma = 0"
    ),
    wanted=ORDERED,
    source="section 6.2",
    needs=SMALL_SETS,
    sizes=Sizes(SEEDS, {"gamma": GAMMAS, "n_transfer_features": (FEW, MANY)}, ALL_SETS),
    figure="caron2023/fig02_regression",
)
def few_are_enough(measures: Measures) -> Finding:
    """How much more features lower the risk, at gamma = 1 over gamma = 0."""
    logs, details = [], []
    for runs in map(complete, measures.values()):
        few, many = (_on(runs, "transfer_test_risk", count) for count in (FEW, MANY))
        fall = np.log(few / many)
        logs.append(-differences(fall, [(0, runs.sizes["node_scaling"] - 1)]))
        details.append(listed({f"risk on {FEW} over {MANY} features": np.exp(fall)}, runs))
    return ratios(logs, "; ".join(details))


@claim(
    "A4-mnist-accuracy",
    says="on few transferred features the test accuracy is higher with gamma < 1, on MNIST",
    statistic=f"least difference, of seeds, to the accuracy at gamma = 1 on {FEW} features",
    wanted=NO_LOSS,
    source="section 6.3, Fig. 3",
    needs=(MNIST,),
    sizes=full_size(MNIST, transfer=True, n_transfer_features=(FEW,)),
    figure="caron2023/fig03_mnist",
)
def transfer_accuracy(measures: Measures) -> Finding:
    """Accuracy on few features of each other setting minus that at gamma = 1."""
    (runs,) = map(complete, measures.values())
    accuracy = _on(runs, "transfer_test_accuracy", FEW)
    gained = differences(accuracy, symmetric_pairs(runs))
    return mean_of(gained, at_least(0.0), listed({"accuracy": accuracy}, runs))


OVER_GAMMA = Sizes(
    SEEDS,
    {"gamma": (0.1, 0.2, 0.5, 0.7), "kept": KEPT},
    {"width": WIDTH, "n_train": PAPER[CIFAR10].n_train, "step": PAPER[CIFAR10].steps},
)


@claim(
    "A5-risk",
    says="a smaller gamma leads to better pruned models on CIFAR-10: lower test risk",
    statistic=f"deviate of Page's test over gamma, mean over {OVER_KEPT}",
    wanted=SHOWN,
    source="Appendix I.2, Fig. 11",
    needs=(CIFAR10_GAMMA,),
    sizes=OVER_GAMMA,
    figure="caron2023/fig11_cifar10_gamma",
)
def risk_by_gamma(measures: Measures) -> Finding:
    """Trend of the test risk after pruning."""
    return _trend(measures, lambda runs: pruned(runs, "pruned_test_risk"))


@claim(
    "A5-accuracy",
    says="a smaller gamma leads to better pruned models on CIFAR-10: higher test accuracy",
    statistic=f"deviate of Page's test over gamma, mean over {OVER_KEPT}",
    wanted=SHOWN,
    source="Appendix I.2, Fig. 11",
    needs=(CIFAR10_GAMMA,),
    sizes=OVER_GAMMA,
    figure="caron2023/fig11_cifar10_gamma",
)
def accuracy_by_gamma(measures: Measures) -> Finding:
    """Trend of the errors after pruning."""
    return _trend(measures, lambda runs: 1 - pruned(runs, "pruned_test_accuracy"))
