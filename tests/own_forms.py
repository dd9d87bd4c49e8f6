"""Parameterisations as their papers write them, with every factor where the paper has it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Form:
    """f(x) = output sum_j node_j a_j act(inner w_j . x), of a and w with deviations and rates.

    mirrored: whether wide networks need pairs of neurons with opposite signs to start from 0.
    """

    output: float
    rates: tuple[float, float | None] = (1.0, 1.0)  # of w and a
    deviations: tuple[float, float] = (1.0, 1.0)  # of w and a
    inner: float = 1.0
    mirrored: bool = False
    node: np.ndarray | float = 1.0

    @property
    def trained(self) -> tuple[str, ...]:
        """Layers that can be trained."""
        return ("first",) if self.rates[1] is None else ("first", "second", "both")

    def start(self, hidden: np.ndarray, output: np.ndarray) -> tuple[Tensor, Tensor]:
        """w (m, d) and a (k, m) of draws of unit variance."""
        if self.mirrored:
            half = hidden.shape[0] // 2
            hidden = np.concatenate([hidden[:half], hidden[:half]])
            output = np.concatenate([output[:, :half], -output[:, :half]], axis=1)
        of_w, of_a = self.deviations
        return torch.tensor(of_w * hidden), torch.tensor(of_a * output)

    def outputs(
        self, w: Tensor, a: Tensor, inputs: Tensor, act: Callable[[Tensor], Tensor]
    ) -> Tensor:
        """f (k, n) of inputs (d, n)."""
        return self.output * (a * torch.as_tensor(self.node)) @ act(self.inner * (w @ inputs))


@dataclass(frozen=True)
class Case:
    """A parameterisation: keys of an experiment, its axes, and its form for m and d."""

    keys: dict[str, Any]
    form: Callable[[int, int], Form]
    axes: dict[str, list] = field(default_factory=dict)

    @property
    def setting(self) -> dict[str, Any]:
        """What `scales` reads beside width and n_features."""
        axes = {name: values[0] for name, values in self.axes.items()}
        setting = {"exponents": {}} | self.keys | axes
        if "node_scaling" in axes:
            scaling = self.keys["node_scalings"][axes["node_scaling"]]
            setting["node_scaling"] = scaling | {"skip_first": False}
        return setting


def _normalised(gamma: float, gamma_prime: float) -> Case:
    """Luo et al. (2021), (9)-(13)."""

    def form(m: int, d: int) -> Form:
        kappa, kappa_prime = m**-gamma, m**-gamma_prime
        return Form(kappa, rates=(kappa_prime, 1 / kappa_prime), mirrored=gamma <= 0.5)

    axes = {"gamma_prime": [gamma_prime], "gamma": [gamma]}
    return Case({"parameterisation": "normalised"}, form, axes)


def _scheme(name: str, output: str, of_w: str, of_a: str, mirrored: bool = False) -> Case:
    """Luo et al. (2021), Table 1: 1/alpha, and the variances of w and a."""

    def form(m: int, d: int) -> Form:
        numbers = [eval(text, {"m": m, "d": d}) for text in (output, of_w, of_a)]
        return Form(
            numbers[0], deviations=(numbers[1] ** 0.5, numbers[2] ** 0.5), mirrored=mirrored
        )

    return Case({"parameterisation": name}, form)


def _chen(name: str, form: Callable[[int, int], Form]) -> Case:
    return Case({"parameterisation": name}, form)


def _zipf(m: int, gamma: float, alpha: float) -> np.ndarray:
    """Caron et al. (2023), (1) and (4)."""
    law = np.array([j ** (-1 / alpha) for j in range(1, m + 1)])
    return gamma / m + (1 - gamma) * law / law.sum()


CASES = {
    "normalised": _normalised(1.2, -0.3),
    "normalised, symmetric": _normalised(0.5, 0.5),
    "alpha_beta": Case(
        {
            "parameterisation": "alpha_beta",
            "exponents": {"alpha": 0.9, "beta1": -0.2, "beta2": 0.3},
        },
        lambda m, d: Form(m**-0.9, deviations=(m**0.3, m**-0.2)),
    ),
    # beta1 = beta2 m^-gamma', and alpha = beta1 beta2 m^gamma.
    "alpha_beta, of the axes": Case(
        {"parameterisation": "alpha_beta", "exponents": {"beta2": 0.1}},
        lambda m, d: Form(m**-0.4, deviations=(m**0.1, m**-0.1), mirrored=True),
        {"gamma_prime": [0.2], "gamma": [0.4]},
    ),
    # Yang and Hu (2021).
    "abc": Case(
        {
            "parameterisation": "abc",
            "exponents": {"a1": 0.1, "a2": 0.5, "b1": -0.2, "b2": 0.3, "c": 0.4},
        },
        lambda m, d: Form(
            m**-0.5, rates=(m**-0.4, m**-0.4), deviations=(m**0.2, m**-0.3), inner=m**-0.1
        ),
    ),
    "unscaled": _scheme("unscaled", "1", "1", "1"),
    "lecun": _scheme("lecun", "1", "1 / d", "1 / m", mirrored=True),
    "he": _scheme("he", "1", "2 / d", "2 / m", mirrored=True),
    "xavier": _scheme("xavier", "1", "2 / (m + d)", "2 / (m + 1)"),
    "ntk": _scheme("ntk", "m ** -0.5", "1", "1", mirrored=True),
    "mean_field": _scheme("mean_field", "1 / m", "1", "1"),
    # Chen et al. (2022), Table 1.
    "chen_ours": _chen("chen_ours", lambda m, d: Form(1 / m, (m, None), inner=d**-0.5)),
    "chen_ntk": _chen(
        "chen_ntk", lambda m, d: Form(m**-0.5, (1.0, None), inner=d**-0.5, mirrored=True)
    ),
    "chen_mean_field": _chen(
        "chen_mean_field", lambda m, d: Form(1 / m, (m * d, None), inner=1 / d)
    ),
    # Caron et al. (2023), (1).
    "node_scaled": Case(
        {
            "parameterisation": "node_scaled",
            "node_scalings": {"zipf": {"gamma": 0.3, "alpha": 0.5}},
        },
        lambda m, d: Form(
            1.0, (1.0, None), inner=d**-0.5, node=np.sqrt(_zipf(m, gamma=0.3, alpha=0.5))
        ),
        {"node_scaling": ["zipf"]},
    ),
}
