"""The configuration: what is accepted, what is refused and how."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from regimes.config import schema
from regimes.config.layers import FILE, PAPERS, SCALES, merge
from regimes.config.load import load, validate
from regimes.errors import ConfigError
from regimes.plan.checks import check_modules

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "config.yaml"


@pytest.fixture
def raw() -> dict:
    return yaml.safe_load(CONFIG.read_text())


# Axes of an experiment that trains both layers
BOTH = {"axes": {"rate_ratio": [1.0]}}


def phase_diagram(**changes: object) -> dict:
    return {"experiments": {"phase_diagram": changes}}


def dataset(**settings: object) -> dict:
    return {"datasets": {"new": settings}}


def features(pictures: dict, **settings: object) -> dict:
    """Features of CIFAR-10 images, with the data set of the images."""
    new = {"kind": "image_features", **settings}
    return {"datasets": {"pictures": {"kind": "cifar10", **pictures}, "new": new}}


def descent(**changes: object) -> dict:
    """An experiment trained by gradient descent, with its data set."""
    experiment = {
        "engine": "gradient_descent",
        "paper": "luo2021",
        "dataset": "sphere",
        "parameterisation": "unscaled",
        "layers": "first",
        "learning_rate": 0.001,
        "stopping": {"max_steps": 100},
        "axes": {"width": [10], "n_train": [5, 6], "seed": [0]},
        "measure": "luo2021.growth",
    }
    sphere = {"kind": "unit_sphere", "draws": 2, "n_points": 10, "n_features": 3}
    return {
        "datasets": {"sphere": sphere},
        "experiments": {"descent": merge(experiment, {}, changes)},
    }


@pytest.mark.parametrize("scale", SCALES)
def test_every_scale_is_valid(scale: str) -> None:
    assert load(CONFIG, {"scale": scale}).scale == scale


def block_keys(node: yaml.Node) -> Iterator[yaml.ScalarNode]:
    """Keys of all mappings that are written line by line."""
    if isinstance(node, yaml.MappingNode) and not node.flow_style:
        for key, value in node.value:
            yield key
            yield from block_keys(value)


def commented(path: Path) -> dict[str, bool]:
    """Keys of a file, and whether a comment stands above one of them."""
    text = path.read_text()
    lines, found = text.splitlines(), {}
    for key in block_keys(yaml.compose(text)):
        line = key.start_mark.line
        has_comment = line > 0 and lines[line - 1].strip().startswith("#")
        found[key.value] = found.get(key.value, False) or has_comment
    return found


def test_every_key_of_the_config_has_a_comment() -> None:
    keys = commented(CONFIG)
    assert len(keys) >= 10 and all(keys.values()), keys


def test_every_setting_of_a_paper_has_a_comment_in_some_file() -> None:
    keys: dict[str, bool] = {}
    for path in PAPERS.glob(f"*/{FILE}"):
        for key, has_comment in commented(path).items():
            keys[key] = keys.get(key, False) or has_comment
    names = {
        name for key in ("datasets", "experiments", "figures") for name in dict(load(CONFIG))[key]
    }
    # Names, and keys of a mapping whose own key is explained.
    names |= {"datasets", "experiments", "figures", *SCALES, "pruning", "paper"}
    names |= set(load(CONFIG).experiments["caron2023_cifar10_gamma"].node_scalings)
    missing = [key for key, has_comment in keys.items() if not has_comment and key not in names]
    assert not missing


def test_files_of_the_papers_are_short() -> None:
    assert len(CONFIG.read_text().splitlines()) < 150
    for path in PAPERS.glob(f"*/{FILE}"):
        assert len(path.read_text().splitlines()) <= 500, path


def test_axes_are_decimal_sorted_and_unique(raw: dict) -> None:
    axes = {"gamma": {"start": 0.1, "stop": 0.5, "step": 0.1}, "seed": [2, 0, 2]}
    config = validate(merge(raw, {}, phase_diagram(axes=axes)))
    axes = config.experiments["phase_diagram"].axes
    assert axes.gamma == (0.1, 0.2, 0.3, 0.4, 0.5)
    assert axes.seed == (0, 2)
    assert str(axes.gamma_prime[4]) == "0.0"


def test_default_grid_is_the_papers() -> None:
    axes = load(CONFIG).experiments["phase_diagram"].axes
    assert len(axes.gamma) == 19 and axes.gamma[0] == 0.4 and axes.gamma[-1] == 2.2
    assert axes.gamma_prime == (-1.0, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0)
    assert axes.width == (1000, 5000, 10000, 20000, 40000)
    assert len(axes.seed) >= 3


def test_precedence() -> None:
    def seeds(scale: str, **axes: list[int]) -> tuple[int, ...]:
        overrides = {"scale": scale, **(phase_diagram(axes=axes) if axes else {})}
        return load(CONFIG, overrides).experiments["phase_diagram"].axes.seed

    assert seeds("laptop") == (3, 4, 5, 6, 7)
    assert seeds("smoke") == (0, 1)
    assert seeds("smoke", seed=[4]) == (4,)


def test_merge_replaces_lists_and_joins_mappings() -> None:
    base = {"a": {"x": 1, "y": [1, 2]}, "b": [1]}
    merged = merge(base, {"a": {"y": [3]}}, {"b": {"start": 0}, "c": 1})
    assert merged == {"a": {"x": 1, "y": [3]}, "b": {"start": 0}, "c": 1}
    assert base == {"a": {"x": 1, "y": [1, 2]}, "b": [1]}


@pytest.mark.parametrize("text", ["1e-5", "1.0e-5"])
def test_numbers_that_yaml_reads_as_text_are_numbers(raw: dict, text: str) -> None:
    # YAML reads 1e-5 as text, 1.0e-5 as a number.
    solver = yaml.safe_load(f"relative_loss: {text}")
    config = validate(merge(raw, {}, phase_diagram(solver=solver)))
    assert config.experiments["phase_diagram"].solver.relative_loss == 1e-5


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (
            {"devise": "cpu"},
            ["unknown key devise", "did you mean 'device'?", "allowed here: scale"],
        ),
        (
            phase_diagram(solver={"tolerence": 0.1}),
            ["experiments.phase_diagram.solver.tolerence", "'tolerance'", "max_steps"],
        ),
        ({"device": "gpu"}, ["device = 'gpu'", "allowed: auto, cpu, cuda"]),
        ({"root_seed": True}, ["root_seed = True", "number"]),
        ({"root_seed": 1.5}, ["root_seed = 1.5", "integer"]),
        (phase_diagram(solver={"tolerance": "fast"}), ["solver.tolerance = 'fast'", "number"]),
        (phase_diagram(solver={"tolerance": -1}), ["solver.tolerance = -1", "greater than 0"]),
        (phase_diagram(solver={"tolerance": float("nan")}), ["solver.tolerance", "finite"]),
        (phase_diagram(solver=3), ["solver = 3", "mapping with the keys tolerance"]),
        (phase_diagram(axes={"gamma": ["a"]}), ["axes.gamma = ['a']", "'a' is not a number"]),
        (phase_diagram(axes={"gamma": []}), ["axes.gamma = []", "at least one value"]),
        (phase_diagram(axes={"gamma": 3}), ["axes.gamma = 3", "{start, stop, step}"]),
        (phase_diagram(axes={"gamma": {"stopp": 3}}), ["axes.gamma", "start, stop and step"]),
        (phase_diagram(axes={"gamma": {"step": 0.17}}), ["axes.gamma", "whole steps"]),
        (phase_diagram(axes={"gamma": {"step": 1e-9}}), ["axes.gamma", "at most"]),
        (phase_diagram(axes={"gamma": {"step": 0}}), ["axes.gamma", "step > 0"]),
        (phase_diagram(axes={"gamma": None}), ["axes.gamma", "missing"]),
        (phase_diagram(axes={"seed": [0.5]}), ["axes.seed = [0.5]", "whole number"]),
        (phase_diagram(axes={"seed": [2**53]}), ["axes.seed = [900", "must be below 2^53"]),
        (phase_diagram(axes={"seed": [10**17 + 1, 10**17 + 2]}), ["axes.seed", "below 2^53"]),
        (phase_diagram(axes={"seed": list(range(10_001))}), ["axes.seed", "at most 10000 values"]),
        (
            phase_diagram(axes={"seed": {"start": 0, "stop": 10_000, "step": 1}}),
            ["axes.seed", "at most 10000 values"],
        ),
        (phase_diagram(axes={"width": [10**300]}), ["axes.width", "not between"]),
        (phase_diagram(axes={"width": [10**400]}), ["axes.width.0: the number is too large"]),
        (
            phase_diagram(solver={"max_steps": 10**30}),
            ["solver.max_steps = 1000", "-2^63 and 2^63"],
        ),
        (phase_diagram(solver={"max_steps": "1" * 30}), ["solver.max_steps = '1", "2^63"]),
        ({"root_seed": 2**63}, ["root_seed = 9223372036854775808", "2^63"]),
        *(
            ({section: {"n" * 101: {}}}, [f"{section}.nnn", "at most 100 characters, not 101"])
            for section in ("papers", "activations", "datasets", "experiments", "figures")
        ),
        ({"figures": {"/".join(["part"] * 30): {}}}, ["at most 100 characters, not 149"]),
        ({"devise\nerror: \x1b[31mall is well": 1}, ["devise\\nerror: \\x1b[31mall is well"]),
        ({"experiments": {"a\nb": {}}}, ["experiments.a\\nb", "lower-case"]),
        (
            phase_diagram(axes={"depth": [1]}),
            ["axes.depth", "gamma_prime, gamma, node_scaling, solver_tolerance, width, seed"],
        ),
        (phase_diagram(split_by=["gama"]), ["split_by: 'gama' is no axis", "gamma_prime, gamma"]),
        (phase_diagram(split_by=["seed", "seed"]), ["split_by names an axis twice"]),
        (
            phase_diagram(dataset="nope"),
            ["experiments.phase_diagram.dataset = 'nope'", "four_point"],
        ),
        (phase_diagram(paper="nope"), ["experiments.phase_diagram.paper = 'nope'", "luo2021"]),
        (phase_diagram(exponents={"alpha": 1}), ["exponents", "alpha_beta"]),
        (phase_diagram(engine="magic"), ["engine = 'magic'", "gradient_flow"]),
        (
            {"figures": {"phase_diagram": {"measures": ["x"]}}},
            ["figures.phase_diagram.measures = 'x'", "allowed: phase_diagram"],
        ),
        ({"figures": {"a/../b": {}}}, ["figures.a/../b", "lower-case letters"]),
        ({"claims": {"other": {"measures": ["phase_diagram"]}}}, ["claims.other", "luo2021"]),
        ({"experiments": 3}, ["experiments = 3", "must be a mapping"]),
        (
            {"experiments": {"x": {}}},
            ["key experiments.x.engine is missing", "allowed: at_initialisation.first_update, "],
        ),
        (
            {"experiments": {"phase_digram": {"axes": {"seed": [1]}}}},
            [
                "phase_digram is a new experiment; did you mean 'phase_diagram'? If not: ",
                "engine is missing",
            ],
        ),
        ({"datasets": {"four_pont": {"bias": True}}}, ["new data set; did you mean 'four_point'?"]),
        (
            {"figures": {"phase_digram": {"caption": "a"}}},
            ["did you mean 'phase_diagram'?", "plot"],
        ),
        ({"papers": {"luo2012": {"order": 1}}}, ["new paper; did you mean 'luo2021'?", "title is"]),
        ({"experiments": {"x": 3}}, ["experiments.x = 3", "mapping with the key engine"]),
        (phase_diagram(engine="gradient_flaw"), ["did you mean 'gradient_flow'?"]),
        (phase_diagram(engine="gradient_descent"), ["unknown key experiments.phase_diagram."]),
        (
            phase_diagram(activation="swish"),
            ["experiments.phase_diagram.activation = 'swish'", "allowed: relu", "activations"],
        ),
        ({"activations": {"relu": "z"}}, ["activations.relu", "relu is built in"]),
        ({"activations": {"Swish": "z"}}, ["activations.Swish", "lower-case"]),
        ({"activations": {"bent": "abs(z)"}}, ["activations.bent", "'abs(z)'", "allowed: z,"]),
        (descent(activation="sine"), ["activation = 'sine'", "tanh, gelu, softplus"]),
        (
            descent(learning_rates=1),
            ["unknown key experiments.descent.learning_rates", "did you mean 'learning_rate'"],
        ),
        (descent(learning_rate=0), ["experiments.descent.learning_rate = 0", "greater than 0"]),
        (
            descent(learning_rate_exceptions=[{"rate": 1, "width_from": 2}]),
            ["learning_rate_exceptions.0.width_from", "allowed here: width, n_train_from, rate"],
        ),
        (
            descent(learning_rate_exceptions=[{"width": 2}]),
            ["learning_rate_exceptions.0.rate is missing", "in place of learning_rate"],
        ),
        (
            descent(stopping={"max_step": 3}),
            ["experiments.descent.stopping.max_step", "'max_steps'"],
        ),
        (descent(stopping={"max_steps": 0}), ["stopping.max_steps = 0", "greater than"]),
        (descent(record={"kernel": "yes"}), ["allowed: never, ends, steps"]),
        (descent(axes={"depth": [1]}), ["axes.depth", "width, n_train, rate_ratio, seed"]),
        (descent(axes={"n_train": [0]}), ["axes.n_train = [0]", "at least 1"]),
        (descent(axes={"rate_ratio": [-1]}), ["axes.rate_ratio = [-1]", "-1 is negative"]),
        (descent(axes={"seed": None}), ["axes.seed is missing"]),
        (
            descent(axes={"rate_ratio": [1]}),
            ["axes.rate_ratio is of both layers", "layers is first"],
        ),
        (
            descent(axes={"rate_ratio": [1]}, layers="second"),
            ["axes.rate_ratio is of both layers", "layers is second"],
        ),
        (
            descent(learning_rate=None),
            ["experiments.descent", "learning_rate or axes.learning_rate"],
        ),
        (
            descent(axes={"learning_rate": [0.1]}),
            ["experiments.descent", "learning_rate or axes.learning_rate"],
        ),
        (
            descent(
                learning_rate=None,
                learning_rate_exceptions=[{"rate": 1}],
                axes={"learning_rate": [0.1]},
            ),
            ["learning_rate_exceptions are of the key learning_rate, not the axis"],
        ),
        (descent(axes={"learning_rate": [0]}), ["axes.learning_rate", "0"]),
        (descent(loss="mean"), ["loss = 'mean'", "allowed: half_sum, half_mean, mean_square"]),
        (
            descent(rate_unit="inverse_kernel_norm"),
            ["rate_unit = 'inverse_kernel_norm'", "allowed: one, stability_limit"],
        ),
        (
            descent(parameterisation="standard"),
            ["parameterisation = 'standard'", "allowed: normalised, alpha_beta, abc"],
        ),
        (descent(parameterisation="normalised"), ["axes.gamma is missing", "is normalised"]),
        (descent(axes={"gamma": [1]}), ["axes.gamma is only for", "normalised or alpha_beta"]),
        (descent(parameterisation="abc", exponents={"alpha": 1}), ["exponents.alpha is only for"]),
        (descent(exponents={"a1": 1}), ["exponents.a1 is only for", "abc"]),
        (
            descent(parameterisation="abc", exponents={"a1": 11}),
            ["exponents.a1 = 11", "less than or equal to 10"],
        ),
        (descent(skip_first=True), ["skip_first is only for parameterisation node_scaled"]),
        (descent(axes={"node_scaling": ["zipf"]}), ["axes.node_scaling is only for"]),
        (descent(parameterisation="node_scaled", node_scalings={}), ["node_scalings is missing"]),
        (
            phase_diagram(record={"invariant": True}, layers="first"),
            ["record.invariant is of both"],
        ),
        (phase_diagram(record={"invariant": True}, activation="tanh"), ["is not conserved"]),
        (descent(parameterisation="node_scaled"), ["node_scalings is missing"]),
        (
            descent(node_scalings={"zipf": {"gamma": 0, "alpha": 0.5}}),
            ["only for parameterisation node_scaled"],
        ),
        (
            descent(record={"levels": [1, 0]}),
            ["record.levels", "allowed here: kernel, sharpness, invariant"],
        ),
        (phase_diagram(record={"levels": [1, 0.5]}), ["record.levels must begin with 1"]),
        (phase_diagram(record={"levels": [1, 0.5, 0.6, 0]}), ["record.levels must fall"]),
        (descent(grids=[{"width": [0]}]), ["grids.0.width = [0]", "at least 1"]),
        (descent(grids=[{"widht": [1]}]), ["grids.0.widht", "did you mean 'width'"]),
        # Keys of earlier versions
        (descent(block_axes=["width"]), ["descent.block_axes", "did you mean 'split_by'?"]),
        (descent(points_per_decade=4), ["did you mean 'record.points_per_decade'?"]),
        (
            descent(grids=[{"width": [10, 20]}, {"n_train": [6, 7]}]),
            ["experiments.descent: grids.1 and grids.0 share settings"],
        ),
        (
            descent(axes={"n_train": None}, grids=[{"n_train": [5]}, {"width": [20]}]),
            ["grids must have the same axes"],
        ),
        (descent(split_by=["gamma"]), ["split_by: 'gamma' is no axis", "width, n_train"]),
        (descent(split_by=["rate_ratio"]), ["split_by: 'rate_ratio' is no axis"]),
        (
            descent(layers="both", activation="tanh", record={"invariant": True}, **BOTH),
            ["not conserved", "tanh"],
        ),
        (descent(record={"invariant": True}), ["record.invariant is of both layers", "first"]),
        (
            descent(labels="local", target_scale="sqrt_width"),
            ["target_scale: sqrt_width is of the data's targets, which labels: local replaces"],
        ),
        (descent(axes={"seed": [0, 2]}), ["experiments.descent: seed 2", "sphere has draws: 2"]),
        (descent(axes={"n_train": [11]}), ["experiments.descent: n_train 11", "n_points: 10"]),
        (
            {**descent(), "experiments": {"phase_diagram": {"dataset": "sphere"}}},
            ["experiments.phase_diagram.dataset has draws", "engine: gradient_flow does not"],
        ),
        ({"datasets": {"x": {"kind": "unit_spere"}}}, ["datasets.x.kind", "'unit_sphere'"]),
        ({"datasets": {"x": {"kind": "unit_sphere"}}}, ["datasets.x.draws is missing"]),
        ({"experiments": {"Bad-name": {}}}, ["experiments.Bad-name", "lower-case letters"]),
        ({"datasets": {"four_point": {"targets": [1]}}}, ["4 inputs but 1 targets"]),
        (
            {"datasets": {"four_point": {"inputs": ["x", 2, 3, 4]}}},
            ["datasets.four_point.inputs.0 = 'x'", "number"],
        ),
        ({"data_mirror": ""}, ["data_mirror = ''", "at least 1 character"]),
        (
            {"datasets": {"new": {}}},
            ["key datasets.new.kind is missing", "points, file, function, uci, mnist"],
        ),
        ({"datasets": {"new": 3}}, ["datasets.new = 3", "must be a mapping with the key kind"]),
        (
            dataset(kind="mnits"),
            [
                "datasets.new.kind = 'mnits'",
                "did you mean 'mnist'?",
                "allowed: points, file, function, uci",
            ],
        ),
        (
            dataset(kind=["mnist"]),
            ["datasets.new.kind = ['mnist']", "allowed: points, file, function, uci"],
        ),
        (
            dataset(kind="uci", nam="concrete"),
            ["unknown key datasets.new.nam;", "did you mean 'name'?", "kind, name, target, shares"],
        ),
        (
            dataset(kind="mnist", n_train=5, inputs=[1]),
            ["unknown key datasets.new.inputs;", "kind, n_train, n_test, first_train, pixels"],
        ),
        (dataset(kind="uci"), ["key datasets.new.name is missing: ", "concrete, energy"]),
        (
            dataset(kind="uci", name="wine"),
            ["datasets.new.name = 'wine'; allowed: concrete, energy, airfoil, power_plant"],
        ),
        (
            dataset(kind="uci", name="airfoil", target="cooling_load"),
            ["datasets.new: target is only for energy"],
        ),
        (
            dataset(kind="uci", name="energy", shares=[0.5, 0.5, 0.5]),
            ["datasets.new.shares = [0.5, 0.5, 0.5]; must be three shares", "sum to 1"],
        ),
        (dataset(kind="uci", name="energy", shares=[1.5, 0, -0.5]), ["new.shares", "sum to 1"]),
        (dataset(kind="uci", name="energy", shares=[0, 0.5, 0.5]), ["new.shares", "training"]),
        (dataset(kind="mnist", n_train=0), ["datasets.new.n_train = 0", "greater than"]),
        (dataset(kind="mnist", n_train=60_001), ["datasets.new.n_train = 60001", "60000"]),
        (
            dataset(kind="mnist", n_train=60_000, first_train=1),
            ["datasets.new: first_train + n_train is 60001", "60000 images"],
        ),
        (dataset(kind="mnist", n_train=True), ["datasets.new.n_train = True", "number"]),
        (
            dataset(kind="mnist", n_train=5, pixels="raw"),
            ["datasets.new.pixels = 'raw'; must be [low, high] or {mean, std}"],
        ),
        (dataset(kind="mnist", n_train=5, pixels=[1, 0]), ["new.pixels", "low must be below"]),
        (dataset(kind="mnist", n_train=5, pixels=[0, "x"]), ["new.pixels", "'x' is not a number"]),
        (
            dataset(kind="cifar10", pixels={"mean": 0, "sd": 1}),
            ["datasets.new.pixels: must have the keys mean and std, not mean, sd"],
        ),
        (dataset(kind="cifar10", pixels={"mean": 0, "std": 0}), ["new.pixels", "std must be"]),
        (dataset(kind="image_features"), ["key datasets.new.images is missing"]),
        (
            dataset(kind="image_features", images="nowhere"),
            ["datasets.new.images = 'nowhere'", "kind cifar10 with pixels: raw"],
        ),
        (
            dataset(kind="image_features", images="mnist_45"),
            ["datasets.new.images = 'mnist_45'", "kind cifar10 with pixels: raw"],
        ),
        (
            features({"pixels": [0, 1]}, images="pictures"),
            ["datasets.new.images = 'pictures'", "kind cifar10 with pixels: raw"],
        ),
        (
            features({}, images="picture"),
            ["datasets.new.images = 'picture'", "allowed: ", "pictures"],
        ),
        (
            features({}, images="pictures", backbone="resnet50"),
            ["new.backbone = 'resnet50'; allowed: auto, resnet18, efficientnet_lite0, pixels"],
        ),
        (
            merge(features({"n_train": 5}, images="pictures"), {}, descent(dataset="new")),
            ["experiments.descent: n_train 6 is more than new has, n_train: 5"],
        ),
        (dataset(kind="cifar10", pixels="bytes"), ["new.pixels = 'bytes'", "raw, [low, high]"]),
        (
            dataset(kind="random_labels_on_sphere", n_train=5),
            ["key datasets.new.label_variance is missing: Variance of the labels"],
        ),
        (
            dataset(kind="xor_with_noise", n_train=5, n_features=1),
            ["datasets.new.n_features = 1", "greater than or equal to 2"],
        ),
        (
            dataset(kind="sines_on_sphere", noise=-1),
            ["datasets.new.noise = -1", "greater than or equal to 0"],
        ),
        (
            dataset(kind="random_labels_on_gaussian", n_train=5, label_range=[0.5]),
            ["datasets.new.label_range = [0.5]; must be [low, high]"],
        ),
        (
            dataset(kind="sparse_parity", order=6, n_train=5, n_features=5),
            ["datasets.new: order 6 is more than there are features, n_features: 5"],
        ),
        (
            dataset(kind="single_index", n_train=5, link="hermite_4"),
            ["new.link = 'hermite_4'; allowed: hermite_2, hermite_3, relu, absolute_value"],
        ),
        (
            dataset(kind="single_index", n_train=5, link="relu", noise=-1),
            ["datasets.new.noise = -1", "greater than or equal to 0"],
        ),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, dict) else "",
)
def test_errors_are_one_line_that_names_the_key(
    raw: dict, overrides: dict, expected: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        validate(merge(raw, {}, overrides))
    message = str(caught.value)
    assert "\n" not in message
    for text in expected:
        assert text in message, message


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (phase_diagram(axes={"width": [101]}), ["phase_diagram: axes.width: 101 is odd", "never"]),
        (
            descent(
                parameterisation="ntk", layers="both", grids=[{"width": [10]}, {"width": [11]}]
            ),
            ["experiments.descent: axes.width: 11 is odd", "antisymmetric_initialisation: never"],
        ),
        (
            descent(parameterisation="chen_ours", layers="both"),
            ["experiments.descent: layers: both", "chen_ours are fixed; use layers: first"],
        ),
        (
            descent(
                parameterisation="node_scaled",
                node_scalings={"zipf": {"gamma": 0, "alpha": 0.5}},
                layers="second",
            ),
            ["experiments.descent: layers: second", "node_scaled are fixed; use layers: first"],
        ),
        (
            descent(
                parameterisation="node_scaled",
                node_scalings={"zipf": {"gamma": 0, "alpha": 0.5}},
                layers="first",
                antisymmetric_initialisation="always",
            ),
            ["experiments.descent: antisymmetric_initialisation: always", "are no pairs"],
        ),
        (
            descent(parameterisation="abc", exponents={"a1": 0, "c": 1}),
            ["experiments.descent", "exponents: a2, b1, b2 left open"],
        ),
        (
            descent(parameterisation="alpha_beta", exponents={"beta1": 0}),
            ["experiments.descent", "exponents: alpha, beta2 left open"],
        ),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, dict) else "",
)
def test_errors_that_parameterisations_find_are_one_line_too(
    raw: dict, overrides: dict, expected: list[str]
) -> None:
    config = validate(merge(raw, {}, overrides))
    with pytest.raises(ConfigError) as caught:
        check_modules(config)
    message = str(caught.value)
    assert "\n" not in message and "config: config:" not in message
    assert message.count("config: ") <= 1, message
    for text in expected:
        assert text in message, message


def test_an_entry_of_a_paper_is_never_taken_for_a_typo(raw: dict) -> None:
    with pytest.raises(ConfigError) as caught:
        validate(merge(raw, phase_diagram(dataset=None)))
    assert "dataset is missing" in str(caught.value) and "did you mean" not in str(caught.value)


def test_kind_of_an_existing_data_set_can_change(raw: dict) -> None:
    mnist = {"kind": "mnist", "n_train": 45, "pixels": [-0.5, 0.5]}
    # What the former kind has and the new one has not is taken away by null.
    changed = {"datasets": {"four_point": {**mnist, "inputs": None, "targets": None}}}
    made = validate(merge(raw, changed)).datasets["four_point"]
    assert made.kind == "mnist" and made.pixels == (-0.5, 0.5) and made.first_train == 0


def test_grids_take_from_the_axes_what_they_do_not_name(raw: dict) -> None:
    grids = [{"width": [10], "n_train": {"start": 5, "stop": 9, "step": 2}}, {"width": [20, 30]}]
    config = validate(merge(raw, {}, descent(grids=grids)))
    assert config.experiments["descent"].all_grids() == [
        {"width": (10,), "n_train": (5, 7, 9), "seed": (0,)},
        {"width": (20, 30), "n_train": (5, 6), "seed": (0,)},
    ]
    alone = validate(merge(raw, {}, descent())).experiments["descent"]
    assert alone.all_grids() == [{"width": (10,), "n_train": (5, 6), "seed": (0,)}]
    (flow,) = config.experiments["phase_diagram"].all_grids()
    assert list(flow) == ["gamma_prime", "gamma", "width", "seed"]


def test_unknown_scale_names_the_scales() -> None:
    with pytest.raises(ConfigError, match="scale = 'big'; allowed: laptop, smoke, paper"):
        load(CONFIG, {"scale": "big"})
    with pytest.raises(ConfigError, match="scale"):
        load(CONFIG, {"scale": ["smoke"]})


def test_broken_yaml_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("a: [1\nb: 2")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


def bomb(leaf: object) -> object:
    """A list of billions of values that takes no memory."""
    for _ in range(10):
        leaf = [leaf] * 9
    return leaf


def circle() -> list:
    """A list that has itself."""
    made: list = []
    made.append(made)
    return made


@pytest.mark.parametrize("value", [bomb(1), bomb({}), circle()], ids=["bomb", "maps", "circle"])
def test_values_without_end_are_refused(raw: dict, value: object) -> None:
    for refuse in (lambda said: validate(raw | said), lambda said: load(CONFIG, said)):
        with pytest.raises(ConfigError, match="at most 200000 values, aliases"):
            refuse({"datasets": value})


# Mappings of which each takes the keys of the one before nine times.
MERGED = "a0: &a0 {}\n" + "".join(
    f"a{n + 1}: &a{n + 1} {{<<: [{f'*a{n}, ' * 9}]}}\n" for n in range(9)
)


def test_numbers_of_thousands_of_digits_are_refused(raw: dict) -> None:
    # Python does not even write them as text.
    for said in ({"root_seed": 10**5000}, phase_diagram(solver={"max_steps": -(10**5000)})):
        with pytest.raises(ConfigError, match="the number is too large"):
            validate(merge(raw, said))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: &a [*a]", "at most 200000 values"),
        ("a: &a {b: *a}", "at most 200000 values"),
        (MERGED, "at most 200000 values"),
        ("a: " + "[" * 100_000, "nested at most 50 deep"),
        ("root_seed: 1" + "0" * 5000, "a value is out of range: Exceeds the limit"),
        ("a: " + "x" * 5_000_000, "at most 5000000 bytes"),
        ("\0\1\2", "control characters are not allowed"),
    ],
    ids=["circle", "mappings", "merge keys", "deep", "digits", "long", "binary"],
)
def test_files_that_are_no_settings_are_refused_at_once(
    tmp_path: Path, text: str, expected: str
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=expected) as caught:
        load(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_an_error_is_one_line_of_moderate_length() -> None:
    text = str(ConfigError("a: first\nerror: second\r\x1b[1m\u2028 " + "x" * 10**6 + " the end"))
    assert text.startswith(r"a: first\nerror: second\r\x1b[1m\u2028 xxx") and text.endswith(
        " the end"
    )
    assert len(text) < 3100


def test_schemas_have_not_drifted() -> None:
    for name, text in schema.texts().items():
        assert (schema.FOLDER / name).read_text() == text, "run python -m regimes.config.schema"


def test_schema_command_finds_drift(monkeypatch, capsys, tmp_path: Path) -> None:
    monkeypatch.setattr(schema, "FOLDER", tmp_path)
    monkeypatch.setattr(sys, "argv", ["schema", "--check"])
    assert schema.main() == 1
    assert "drifted" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["schema"])
    assert schema.main() == 0
    monkeypatch.setattr(sys, "argv", ["schema", "--check"])
    assert schema.main() == 0


@pytest.fixture(scope="module")
def config_schema() -> dict:
    return json.loads(schema.texts()["config.schema.json"])


def test_schema_describes_every_key(config_schema: dict) -> None:
    for name, definition in config_schema["$defs"].items():
        for key, field in definition.get("properties", {}).items():
            # A reference carries the description of the model that it refers to.
            assert {"description", "$ref"} & set(field), f"{name}.{key}"


def test_config_obeys_the_schema(raw: dict, config_schema: dict) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    raw = merge(raw, {"experiments": {"phase_diagram": {"solver": {"tolerance": 0.01}}}})
    jsonschema.validate(raw, config_schema)
    for wrong in ({"devise": 1}, {"experiments": {"new": {"solver": {"tolerence": 0.01}}}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(merge(raw, wrong), config_schema)


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", sorted(PAPERS.glob(f"*/{FILE}")), ids=lambda path: path.parent.name
)
def test_files_of_the_papers_obey_the_schema(path: Path, config_schema: dict) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    (_, of_paper) = json.loads(schema.texts()["experiments.schema.json"]).values()
    definition = of_paper.removeprefix("config.schema.json")
    of_file = {"$ref": definition, "$defs": config_schema["$defs"]}
    content = yaml.safe_load(path.read_text())
    jsonschema.validate(content, of_file)
    first = path.read_text().splitlines()[0]
    assert first.endswith("$schema=../../../experiments.schema.json")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content | {"scale": "smoke"}, of_file)


def test_config_imports_neither_torch_nor_snakemake() -> None:
    code = (
        "import regimes.plan.plan, sys; "
        "print([m for m in ('torch', 'snakemake') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(ROOT / "workflow")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
