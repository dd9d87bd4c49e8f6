"""Activations of the user's own: what is allowed, what they compute, what depends on them."""

from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

import regimes
from regimes.activations import gelu, softplus, tanh
from regimes.activations.expression import FUNCTIONS, from_expression
from regimes.activations.load import load_activation
from regimes.config.load import load
from regimes.errors import ConfigError
from regimes.expressions import formulas
from regimes.expressions.activations import canonical
from regimes.plan.plan import Plan
from regimes.plan.settings import training_modules

CONFIG = Path(__file__).resolve().parents[2] / "config.yaml"
SWISH, MEASURED = (
    "z * sigmoid(z)",
    ("final_relative_distance_w", "final_relative_distance_a", "flow_time"),
)


def test_the_layout_of_an_expression_does_not_matter() -> None:
    assert canonical(" z*sigmoid( z )") == canonical("(z) * sigmoid(z)") == SWISH
    assert canonical("z / (1 + exp(-z))") != SWISH


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("__import__('os').getcwd()", ["is not allowed", "allowed: z, numbers"]),
        ("z.real", ["'z.real'", "is not allowed"]),
        ("x + z", ["'x'", "is not allowed"]),
        ("gelu(z)", ["'gelu(z)'", "erf"]),
        ("tanh(z, 2)", ["'tanh(z, 2)'"]),
        ("z if z else 1", ["is not allowed"]),
        ("z > 0", ["is not allowed"]),
        ("True * z", ["'True'"]),
        ("abs(z)", ["'abs(z)'", "is not allowed"]),
        ("Max(z, 0)", ["is not allowed"]),
        ("sqrt(z**2)", ["Abs(z)", "kink"]),
        ("sqrt(z**2 + z**4)", ["the derivative", "jumps at z = 0", "kinks"]),
        ("atan(1 / z)", ["the value", "jumps at z = 0"]),
        ("z +", ["is no expression in z"]),
        ("", ["is no expression in z"]),
        ("1 + 1", ["does not depend on z"]),
        ("log(z)", ["z = -20", "no finite real number"]),
        ("1 / (z - 1)", ["z = 1", "no finite real number"]),
        ("9**9**9 * z", ["powers", "at most 100"]),
        ("z**z", ["powers", "at most 100"]),
        ("exp(exp(exp(z))) * z", ["z = 3", "no finite real number"]),
        ("-" * 480 + "z", ["too deep"]),
        # Second derivatives that would take SymPy a minute
        ("*".join(f"tanh(z+{n})" for n in range(45)), ["too long", "at most 500 parts"]),
        ("tanh(" * 45 + "z" + ")" * 45, ["too long", "at most 500 parts"]),
        ("z + " * 200 + "z", ["at most 500 characters"]),
    ],
)
def test_what_is_no_activation_is_said_in_one_line(text: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        canonical(text)
    message = str(caught.value)
    assert "\n" not in message and all(word in message for word in words), message


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(
    ("text", "module"),
    [
        ("log(1 + exp(z))", softplus),
        ("softplus(z)", softplus),
        ("tanh(z)", tanh),
        ("z * (1 + erf(z / sqrt(2))) / 2", gelu),
    ],
)
def test_an_expression_is_the_built_in_that_it_describes(text, module, dtype) -> None:
    made = from_expression(text)
    z = torch.linspace(-6, 6, 201, dtype=dtype)
    found, expected = ((z.clone(), torch.empty_like(z)) for _ in range(2))
    made.value_and_slope_(*found)
    module.value_and_slope_(*expected)
    rounding = 16 * torch.finfo(dtype).eps
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=rounding)
    bent = (made.curvature(z, *found), module.curvature(z, *expected))
    torch.testing.assert_close(*bent, rtol=0, atol=rounding)


