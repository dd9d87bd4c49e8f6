"""Networks with scaled nodes: against autograd, multisteps against steps, records, restarts."""

import numpy as np
import pytest
import torch
from node_scaled_blocks import NODE_SCALINGS, block, by_autograd, initial, made_up_data

from regimes.datasets import sines_on_sphere
from regimes.engines.common.runner import train
from regimes.errors import DataError
from regimes.storage.store import check_described


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("n_features", [4, 30])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"activation": "tanh", "initial_variance": 2.0, "skip_first": True},
        {"loss": "half_sum", "learning_rate": 0.05},
    ],
)
def test_steps_are_those_of_autograd(n_outputs: int, n_features: int, changes: dict) -> None:
    # More features than points too: then the inputs' span is what is trained in.
    settings, data = block(**changes), made_up_data(n_features, n_outputs)
    runs = train(settings, data, "cpu")
    for setting in NODE_SCALINGS:
        expected = by_autograd(settings, data, setting, width=20, seed=1)
        run = runs.sel(node_scaling=setting, seed=1, width=20)
        np.testing.assert_allclose(run["train_loss"], expected["risk"][run["step"]], rtol=1e-9)
        np.testing.assert_allclose(run["final_weights"], expected["weights"], atol=1e-10)
        np.testing.assert_allclose(run["final_weight_change"], expected["way"], atol=1e-10)


def test_ntg_is_that_of_the_jacobian() -> None:
    settings, data = block(max_steps=40), made_up_data(n_outputs=2)
    runs = train(settings, data, "cpu")
    inputs = torch.tensor(data["inputs"].values[data["split"].values == 0])
    for setting in NODE_SCALINGS:
        run = runs.sel(node_scaling=setting, seed=0, width=20)
        weights, signs, scales = initial(settings, setting, 20, 0, inputs.shape[1], 2)
        kernels = []
        for at in (weights, run["final_weights"].values):

            def first_output(weights: torch.Tensor, signs=signs, scales=scales) -> torch.Tensor:
                values = torch.relu(weights @ inputs.T / inputs.shape[1] ** 0.5)
                return torch.tensor(np.sqrt(scales) * signs[0]) @ values

            jacobian = torch.autograd.functional.jacobian(first_output, torch.tensor(at))
            flat = jacobian.reshape(len(inputs), -1)
            kernels.append((flat @ flat.T).numpy())
        start, end = kernels
        assert float(run["initial_ntg_norm"]) == pytest.approx(np.linalg.norm(start, 2))
        change = run["ntg_change"].values
        assert change[0] == 0
        assert change[-1] == pytest.approx(np.linalg.norm(end - start, 2), rel=1e-8)
        smallest = run["ntg_smallest_eigenvalue"].values
        assert smallest[0] == pytest.approx(np.linalg.eigvalsh(start)[0], abs=1e-12)
        assert smallest[-1] == pytest.approx(np.linalg.eigvalsh(end)[0], abs=1e-12)


def test_ntg_of_the_first_points_alone() -> None:
    record = block()["record"] | {"ntg_points": 5}
    few = train(block(record=record), made_up_data(), "cpu")
    short = made_up_data().isel(point=slice(5))
    norm = train(block(max_steps=1), short, "cpu")["initial_ntg_norm"]
    np.testing.assert_allclose(few["initial_ntg_norm"], norm)
    without = train(block(record=record | {"ntg": False}), made_up_data(), "cpu")
    assert not any("ntg" in str(name) for name in without)


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["gamma_1", "gamma_05", "gamma_0"])
def test_multisteps_agree_with_steps_on_the_paper_s_problem(setting: str) -> None:
    data = sines_on_sphere.build(
        {"n_train": 100, "n_test": 20, "n_features": 50, "noise": 1.0, "seed": 0}
    )
    scalings = {
        "gamma_1": {"gamma": 1.0},
        "gamma_05": {"gamma": 0.5, "alpha": 0.5},
        "gamma_0": {"gamma": 0.0, "alpha": 0.4},
    }
    settings = block(
        node_scalings={setting: scalings[setting]},
        max_steps=4000,
        axes={"node_scaling": [setting], "width": [200], "seed": [0]},
    )
    plain = train(settings, data, "cpu").squeeze()
    multisteps = train(
        settings | {"multistep": {"enabled": True, "tolerance": 0.01}}, data, "cpu"
    ).squeeze()
    assert int(plain["multisteps"]) == 0 and int(plain["plain_steps"]) == 4000
    assert int(multisteps["plain_steps"]) < 2000
    decades = np.log10(multisteps["train_loss"] / plain["train_loss"])
    assert float(abs(decades).max()) < 0.05
    ways = multisteps["final_weight_change"] / plain["final_weight_change"]
    moved = plain["final_weight_change"] > 0.01 * plain["final_weight_change"].max()
    assert float(abs(np.log(ways.where(moved))).max()) < 0.01
    # A single activation that changes earlier or later is seen in it, at this width and gamma = 1.
    change = abs(multisteps["ntg_change"] - plain["ntg_change"])
    assert float(change.mean()) < 0.05 * float(plain["ntg_change"].max())


