"""Caron et al. (2023): claims on made-up runs, in which they hold, and on changed ones."""

import numpy as np
import pytest
import xarray as xr
from caron_runs import CIFAR10, EXPERIMENTS, MNIST, SIMULATED, made_up_measures

from regimes.claims.core import evaluate
from regimes.claims.discover import claims_of
from regimes.papers.caron2023.paper import AIRFOIL, CONCRETE, ENERGY, PLANT, REGRESSION

IDS = ["A1", "A2", "A2-cifar10", "A3", "A3-cifar10", "A4", "A6"]
KERNEL, WEAK, STRONG, NO_KERNEL = (
    "gamma_1",
    "gamma_05_alpha_07",
    "gamma_05_alpha_05",
    "gamma_0_alpha_04",
)


@pytest.fixture(scope="module")
def all_measures() -> dict[str, xr.Dataset]:
    return {name: made_up_measures(name) for name in EXPERIMENTS}


@pytest.fixture
def measures(all_measures: dict[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    """Measures at the paper's size, to be changed."""
    return {name: runs.copy(deep=True) for name, runs in all_measures.items()}


def verdict(claim_id: str, measures: dict[str, xr.Dataset]) -> tuple[str, float, str]:
    """Verdict, value and detail of one claim."""
    (claim,) = [claim for claim in claims_of("caron2023") if claim.id == claim_id]
    row = evaluate([claim], measures, "laptop").isel(claim=0)
    return row["verdict"].item(), row["value"].item(), row["detail"].item()


def test_all_claims_hold_on_runs_like_the_papers(measures: dict[str, xr.Dataset]) -> None:
    found = evaluate(claims_of("caron2023"), measures, "laptop")
    assert set(IDS) <= set(found["claim"].values.tolist())
    for claim_id in IDS:
        row = found.sel(claim=claim_id)
        assert row["verdict"] == "reproduced", row["detail"].item()
        assert row["figure"].item().startswith("caron2023/fig")


@pytest.mark.slow
@pytest.mark.parametrize("claim_id", IDS)
def test_claims_do_not_depend_on_the_order_of_settings(
    measures: dict[str, xr.Dataset], claim_id: str
) -> None:
    turned = {name: runs.isel(node_scaling=[2, 0, 3, 1]) for name, runs in measures.items()}
    assert verdict(claim_id, turned) == verdict(claim_id, measures)


@pytest.mark.parametrize("claim_id", IDS)
def test_narrow_networks_are_not_run(measures: dict[str, xr.Dataset], claim_id: str) -> None:
    for runs in measures.values():
        runs.attrs["width"] = 500
    found, value, detail = verdict(claim_id, measures)
    assert found == "not run" and np.isnan(value) and "needs m" in detail


@pytest.mark.parametrize("claim_id", ["A2", "A2-cifar10", "A3", "A3-cifar10", "A4"])
def test_orders_need_three_settings(measures: dict[str, xr.Dataset], claim_id: str) -> None:
    few = {name: runs.isel(node_scaling=[0, 3]) for name, runs in measures.items()}
    found, _, detail = verdict(claim_id, few)
    assert found == "not run" and "needs 3 settings" in detail
    three = {name: runs.isel(node_scaling=[0, 1, 3]) for name, runs in measures.items()}
    assert verdict(claim_id, three)[0] == "reproduced"


@pytest.mark.parametrize("claim_id", IDS)
def test_a_run_that_diverged_is_no_success(measures: dict[str, xr.Dataset], claim_id: str) -> None:
    for runs in measures.values():
        place = (
            {"node_scaling": STRONG, "seed": 2} if STRONG in runs["node_scaling"] else {"seed": 2}
        )
        for name in runs.data_vars:
            if {"node_scaling", "seed"} <= set(runs[name].dims) and runs[name].dtype == float:
                runs[name].loc[place] = np.nan
        runs["diverged"].loc[place] = 1
    assert verdict(claim_id, measures)[0] == "not reproduced"


# A1


@pytest.mark.parametrize("setting", [WEAK, STRONG])
@pytest.mark.parametrize(("left", "expected"), [(0.0099, "reproduced"), (0.0101, None)])
def test_a1_looks_at_every_setting_with_gamma(
    measures: dict[str, xr.Dataset], setting: str, left: float, expected: str | None
) -> None:
    risk = measures[SIMULATED]["train_risk"]
    first = risk.sel(node_scaling=setting, step=0).values
    risk.loc[{"node_scaling": setting, "step": 50_000}] = left * first
    found, value, _ = verdict("A1", measures)
    assert found == (expected or "not reproduced") and value == pytest.approx(left)


def test_a1_does_not_ask_it_of_gamma_0(measures: dict[str, xr.Dataset]) -> None:
    risk = measures[SIMULATED]["train_risk"]
    risk.loc[{"node_scaling": NO_KERNEL}] = 1.0
    assert verdict("A1", measures)[0] == "reproduced"


def test_a1_orders_rates_and_eigenvalues(measures: dict[str, xr.Dataset]) -> None:
    runs = measures[SIMULATED]
    # Settings of one gamma may come in any order.
    swapped = runs.copy(deep=True)
    for name in ("train_risk", "ntg_min_eigenvalue"):
        weak = runs[name].sel(node_scaling=WEAK).values
        swapped[name].loc[{"node_scaling": WEAK}] = runs[name].sel(node_scaling=STRONG).values
        swapped[name].loc[{"node_scaling": STRONG}] = weak
    assert verdict("A1", {SIMULATED: swapped})[0] == "reproduced"
    slow = runs.copy(deep=True)
    slow["train_risk"].loc[{"node_scaling": KERNEL, "step": 50_000}] *= 2.5
    found, value, detail = verdict("A1", {SIMULATED: slow})
    assert found == "not reproduced" and value < 0.01 and "e-05, not ordered as gamma" in detail
    eigenvalue = runs["ntg_min_eigenvalue"]
    eigenvalue.loc[{"node_scaling": NO_KERNEL}] = eigenvalue.sel(node_scaling=WEAK).values
    found, _, detail = verdict("A1", measures)
    assert found == "not reproduced" and detail.endswith("not ordered as gamma")


def test_a1_needs_the_papers_steps(measures: dict[str, xr.Dataset]) -> None:
    runs = measures[SIMULATED]
    found, _, detail = verdict("A1", {SIMULATED: runs.isel(step=slice(-1))})
    assert found == "not run" and "needs 50000 steps" in detail
    found, _, detail = verdict("A1", {SIMULATED: runs.sel(node_scaling=[WEAK, STRONG])})
    assert found == "not run" and "another gamma" in detail
    runs.attrs["width"] = 1999
    assert verdict("A1", measures)[0] == "not run"


# A2


@pytest.mark.parametrize("name", [SIMULATED, *REGRESSION, MNIST])
@pytest.mark.parametrize("quantity", ["weight_change", "ntg_change"])
@pytest.mark.parametrize(("ratio", "expected"), [(1.01, "reproduced"), (0.99, "not reproduced")])
def test_a2_looks_everywhere(
    measures: dict[str, xr.Dataset], name: str, quantity: str, ratio: float, expected: str
) -> None:
    values = measures[name][quantity]
    values.loc[{"node_scaling": STRONG}] = ratio * values.sel(node_scaling=WEAK).values
    found, value, detail = verdict("A2", measures)
    assert found == expected and value == pytest.approx(ratio)
    what = "weights" if quantity == "weight_change" else "NTG"
    assert f"{what}, (0.5, 0.5) to (0.5, 0.7)" in detail


@pytest.mark.parametrize(("change", "expected"), [(0.049, "reproduced"), (0.051, None)])
def test_a2_wants_a_constant_kernel_at_gamma_1(
    measures: dict[str, xr.Dataset], change: float, expected: str | None
) -> None:
    runs = measures[PLANT]
    runs["ntg_change"].loc[{"node_scaling": KERNEL}] *= change / 0.01
    found, value, detail = verdict("A2", measures)
    assert found == (expected or "not reproduced") and value > 1
    assert f"{change:.2%} (plant)" in detail


def test_a2_needs_the_kernel_regime(measures: dict[str, xr.Dataset]) -> None:
    part = {name: runs.isel(node_scaling=slice(1, None)) for name, runs in measures.items()}
    found, _, detail = verdict("A2", part)
    assert found == "not run" and "needs gamma = 1" in detail


def test_a2_on_images(measures: dict[str, xr.Dataset]) -> None:
    weights = measures[CIFAR10]["weight_change"]
    weights.loc[{"node_scaling": NO_KERNEL}] = 0.9 * weights.sel(node_scaling=STRONG).values
    found, value, detail = verdict("A2-cifar10", measures)
    assert found == "not reproduced" and value == pytest.approx(0.9)
    assert "CIFAR-10, weights, (0, 0.4) to (0.5, 0.5): 0.9" in detail


# A3


@pytest.mark.parametrize(
    ("claim_id", "name", "quantity", "pairs"),
    [
        ("A3", AIRFOIL, "pruned_train_risk", 30),
        ("A3", MNIST, "pruned_test_accuracy", 30),
        ("A3-cifar10", CIFAR10, "pruned_test_risk", 12),
        ("A3-cifar10", CIFAR10, "pruned_test_accuracy", 12),
    ],
)
def test_a3_looks_at_every_share(
    measures: dict[str, xr.Dataset], claim_id: str, name: str, quantity: str, pairs: int
) -> None:
    values = measures[name][quantity]
    other = values.sel(node_scaling=STRONG, kept=0.05).values
    whole = values.sel(node_scaling=[STRONG, NO_KERNEL], kept=1.0).values
    # As much lost as by the setting before.
    values.loc[{"node_scaling": NO_KERNEL, "kept": 0.05}] = other - whole[0] + whole[1]
    found, value, detail = verdict(claim_id, measures)
    assert found == "not reproduced" and value == pytest.approx(1 - 1 / pairs)
    assert f"{quantity.replace('_', ' ')} at 0.05 of the nodes" in detail


def test_a3_does_not_look_at_half_of_the_nodes(measures: dict[str, xr.Dataset]) -> None:
    for name in (*REGRESSION, MNIST):
        for quantity in ("pruned_train_risk", "pruned_test_accuracy"):
            if quantity in measures[name]:
                measures[name][quantity].loc[{"kept": [0.8, 0.6]}] = 3.0
    assert verdict("A3", measures)[:2] == ("reproduced", 1.0)
    measures[ENERGY] = measures[ENERGY].sel(kept=[1.0, 0.8, 0.6])
    found, _, detail = verdict("A3", measures)
    assert found == "not run" and "below 0.5 on energy" in detail


def test_a3_counts_from_the_end_of_training(measures: dict[str, xr.Dataset]) -> None:
    """Where the probe has not all nodes."""
    part = {name: runs for name, runs in measures.items() if "kept" in runs.dims}
    part = {name: runs.sel(kept=slice(0.8, None)) for name, runs in part.items()}
    assert verdict("A3", part)[0] == verdict("A3-cifar10", part)[0] == "reproduced"
    risk = part[CONCRETE]["train_risk"]
    risk.loc[{"node_scaling": KERNEL, "step": 100_000}] = 1e3
    found, value, _ = verdict("A3", part)
    assert found == "not reproduced" and value < 1


# A4


@pytest.mark.parametrize("name", [*REGRESSION, MNIST])
@pytest.mark.parametrize(("ratio", "expected"), [(1.01, "reproduced"), (0.99, "not reproduced")])
def test_a4_looks_at_every_data_set(
    measures: dict[str, xr.Dataset], name: str, ratio: float, expected: str
) -> None:
    risk = measures[name]["transfer_test_risk"]
    place = {"n_transfer_features": 5}
    risk.loc[{"node_scaling": WEAK, **place}] = (
        risk.sel(node_scaling=KERNEL, **place).values / ratio
    )
    # More features have no say.
    risk.loc[{"n_transfer_features": 10}] = 1.0
    found, value, detail = verdict("A4", measures)
    assert found == expected and value == pytest.approx(ratio)
    assert "(0.5, 0.7) to (1, -)" in detail and "concrete 5" in detail


# A6


@pytest.mark.parametrize("setting", [KERNEL, STRONG])
@pytest.mark.parametrize(("ratio", "expected"), [(1.01, "reproduced"), (0.99, "not reproduced")])
def test_a6_finds_a_single_eigenvalue(
    measures: dict[str, xr.Dataset], setting: str, ratio: float, expected: str
) -> None:
    runs = measures[SIMULATED]
    bound = float(runs["eigenvalue_bound"].sel(node_scaling=setting))
    runs["ntg_min_eigenvalue"].loc[{"node_scaling": setting, "seed": 3, "step": 25_000}] = (
        ratio * bound
    )
    found, value, _ = verdict("A6", measures)
    assert found == expected and value == pytest.approx(ratio)


@pytest.mark.parametrize("setting", [KERNEL, STRONG])
@pytest.mark.parametrize(("ratio", "expected"), [(1.01, "reproduced"), (0.99, "not reproduced")])
def test_a6_finds_a_single_loss(
    measures: dict[str, xr.Dataset], setting: str, ratio: float, expected: str
) -> None:
    runs = measures[SIMULATED]
    place = {"node_scaling": setting, "seed": 1, "step": 25_000}
    first = float(runs["train_risk"].sel(place | {"step": 0}))
    bound = float(runs["risk_bound"].sel(place))
    runs["train_risk"].loc[place] = first * (bound / first) ** ratio
    found, value, _ = verdict("A6", measures)
    assert found == expected and value == pytest.approx(ratio)
    assert (runs["train_risk"].sel(place) <= bound) == (expected == "reproduced")


def test_a6_leaves_out_gamma_0_and_rounding(measures: dict[str, xr.Dataset]) -> None:
    runs = measures[SIMULATED]
    runs["ntg_min_eigenvalue"].loc[{"node_scaling": NO_KERNEL}] = -1.0
    runs["train_risk"].loc[{"node_scaling": KERNEL, "step": 50_000}] = 1e-30
    runs["risk_bound"].loc[{"node_scaling": KERNEL, "step": 50_000}] = 1e-40
    assert verdict("A6", measures)[0] == "reproduced"
    found, _, detail = verdict("A6", {SIMULATED: runs.sel(node_scaling=[NO_KERNEL])})
    assert found == "not run" and "needs gamma > 0" in detail