def test_derivatives_are_those_of_autograd() -> None:
    text = "exp(1) * z * cos(z) + sinh(z / 9) * atan(z) + asinh(pi * z) + sqrt(1 + z**2)"
    made = from_expression(text)
    z = torch.linspace(-3, 3, 50, dtype=torch.float64).requires_grad_()
    e = np.exp(1)
    value = e * z * z.cos() + (z / 9).sinh() * z.atan() + (np.pi * z).asinh() + (1 + z * z).sqrt()
    (slope,) = torch.autograd.grad(value.sum(), z, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.sum(), z)
    values, slopes = z.detach().clone(), torch.empty_like(z)
    made.value_and_slope_(values, slopes)
    for one, other in ((values, value), (slopes, slope)):
        torch.testing.assert_close(one, other.detach(), rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(made.curvature(z.detach(), values, slopes), curvature)


def test_constant_derivatives_have_a_shape() -> None:
    made, z, slope = from_expression("2 * z + 1"), torch.ones(2, 3), torch.empty(2, 3)
    made.value_and_slope_(z, slope)
    assert z.tolist() == [[3.0] * 3] * 2 and slope.tolist() == [[2.0] * 3] * 2
    assert made.curvature(z, z, slope).tolist() == [[0.0] * 3] * 2


@pytest.mark.parametrize("text", ["z * sigmoid(z)", "softplus(z)"])
def test_sigmoid_and_softplus_do_not_overflow(text: str) -> None:
    z, slope = torch.tensor([-1e4, 1e4]).double(), torch.empty(2).double()
    from_expression(text).value_and_slope_(z, slope)
    assert z.tolist() == [0, 1e4] and slope.tolist() == [0, 1]


def simulated(**changes) -> xr.Dataset:
    place = {"gamma": 1.4, "gamma_prime": 0.0, "width": 60, "seed": 0}
    return regimes.simulate(device="cpu", progress=False, **{**place, **changes})


@pytest.mark.slow
def test_training_with_an_expression_is_training_with_the_built_in() -> None:
    built_in = simulated(activation="softplus")
    own = simulated(activation="own", activations={"own": "log(1 + exp(z))"})
    assert built_in["converged"] == 1
    for name in MEASURED:
        # The same steps, but for rounding
        np.testing.assert_allclose(own[name], built_in[name], rtol=1e-9)
    assert "log(1 + exp(z))" in own.attrs["config"]
    relu = simulated(activation="relu")
    assert (
        abs(float(relu["final_relative_distance_w"] / own["final_relative_distance_w"]) - 1) > 0.01
    )


def test_torch_has_the_functions_of_formulas() -> None:
    assert FUNCTIONS.keys() == formulas.FUNCTIONS.keys()


@pytest.mark.parametrize(
    "text",
    ["sin(z) / z", "(1 - cos(z)) / z**2", "exp(-1 / z**2)", "z**3", "tanh(1e4 * z)", "z**2 + z"],
)
def test_what_is_smooth_at_0_has_no_kink(text: str) -> None:
    canonical(text)


def test_large_constants_are_floats() -> None:
    z, slope = torch.tensor([1e-20, 3.0]).double(), torch.empty(2).double()
    from_expression("z * 1e20").value_and_slope_(z, slope)
    torch.testing.assert_close(z, torch.tensor([1.0, 3e20]).double())
    assert slope.tolist() == [1e20, 1e20]


def test_float32_trains_too() -> None:
    options = {"activation": "swish", "activations": {"swish": SWISH}}
    double = simulated(**options)
    single = simulated(**options, solver={"precision": "float32"})
    assert set(single.data_vars) == set(double.data_vars)
    np.testing.assert_allclose(
        *(run["final_relative_distance_w"] for run in (single, double)), rtol=0.02
    )


def plan(**changes) -> Plan:
    return Plan.from_config(load(CONFIG, {"scale": "smoke", **changes}))


def hashes(planned: Plan, experiment: str) -> set[str]:
    return {block.hash for block in planned.jobs_of(experiment)}


def test_an_expression_belongs_to_the_blocks_that_use_it() -> None:
    uses = {"experiments": {"phase_diagram_gelu": {"activation": "swish"}}}
    before = plan(activations={"swish": SWISH}, **uses)
    same = plan(activations={"swish": "z*sigmoid(z)", "other": "z + tanh(z)"}, **uses)
    after = plan(activations={"swish": "z * sigmoid(2 * z)"}, **uses)
    for name in before.measures:
        assert hashes(before, name) == hashes(same, name)
        changed = hashes(before, name) != hashes(after, name)
        assert changed == (name == "phase_diagram_gelu"), name
    (block,) = before.jobs_of("phase_diagram_gelu")
    assert block.settings["activation_expression"] == SWISH
    assert training_modules(block.settings)["activation"] == "regimes.activations.expression"
    assert before.figures["phase_diagram_gelu"].settings_hash != (
        after.figures["phase_diagram_gelu"].settings_hash
    )


def test_other_trainings_load_it_from_the_same_place() -> None:
    experiments = {
        "razborov2022": {"activation": "swish"},
        "caron2023_simulated": {"activation": "swish"},
        "song2021_mnist": {"activation": "swish"},
    }
    planned = plan(activations={"swish": SWISH}, experiments=experiments)
    for name in experiments:
        block = planned.jobs_of(name)[0]
        assert load_activation("swish", block.settings["activation_expression"]).__doc__ == SWISH, (
            name
        )
