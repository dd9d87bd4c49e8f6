"""Scales of each parameterisation: those of its paper, and what a factor of the inputs becomes."""

from importlib import import_module

import numpy as np
import pytest
import torch
from own_forms import CASES, Form
from torch import Tensor

from regimes.engines.common.parameterised import MODULES, PARAMETERISATIONS, Parameterisation
from regimes.parameterisations.scales import Scales, is_symmetric

SIZES = [(12, 3), (100, 7)]


def scales_of(name: str, m: int, d: int) -> Scales:
    setting = CASES[name].setting
    kind = setting["parameterisation"]
    module = import_module(f"{PARAMETERISATIONS}.{MODULES.get(kind, kind)}")
    return module.scales(setting | {"width": m, "n_features": d})


def test_every_parameterisation_has_a_case() -> None:
    cases = {case.keys["parameterisation"] for case in CASES.values()}
    assert cases == set(Parameterisation.__args__)


@pytest.mark.parametrize(("m", "d"), SIZES)
@pytest.mark.parametrize("name", CASES)
def test_scales_are_those_of_the_paper(name: str, m: int, d: int) -> None:
    form, scales = CASES[name].form(m, d), scales_of(name, m, d)
    assert scales.output == pytest.approx(form.output, rel=1e-12)
    # The factor of the inputs is in the weights: once in their spread, twice in their rate.
    assert scales.deviation_w == pytest.approx(form.inner * form.deviations[0], rel=1e-12)
    assert scales.deviation_a == pytest.approx(form.deviations[1], rel=1e-12)
    assert scales.rate_w == pytest.approx(form.inner**2 * form.rates[0], rel=1e-12)
    if form.rates[1] is None:
        assert scales.rate_a is None
    else:
        assert scales.rate_a == pytest.approx(form.rates[1], rel=1e-12)
    assert scales.symmetric is form.mirrored
    if isinstance(form.node, float):
        assert scales.node is None
    else:
        np.testing.assert_allclose(scales.node, form.node, rtol=1e-12)


def path(
    form: Form, w: Tensor, a: Tensor, inputs: Tensor, targets: Tensor, rate: float
) -> list[Tensor]:
    """Outputs along 15 steps of SGD, the output weights at rest where their rate is None."""
    w, a = w.clone().requires_grad_(), a.clone().requires_grad_()
    rates = [rate * (one or 0.0) for one in form.rates]
    optimiser = torch.optim.SGD(
        [{"params": [p], "lr": lr} for p, lr in zip((w, a), rates, strict=True)]
    )
    found = []
    for _ in range(15):
        optimiser.zero_grad()
        outputs = form.outputs(w, a, inputs, torch.tanh)
        found.append(outputs.detach())
        ((outputs - targets).square().mean() / 2).backward()
        optimiser.step()
    return found


@pytest.mark.parametrize("name", CASES)
def test_a_factor_of_the_inputs_can_be_in_the_weights(name: str) -> None:
    m, d = 12, 3
    random = np.random.default_rng(0)
    inputs, targets = torch.tensor(random.standard_normal((d, 6))), torch.ones(1, 6).double()
    draws = random.standard_normal((m, d)), random.standard_normal((1, m))
    form, scales = CASES[name].form(m, d), scales_of(name, m, d)
    folded = Form(
        scales.output,
        (scales.rate_w, scales.rate_a),
        (scales.deviation_w, scales.deviation_a),
        mirrored=scales.symmetric,
        node=1.0 if scales.node is None else scales.node,
    )
    written, folded_in = (
        path(one, *one.start(*draws), inputs, targets, 0.05) for one in (form, folded)
    )
    for one, other in zip(written, folded_in, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-13)
    assert float((written[-1] - written[0]).abs().max()) > 1e-3
    assert (float(written[0].abs().max()) < 1e-12) is form.mirrored


def test_rounding_does_not_decide_on_the_symmetry() -> None:
    assert is_symmetric(0.1 + 0.4) and is_symmetric(0.3 + 0.2 + 1e-12)
    assert not is_symmetric(0.500001)
