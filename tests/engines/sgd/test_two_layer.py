"""Minibatch descent of two-layer networks of any parameterisation, against torch.optim.SGD."""

from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from class_points import class_points
from torch.nn import functional

from regimes.engines.common.runner import job_of, train
from regimes.engines.registry import settings_classes
from regimes.engines.sgd import network
from regimes.engines.sgd.engine import Runs
from regimes.errors import DataError
from regimes.storage.store import check_described

WIDTH, EPOCHS, BATCH = 12, 3, 7
AXES = {"width": [WIDTH], "seed": [0]}
LOSSES = {
    "half_mean": lambda f, y: (f - y).square().sum(1).mean() / 2,
    "mean_square": lambda f, y: (f - y).square().mean(),
    "cross_entropy": lambda f, y: functional.cross_entropy(f, y.argmax(1)),
}


def block_of(**changes: Any) -> dict[str, Any]:
    settings = {
        "engine": "sgd",
        "dataset": "points",
        "learning_rate": 0.05,
        "batch_size": BATCH,
        "epochs": EPOCHS,
        "axes": {"gamma_prime": [0.5], "gamma": [0.8], "width": [WIDTH], "seed": [0]},
    } | changes
    of_experiment = {"paper": "none", "measure": "none", "split_by": ()}
    model = settings_classes()["sgd"].model_validate(settings | of_experiment)
    model.check()
    plain = model.model_dump(mode="json", exclude_none=True, exclude=set(of_experiment))
    axes = {name: list(values) for name, values in model.all_grids()[0].items()}
    return {"experiment": "lab", "root_seed": 3, **plain, "axes": axes}


def points(n_outputs: int) -> xr.Dataset:
    data = class_points(n_train=24, n_test=9, n_features=3, n_classes=3)
    if n_outputs > 1:
        return data
    real = np.sin(data["inputs"].values).sum(1)
    return data.drop_vars("targets").assign(targets=("point", real))


def start_of(runs: Runs, setting: dict[str, Any]) -> Any:
    return runs.networks.start([setting])


@pytest.mark.parametrize(
    ("loss", "changes", "scale", "rates"),
    [
        # f = kappa sum a act(w x); a moves at 1/kappa', w at kappa'.
        ("half_mean", {}, WIDTH**-0.8, (WIDTH**-0.5, WIDTH**0.5)),
        ("mean_square", {"layers": "first", "activation": "tanh"}, WIDTH**-0.8, (WIDTH**-0.5, 0)),
        ("cross_entropy", {"activation": "gelu"}, WIDTH**-0.8, (WIDTH**-0.5, WIDTH**0.5)),
        (
            "half_mean",
            {
                "parameterisation": "ntk",
                "axes": {"width": [WIDTH], "seed": [0]},
                "layers": "second",
            },
            WIDTH**-0.5,
            (0, 1),
        ),
    ],
)
def test_steps_are_those_of_autograd(
    loss: str, changes: dict[str, Any], scale: float, rates: tuple[float, float]
) -> None:
    data, block = points(3), block_of(loss=loss, **changes)
    runs = Runs(job_of(block, Runs), data, "cpu")
    (setting,) = runs.job.grid()
    start = start_of(runs, setting).parameters
    # The network as it is written, with its scale outside of the weights.
    w, a = start.hidden[0].clone(), start.output[0] / scale
    a0, w0 = a.clone(), w.clone()
    w.requires_grad_()
    a.requires_grad_()
    act = {"relu": torch.relu, "tanh": torch.tanh, "gelu": functional.gelu}[block["activation"]]
    rate = block["learning_rate"]
    optimiser = torch.optim.SGD(
        [{"params": [w], "lr": rate * rates[0]}, {"params": [a], "lr": rate * rates[1]}]
    )
    is_train = data["split"].values == 0
    x, y = (torch.tensor(data[name].values[is_train]) for name in ("inputs", "targets"))

    def outputs(inputs: torch.Tensor) -> torch.Tensor:
        return scale * act(inputs @ w.T) @ a.T

    for epoch in range(EPOCHS):
        order = runs._orders([setting], epoch)[0]
        for first in range(0, len(order), BATCH):
            chosen = order[first : first + BATCH]
            optimiser.zero_grad()
            LOSSES[loss](outputs(x[chosen]), y[chosen]).backward()
            optimiser.step()
    run = train(block, data, "cpu").squeeze()
    with torch.no_grad():
        assert float(run["final_loss"]) == pytest.approx(
            float(LOSSES[loss](outputs(x), y)), rel=1e-9
        )
        tested = (torch.tensor(data[name].values[~is_train]) for name in ("inputs", "targets"))
        inputs, targets = tested
        predicted = outputs(inputs)
        assert float(run["final_test_loss"]) == pytest.approx(
            float(LOSSES[loss](predicted, targets)), rel=1e-9
        )
        right = (predicted.argmax(1) == targets.argmax(1)).double().mean()
        assert run["final_test_accuracy"] == float(right)
        for name, now, before, moves in (("w", w, w0, rates[0]), ("a", a, a0, rates[1])):
            if moves:
                distance = float((now - before).norm() / before.norm())
                assert float(run[f"final_relative_distance_{name}"]) == pytest.approx(
                    distance, rel=1e-9
                )
            else:
                assert f"final_relative_distance_{name}" not in run


