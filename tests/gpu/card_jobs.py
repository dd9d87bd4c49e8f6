"""A job of every engine that uses a GPU, of a size at which one has work, and what a step does."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import pretend_cuda
import small_jobs
import torch
import xarray as xr
from class_points import class_points
from node_scaled_blocks import made_up_data
from resumed_jobs import ResumedJob
from test_engines_on_a_gpu import search
from test_memory_of_batches import flow
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from regimes.datasets import unit_sphere, xor_with_noise
from regimes.engines.common import runner

aten = torch.ops.aten


@dataclass(frozen=True)
class CardJob:
    """A job that records nothing between two limits.

    steps: in each unit of the limit; 0 without a limit, for a job that is timed as a whole.
    size: of the networks and data, in words.
    """

    job: ResumedJob
    limits: tuple[int, int]
    size: str
    steps: int = 1

    @property
    def n_steps(self) -> int:
        """The number of steps between the limits."""
        return self.steps * (self.limits[1] - self.limits[0])

    @property
    def precision(self) -> str:
        """The number format of the training."""
        return self.job.block.get("precision", "float64")

    def run(self, limit: int, device: str) -> xr.Dataset:
        """The runs up to a limit."""
        if self.steps:
            return self.job.run(limit, device=device)
        return runner.train(self.job.block, self.job.data, device).drop_attrs()


# Of whole groups of steps that a GPU makes at once, between two recorded ones.
GROUPS = 195, 291
SELDOM = {"points_per_decade": 1, "every": 0}
NO_EPOCH = {"every": 1000}


def _with(job: ResumedJob, data: xr.Dataset, **axes: list) -> ResumedJob:
    job.block["axes"] = job.block["axes"] | axes
    return replace(job, data=data.assign_attrs(data_hash="card"))


def _flow(activation: str, width: int) -> CardJob:
    job = flow(4, 2, width, 4, activation=activation)
    return CardJob(job, (1, 2), f"4 networks, m = {width}, n = 4, {activation}")


def _descent() -> CardJob:
    settings = {"draws": 4, "n_points": 110, "n_features": 20, "seed": 5}
    job = small_jobs.full_batch(record=SELDOM, learning_rate=1e-5)
    axes = {"width": [1000], "n_train": [100], "seed": [0, 1, 2, 3]}
    return CardJob(
        _with(job, unit_sphere.build(settings), **axes), GROUPS, "4 networks, m = 1000, n = 100"
    )


def _space() -> CardJob:
    settings = {"n_train": 100, "n_test": 5, "n_features": 6, "seed": 0, "draws": 4}
    job = small_jobs.function_space(False, record=SELDOM | {"feature_map_neurons": 3})
    axes = {"width": [1000], "n_train": [100], "seed": [0, 1, 2, 3]}
    data = xor_with_noise.build(settings)
    return CardJob(_with(job, data, **axes), GROUPS, "4 networks, m = 1000, n = 100")


def _multisteps() -> CardJob:
    job = small_jobs.function_space(True, record=SELDOM | {"feature_map_neurons": 3})
    return CardJob(job, (2000, 3000), "2 networks, m = 20, n = 10")


def _nodes() -> CardJob:
    record = SELDOM | {"moved": 3, "ntg": False, "ntg_points": 0}
    job = small_jobs.node_scaled(record=record, learning_rate=0.1)
    data = made_up_data(n_features=20, n_train=200)
    return CardJob(_with(job, data, width=[1000]), GROUPS, "6 networks, m = 1000, n = 200")


def _epochs(make: Callable[..., ResumedJob], networks: int) -> CardJob:
    data = class_points(n_train=256, n_features=100)
    record = NO_EPOCH | ({"moved": 3} if make is small_jobs.minibatches else {})
    job = _with(make(record=record, batch_size=64), data, width=[1000])
    return CardJob(job, (2, 4), f"{networks} networks, m = 1000, d = 100, batches of 64", 4)


CARD_JOBS: dict[str, Callable[[], CardJob]] = {
    "gradient_flow": lambda: _flow("relu", 10_000),
    "gradient_flow, smooth": lambda: _flow("tanh", 100),
    "gradient_flow.boundary": lambda: CardJob(search(), (0, 0), "m = 40 and 160, n = 3", 0),
    "gradient_descent": _descent,
    "function_space": _space,
    "function_space, multisteps": _multisteps,
    "function_space.node_scaled": _nodes,
    "sgd": lambda: _epochs(small_jobs.stochastic, 4),
    "sgd.node_scaled": lambda: _epochs(small_jobs.minibatches, 2),
    "sgd.teacher_student": lambda: _epochs(small_jobs.students, 8),
}


def _eigh_flops(a: Any, *_: Any, **__: Any) -> int:
    return 9 * a.shape[-1] * a.numel()


def _third(a: Any, *_: Any, **__: Any) -> int:
    return a.shape[-1] * a.numel() // 3


# Of a decomposition of (n, n), from Golub and Van Loan, "Matrix Computations" (2013).
DECOMPOSITIONS = {
    aten._linalg_eigh: _eigh_flops,
    aten.linalg_cholesky_ex: _third,
    aten._linalg_solve_ex: lambda a, *_, **__: 2 * a.shape[-1] * a.numel() // 3,
    aten.linalg_qr: lambda a, *_, **__: 2 * min(a.shape[-2:]) * a.numel(),
    aten._linalg_svd: lambda a, *_, **__: 4 * min(a.shape[-2:]) * a.numel(),
}
VECTOR_PRODUCTS = {aten.mv, aten.addmv, aten.addmv_, aten.dot}
FRESH = {aten.empty, aten.empty_like, aten.empty_strided, aten.new_empty, aten.detach}


class Work(TorchDispatchMode):
    """Counts what tensors' functions do while they run, those of a graph that is replayed too.

    bytes: of the arguments that they read and the results that they write. flops: of products and
    decompositions; all others cost memory rather than arithmetic.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bytes = self.flops = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run a function."""
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        name = func.overloadpacket
        if not func.is_view and name not in FRESH:
            taken = {id(one): one for one in tree_leaves((args, kwargs, result))}
            tensors = [one for one in taken.values() if isinstance(one, torch.Tensor)]
            self.bytes += sum(min(one.nbytes, one.untyped_storage().nbytes()) for one in tensors)
        if formula := flop_registry.get(name) or DECOMPOSITIONS.get(name):
            self.flops += formula(*args, **kwargs, out_val=result)
        elif name in VECTOR_PRODUCTS:
            self.flops += 2 * max(one.numel() for one in args if isinstance(one, torch.Tensor))
        return result


def work_in_a_step(one: CardJob) -> Counter[str]:
    """What a step does on a pretend GPU: launches, kernels, waits, bytes and flops."""
    counts = []
    for limit in one.limits:
        with (
            # What marks fresh memory is no work, and how often a job reports hangs on the time.
            mock.patch.object(pretend_cuda, "_poisoned", lambda make: make),
            mock.patch.object(runner, "SECONDS_BETWEEN_REPORTS", math.inf),
            pretend_cuda.pretend_cuda() as gpu,
            Work() as work,
        ):
            one.run(limit, "cuda")
        counts.append(
            {
                "launches": gpu.launches,
                # The same, but for steps that are captured as a graph
                "kernels": getattr(gpu, "kernels", gpu.launches),
                "waits": gpu.waits.total(),
                "bytes": work.bytes,
                "flops": work.flops,
            }
        )
    (first, second) = counts
    return Counter({name: (second[name] - first[name]) / one.n_steps for name in first})
