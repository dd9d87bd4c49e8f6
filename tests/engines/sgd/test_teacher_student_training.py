"""Students of Song et al. (2021): initialisation, losses, independence of the block, restarts."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from class_points import class_points
from torch import nn

from regimes.engines.common.runner import train
from regimes.engines.common.streams import stream
from regimes.engines.sgd import runs as minibatch_problem
from regimes.storage import store
from regimes.storage.grids import combine_blocks

LOSSES = ["mean_square", "log_likelihood"]
OMEGAS = [0.2, 0.4, 0.6]
WIDTH, N_TRAIN, N_TEST, N_FEATURES, N_CLASSES, BATCH_SIZE, EPOCHS = 30, 50, 20, 7, 4, 16, 4
AXES = {"loss": LOSSES, "omega_2": OMEGAS, "width": [WIDTH], "seed": [0, 1]}
STEPS_IN_EPOCH = 4
KEY = (1, "students", "classes", WIDTH)


def block_of(axes: dict[str, list] | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "experiment": "students",
        "root_seed": 1,
        "engine": "sgd.teacher_student",
        "dataset": "classes",
        "activation": "gelu",
        "learning_rate": 0.1,
        "batch_size": BATCH_SIZE,
        "epochs": EPOCHS,
        "record": {"every": 3},
        "precision": "float32",
        "axes": AXES | (axes or {}),
    } | changes


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    return class_points(N_TRAIN, N_TEST, 0, N_FEATURES, N_CLASSES)


@pytest.fixture(scope="module")
def trained(data: xr.Dataset) -> xr.Dataset:
    return train(block_of(), data, "cpu")


def plain(runs: xr.Dataset) -> xr.Dataset:
    return runs.drop_attrs()


def student(omega_2: float, seed: int, product: float) -> nn.Sequential:
    """A student at its start as one writes it with torch.nn, in double precision."""
    layers = [nn.Linear(N_FEATURES, WIDTH), nn.Linear(WIDTH, N_CLASSES)]
    weights = stream(*KEY, seed, "weights").standard_normal((WIDTH, N_FEATURES))
    output = stream(*KEY, seed, "output weights").standard_normal((N_CLASSES, WIDTH))
    bound = N_FEATURES**-0.5
    biases = stream(*KEY, seed, "biases").uniform(-bound, bound, WIDTH)
    bound = WIDTH**-0.5
    output_biases = stream(*KEY, seed, "output biases").uniform(-bound, bound, N_CLASSES)
    values = (weights * product / omega_2, biases, output * omega_2, output_biases)
    model = nn.Sequential(layers[0], nn.GELU(), layers[1]).double()
    for parameter, start in zip(model.parameters(), values, strict=True):
        parameter.data.copy_(torch.tensor(start))
    return model


def test_what_is_in_the_file(trained: xr.Dataset, tmp_path: Path) -> None:
    store.check_described(trained)
    histories = [f"{part}_{name}" for part in ("train", "test") for name in RECORDED]
    single = ["final_relative_distance_w", "final_relative_distance_a", "step_size", "diverged"]
    assert {name: trained[name].dims for name in trained.data_vars} == {
        **dict.fromkeys(histories, (*AXES, "step")),
        **{name: tuple(AXES) for name in single},
        "omega_1": ("omega_2", "width"),
    }
    assert trained["loss"].values.tolist() == LOSSES
    assert trained["step"].values.tolist() == [STEPS_IN_EPOCH * epoch for epoch in (0, 3, 4)]
    assert trained["epoch"].values.tolist() == [0, 3, 4]
    for name in trained.data_vars:
        assert np.isfinite(trained[name]).all(), name
    he = (2 / N_FEATURES) ** 0.5 * (2 / WIDTH) ** 0.5
    np.testing.assert_allclose(trained["omega_1"][:, 0] * OMEGAS, he)
    risk = trained["train_loss"]
    assert (risk[..., -1] < risk[..., 0]).all()
    path = tmp_path / "runs.nc"
    store.write(trained, path, title="t", source="s", references="r", config={})
    xr.testing.assert_equal(store.read(path), trained)


RECORDED = ("loss", "accuracy")


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("product", [None, 0.05])
def test_students_are_those_of_torch(data: xr.Dataset, loss: str, product: float | None) -> None:
    """Initialisation, losses and steps, with torch.optim.SGD on the same orders."""
    changes = {} if product is None else {"product": product}
    axes = {"loss": [loss], "omega_2": OMEGAS[1:], "seed": [1]}
    runs = train(block_of(axes, precision="float64", **changes), data, "cpu")
    split = data["split"].values
    inputs, targets = torch.tensor(data["inputs"].values), torch.tensor(data["targets"].values)
    measure = nn.MSELoss() if loss == "mean_square" else nn.CrossEntropyLoss()
    for omega_2 in OMEGAS[1:]:
        run = runs.sel(loss=loss, omega_2=omega_2, width=WIDTH, seed=1)
        omega_1_omega_2 = float(run["omega_1"]) * omega_2
        if product is not None:
            assert omega_1_omega_2 == pytest.approx(product)
        model = student(omega_2, 1, omega_1_omega_2)
        start = [parameter.detach().clone() for parameter in model.parameters()]
        optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
        found = []
        for epoch in range(EPOCHS + 1):
            with torch.no_grad():
                found.append(
                    [float(measure(model(inputs[split == c]), targets[split == c])) for c in (0, 1)]
                )
            order = stream(*KEY, 1, "shuffle", epoch).permutation(N_TRAIN)
            for chosen in torch.tensor(order).split(BATCH_SIZE) if epoch < EPOCHS else ():
                optimiser.zero_grad()
                measure(model(inputs[:N_TRAIN][chosen]), targets[:N_TRAIN][chosen]).backward()
                optimiser.step()
        risks = np.array(found)[[0, 3, 4]]
        for part, column in (("train", 0), ("test", 1)):
            np.testing.assert_allclose(run[f"{part}_loss"], risks[:, column], rtol=1e-9)
            right = model(inputs).argmax(1) == targets.argmax(1)
            accuracy = right[torch.tensor(split == column)].double().mean()
            assert float(run[f"{part}_accuracy"][-1]) == pytest.approx(float(accuracy))
        end = [parameter.detach() for parameter in model.parameters()]
        for name, place in (("final_relative_distance_w", 0), ("final_relative_distance_a", 2)):
            way = float((end[place] - start[place]).norm() / start[place].norm())
            assert float(run[name]) == pytest.approx(way, rel=1e-9)


def test_students_of_a_seed_share_draws(data: xr.Dataset) -> None:
    # Twice the product is the same first layer at twice omega_2, and so are the orders.
    small = train(block_of({"omega_2": [0.2], "seed": [0]}, product=0.01), data, "cpu")
    large = train(block_of({"omega_2": [0.4], "seed": [0]}, product=0.02), data, "cpu")
    np.testing.assert_allclose(small["omega_1"], large["omega_1"])
    with_bias = [student(omega_2, 0, 0.05 * omega_2) for omega_2 in (0.2, 0.4)]
    hidden = [model[0].weight.detach() for model in with_bias]
    torch.testing.assert_close(*hidden)
    assert not np.allclose(small["train_loss"], large["train_loss"])


def test_students_alone_have_the_same_bits(
    data: xr.Dataset, trained: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = [
        train(block_of({"loss": [loss], "seed": [seed]}), data, "cpu")
        for loss in LOSSES
        for seed in AXES["seed"]
    ]
    together = combine_blocks(blocks).sel(loss=LOSSES)
    # The blocks have an axis for what no run changes.
    xr.testing.assert_identical(
        plain(together.drop_vars("omega_1")), plain(trained.drop_vars("omega_1"))
    )
    alone = train(
        block_of({"loss": ["log_likelihood"], "omega_2": [0.2], "seed": [1]}), data, "cpu"
    )
    xr.testing.assert_identical(
        plain(alone.squeeze()),
        plain(trained.sel(loss="log_likelihood", omega_2=0.2, seed=1).squeeze()),
    )
    monkeypatch.setattr(minibatch_problem, "BATCH_BYTES", 1)
    xr.testing.assert_identical(plain(train(block_of(), data, "cpu")), plain(trained))


def test_a_student_that_diverges_is_data(data: xr.Dataset) -> None:
    axes = {"loss": ["mean_square"], "omega_2": [1e-4, 0.6], "seed": [0]}
    runs = train(block_of(axes), data, "cpu").squeeze()
    assert runs["diverged"].values.tolist() == [1, 0]
    lost, other = runs.isel(omega_2=0), runs.isel(omega_2=1)
    for name in ("train_loss", "test_accuracy"):
        assert np.isfinite(lost[name][0]) and np.isnan(lost[name][1:]).all(), name
        assert np.isfinite(other[name]).all()
    assert np.isnan(lost["final_relative_distance_w"]) and np.isnan(
        lost["final_relative_distance_a"]
    )
    alone = train(block_of(axes | {"omega_2": [0.6]}), data, "cpu").squeeze()
    xr.testing.assert_identical(plain(alone), plain(other))