@pytest.mark.slow
def test_multisteps_record_the_kernel_of_steps() -> None:
    """Although many pre-activations of ReLU are driven to and fro over the kink late in the run.

    With the mean of the slopes at both ends of a multistep, the change of the kernel would be 9 %
    high and its smallest eigenvalue 2 % low on average.
    """
    data = sines_on_sphere.build(
        {"n_train": 60, "n_test": 20, "n_features": 30, "noise": 1.0, "seed": 0}
    )
    settings = block(
        node_scalings={"gamma_1": {"gamma": 1.0}},
        max_steps=6000,
        record=block()["record"] | {"every": 150},
        axes={"node_scaling": ["gamma_1"], "width": [600], "seed": [0]},
    )
    plain = train(settings, data, "cpu").squeeze()
    multisteps = train(
        settings | {"multistep": {"enabled": True, "tolerance": 0.01}}, data, "cpu"
    ).squeeze()
    # Single values fluctuate from step to step; 31 of them hardly do on average.
    late = (plain["step"] > 1500).values
    for name, bias, spread in (
        ("ntg_change", 0.03, 0.06),
        ("ntg_smallest_eigenvalue", 0.008, 0.02),
    ):
        ratio = (multisteps[name] / plain[name]).values[late]
        assert abs(ratio.mean() - 1) < bias, name
        assert ratio.std() < spread, name
    lengths = multisteps["multistep_length"].values
    assert lengths[0] == 1 and "multistep_length" not in plain
    assert (lengths[1:] <= np.diff(plain["step"])).all()
    assert int(multisteps["plain_steps"]) < 200 and int(multisteps["multisteps"]) < 300


def test_what_is_recorded() -> None:
    data = made_up_data(n_outputs=3)
    runs = train(block(), data, "cpu")
    check_described(runs)
    assert runs["step"].values.tolist() == [0, 1, 2, 3, 6, 10, 18, 20, 32, 40, 56, 60]
    assert runs["train_loss"].dims == ("node_scaling", "width", "seed", "step")
    assert runs["weight_change"].dims == ("node_scaling", "width", "seed", "step", "moved")
    assert runs["final_weights"].dims == ("node_scaling", "width", "seed", "node", "feature")
    assert runs["output_weights"].dims == ("node_scaling", "width", "seed", "output", "node")
    assert runs["node_scale"].dims == ("node_scaling", "width", "node")
    np.testing.assert_allclose(runs["node_scale"].sum("node"), 1)
    # Those that moved most, in this order, and their way along the run.
    chosen = runs["final_weight_change"].isel(node=runs["moved_node"])
    assert (chosen.diff("moved") <= 0).all()
    np.testing.assert_array_equal(chosen, runs["weight_change"].isel(step=-1))
    assert np.all(chosen.isel(moved=0) == runs["final_weight_change"].max("node"))
    # Against the whole network as the paper writes it.
    points = data.isel(point=data["split"].values == 1)
    values = np.maximum(runs["final_weights"] @ points["inputs"] / 4**0.5, 0)
    outputs = (np.sqrt(runs["node_scale"]) * runs["output_weights"] * values).sum("node")
    risk = np.square(outputs - points["targets"]).mean(["output", "point"])
    np.testing.assert_allclose(runs["test_loss"].isel(step=-1), risk, rtol=1e-10)
    right = (outputs.argmax("output") == points["targets"].argmax("output")).mean("point")
    np.testing.assert_allclose(runs["test_accuracy"].isel(step=-1), right)
    # t of the flow of 1/2 sum e^2: 2 eta / (n k) a step.
    np.testing.assert_allclose(runs["flow_time_per_step"], 2 / (12 * 3))


def test_settings_start_from_the_same_weights_and_do_not_depend_on_their_block() -> None:
    data = made_up_data()
    together = train(block(max_steps=1), data, "cpu")
    assert np.ptp(together["output_weights"].values, axis=0).max() == 0
    for setting in NODE_SCALINGS:
        axes = {"node_scaling": [setting], "width": [20], "seed": [1]}
        scalings = {setting: NODE_SCALINGS[setting]}
        alone = train(block(max_steps=1, axes=axes, node_scalings=scalings), data, "cpu")
        assert alone.drop_attrs().identical(
            together.sel(node_scaling=[setting], seed=[1]).drop_attrs()
        )


def test_first_training_points_alone() -> None:
    data = made_up_data()
    few = train(block(n_train=5), data, "cpu")
    chosen = np.flatnonzero(data["split"].values == 0)[:5]
    others = np.flatnonzero(data["split"].values)
    same = train(block(), data.isel(point=np.concatenate([chosen, others])), "cpu")
    assert few.drop_attrs().identical(same.drop_attrs())
    with pytest.raises(
        DataError, match="n_train = 13 but the data set made_up has only 12 training points"
    ):
        train(block(n_train=13), data, "cpu")


def test_divergence_is_data() -> None:
    settings = block(learning_rate=1e6, activation="relu", max_steps=400)
    runs = train(settings, made_up_data(), "cpu")
    assert (runs["diverged"] == 1).all()
    assert np.isfinite(runs["train_loss"].isel(step=0)).all()
    assert np.isnan(runs["train_loss"].isel(step=-1)).all()
    assert np.isnan(runs["final_weights"]).all()
    assert np.isnan(runs["final_weight_change"]).all()


def test_a_loss_that_is_infinite_at_the_start_is_data() -> None:
    data = made_up_data()
    runs = train(block(max_steps=10), data.assign(targets=1e200 * data["targets"]), "cpu")
    assert (runs["diverged"] == 1).all()
    for name in ("train_loss", "weight_change", "final_weight_change"):
        assert np.isnan(runs[name]).all(), name
    assert not np.isnan(runs["node_scale"]).any()


def test_no_training_points() -> None:
    data = made_up_data()
    with pytest.raises(DataError, match="has no training points"):
        train(block(), data.isel(point=data["split"].values > 0), "cpu")
