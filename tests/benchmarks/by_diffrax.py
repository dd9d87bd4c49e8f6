"""Gradient flow of the two-layer ReLU network by diffrax, compiled by JAX for one core."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

Arrays = tuple[np.ndarray, np.ndarray]


def compiled_flow(
    inputs: np.ndarray,
    targets: np.ndarray,
    initial: Arrays,
    ends: np.ndarray,
    *,
    scale: float,
    rates: tuple[float, float],
    relative_loss: float,
    rtol: float,
    atol: float,
    max_steps: int,
) -> tuple[Callable[[], tuple[Arrays, np.ndarray, np.ndarray]], float]:
    """The flow to a loss, and the processor seconds in which it was compiled.

    inputs: (n, d). initial: a (E, m) and w (E, d, m), with E = 1 not vmapped. An event ends a run
    after the step that reaches the loss; its end (E,) does in any case. The flow returns weights
    at the end, relative losses there and numbers of tried steps, each (E, ...).
    """
    jax, diffrax = one_core(), pytest.importorskip("diffrax")
    jnp = jax.numpy

    def residuals(weights: Any) -> Any:
        a, w = weights
        return scale * (jnp.maximum(inputs @ w, 0) @ a) - targets

    def loss(weights: Any) -> Any:
        return jnp.square(residuals(weights)).mean() / 2

    def velocity(_: Any, weights: Any, __: Any) -> Any:
        a, w = weights
        z = inputs @ w
        active = (z > 0).astype(z.dtype)
        z *= active
        force = (scale * (z @ a) - targets) * (-scale / len(targets))
        return rates[0] * (force @ z), (inputs.T * force) @ active * (rates[1] * a)

    def flow(end: Any, *start: Any) -> Any:
        first = loss(start)
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(velocity),
            diffrax.Dopri5(),
            0.0,
            end,
            None,
            start,
            stepsize_controller=diffrax.PIDController(rtol=rtol, atol=atol),
            event=diffrax.Event(lambda t, y, *_, **__: loss(y) < relative_loss * first),
            saveat=diffrax.SaveAt(t1=True),
            adjoint=diffrax.ForwardMode(),
            max_steps=max_steps,
            throw=False,
        )
        weights = tuple(values[0] for values in solution.ys)
        return weights, loss(weights) / first, solution.stats["num_steps"]

    started = time.process_time()
    single = len(initial[0]) == 1
    given = [jnp.asarray(values[0] if single else values) for values in (ends, *initial)]
    run = jax.jit(flow if single else jax.vmap(flow)).lower(*given).compile()
    spent = time.process_time() - started

    def work() -> tuple[Arrays, np.ndarray, np.ndarray]:
        found = jax.tree.map(np.asarray, run(*given))
        return jax.tree.map(lambda values: values[None], found) if single else found

    return work, spent


def one_core() -> Any:
    """JAX in double precision, with one thread for its computations."""
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_platforms", "cpu")
    # Read by XLA when it makes its pool of threads, for the first array.
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("NPROC", "1")
        jax.devices()
    return jax