def test_one_output_has_no_accuracy() -> None:
    run = train(block_of(record={"every": 2, "kernel": "ends"}), points(1), "cpu").squeeze()
    check_described(run)
    assert not [name for name in run.data_vars if "accuracy" in str(name)]
    assert run["epoch"].values.tolist() == [0, 2, 3]
    assert run["train_loss"].dims == ("step",) and run["test_loss"].notnull().all()
    assert {"final_kernel_change", "final_kernel_alignment", "initial_kernel_alignment"} <= set(
        run.data_vars
    )
    assert "kernel_change" not in run
    assert (
        run["initial_loss"] == run["train_loss"][0] and run["final_loss"] == run["train_loss"][-1]
    )


def test_all_points_at_the_stability_limit_are_gradient_descent() -> None:
    axes = {"gamma_prime": [0.0], "gamma": [0.5], "width": [40], "seed": [0]}
    axes["learning_rate"] = [0.9, 1.3]
    block = block_of(
        axes=axes, learning_rate=None, rate_unit="stability_limit", batch_size=24, layers="second"
    )
    block["epochs"] = 60
    run = train(block, points(1), "cpu").squeeze()
    # The second layer alone is a linear problem, whose loss falls below the limit and not above.
    assert run["step_size"].sel(learning_rate=1.3) / run["step_size"].sel(
        learning_rate=0.9
    ) == pytest.approx(1.3 / 0.9)
    assert (run["train_loss"].sel(learning_rate=0.9).diff("step") < 0).all()
    late = run["train_loss"].sel(learning_rate=1.3).values
    assert late[-1] > 1e3 * late[0]


def test_a_run_does_not_depend_on_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    axes = {"gamma_prime": [-0.5, 0.5], "gamma": [0.6, 1.2], "width": [WIDTH], "seed": [0, 1]}
    block = block_of(axes=axes)
    together = train(block, points(1), "cpu")
    for name, values in together.data_vars.items():
        assert values.notnull().all(), name
    one = train(block | {"axes": axes | {"gamma": [1.2], "seed": [1]}}, points(1), "cpu")
    xr.testing.assert_identical(together.sel(gamma=[1.2], seed=[1]).drop_attrs(), one.drop_attrs())
    # The way of other devices than the CPU: all networks at once, each with its own rates.
    monkeypatch.setattr(network, "one_by_one", lambda device: False)
    at_once = train(block, points(1), "cpu")
    for name, values in together.data_vars.items():
        np.testing.assert_allclose(at_once[name], values, rtol=1e-9, err_msg=str(name))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rate": None}, "give learning_rate or axes.learning_rate, one of them"),
        (
            {"loss": "cross_entropy", "rate_unit": "stability_limit"},
            "rate_unit: stability_limit is of squared losses, not cross_entropy",
        ),
        ({"axes": {"width": [4], "seed": [0]}}, "axes.gamma is missing: parameterisation is"),
        ({"epochs": 10**6}, "record.every: 1 would record 1000000 epochs more than 100000 times"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        block_of(**changes)


def test_data_without_classes_or_with_draws_are_refused() -> None:
    with pytest.raises(DataError, match="are no classes"):
        train(block_of(loss="cross_entropy"), points(1), "cpu")
    with pytest.raises(DataError, match="the data set points has draws, not one set of points"):
        train(block_of(), points(1).expand_dims("draw"), "cpu")
