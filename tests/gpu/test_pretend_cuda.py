"""The pretend GPU of the tests itself: what it lets pass, what it refuses, and what it counts."""

from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import numpy as np
import pytest
import torch
from pretend_cuda import PretendGpu, PretendTensor, pretend_cuda
from torch import Tensor

HERE = torch.arange(12.0).reshape(3, 4)
MEGABYTE = 2**20


@pytest.fixture
def gpu() -> Iterator[PretendGpu]:
    with pretend_cuda(memory=64 * MEGABYTE) as gpu:
        yield gpu


@pytest.fixture
def there(gpu: PretendGpu) -> Tensor:
    """A tensor on the GPU."""
    moved = HERE.to("cuda")
    gpu.reset()
    return moved


STAYS = {
    "arithmetic": lambda x: 2 * x + x.square(),
    "a single number of the CPU": lambda x: x + torch.tensor(1.0),
    "product": lambda x: x @ x.mT,
    "view": lambda x: x[:, 1:].mT,
    "rows": lambda x: x[torch.tensor([0, 2])],
    "mask": lambda x: x[x > 1],
    "new": lambda x: x.new_zeros(3),
    "filled": lambda x: torch.full((2,), 1.0, device=x.device),
    "of numbers": lambda x: torch.tensor([1.0, 2.0], device="cuda"),
    "of another": lambda x: torch.from_numpy(np.zeros(3)).to(x),
    "eigenvalues": lambda x: torch.linalg.eigvalsh(x @ x.mT),
    "parts": lambda x: x.split(2)[0],
    "one of a loop": lambda x: next(iter(x)),
    "place of a result": lambda x: torch.mm(x, x.mT, out=x.new_empty(3, 3)),
    "gradient": lambda x: torch.autograd.grad(x.requires_grad_().square().sum(), [x])[0],
    "module": lambda x: torch.nn.Linear(4, 2).to("cuda")(x),
}


@pytest.mark.parametrize("name", STAYS)
def test_results_stay_on_the_gpu(there: Tensor, name: str) -> None:
    found = STAYS[name](there)
    assert found.is_cuda and found.device == torch.device("cuda", 0)
    with pytest.raises(TypeError):
        found.numpy()
    assert not found.cpu().is_cuda and type(found.detach().cpu().numpy()) is np.ndarray


def test_values_are_those_of_the_cpu(there: Tensor) -> None:
    view = there[0]
    view.mul_(3)
    assert there.tolist()[0] == [0, 3, 6, 9] and float(there.sum()) == 78 and there.shape == (3, 4)
    assert HERE[0, 1] == 1
    file = BytesIO()
    torch.save({"there": there}, file)
    file.seek(0)
    loaded = torch.load(file, map_location="cpu", weights_only=True)["there"]
    assert type(loaded) is Tensor and loaded.tolist() == there.tolist()


FORGOTTEN: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "sum": lambda there, here: there + here,
    "product": lambda there, here: there @ here.mT,
    "concatenation": lambda there, here: torch.cat([there, here]),
    "choice": lambda there, here: torch.where(there > 0, there, here),
    "in place": lambda there, here: here.add_(there),
    "source of a result": lambda there, here: torch.mul(here, 2, out=there),
    "place of a result": lambda there, here: torch.mul(there, 2, out=here),
    "number that is written": lambda there, here: here.sum().add_(there.sum()),
    "index of a tensor of the CPU": lambda there, here: here[torch.arange(2, device="cuda")],
    "mask of a tensor of the CPU": lambda there, here: here[there > 1],
    "values at an index": lambda there, here: there.__setitem__([0, 1], here[:2]),
    "index of a sum": lambda there, here: there.index_add_(0, torch.arange(3), there),
}


@pytest.mark.parametrize("name", FORGOTTEN)
def test_a_forgotten_device_is_refused(there: Tensor, name: str) -> None:
    with pytest.raises(RuntimeError, match=r"at least two devices, .*test_pretend_cuda.py:\d+"):
        FORGOTTEN[name](there, HERE.clone())


@pytest.mark.parametrize("read", [Tensor.numpy, np.asarray, lambda x: np.ones(4) * x])
def test_numpy_does_not_read_it(there: Tensor, read: Callable[[Tensor], Any]) -> None:
    with pytest.raises(TypeError):
        read(there)


@pytest.mark.parametrize("make", [torch.empty_like, lambda x: x.new_empty(3), torch.Tensor.clone])
def test_fresh_memory_holds_no_numbers(there: Tensor, make: Callable[[Tensor], Tensor]) -> None:
    written = make is torch.Tensor.clone
    assert bool(torch.isfinite(make(there).sum())) is written
    flags = torch.empty(2, dtype=torch.bool, device="cuda")
    assert bool(flags.all()) and int(torch.empty(2, dtype=torch.int64, device="cuda")[0]) > 10**6


WAITS = {
    "number": float,
    "decision": lambda x: bool(x.any()),
    "list": Tensor.tolist,
    "to the CPU": Tensor.cpu,
    "from the CPU": lambda x: HERE.to(x),
    "numbers of the host": lambda x: x.new_tensor([1.0]),
    "copy from the CPU": lambda x: x.copy_(HERE.sum()),
    "size of a result": Tensor.nonzero,
    "places": lambda x: torch.where(x > 0),
    "mask": lambda x: x.view(1)[x.view(1) > 0],
    "list as an index": lambda x: x.view(1)[[0]],
    "eigenvalues": lambda x: torch.linalg.eigh(x.view(1, 1)),
    "synchronize": lambda x: torch.cuda.synchronize(),
}


@pytest.mark.parametrize("name", WAITS)
def test_waits_are_counted_where_they_are(gpu: PretendGpu, there: Tensor, name: str) -> None:
    single = there.sum()
    gpu.reset()
    WAITS[name](single)
    assert gpu.waits.total() == 1
    (place,) = gpu.waits
    assert "test_pretend_cuda.py:" in place


def test_what_needs_no_wait_is_launched(gpu: PretendGpu, there: Tensor) -> None:
    index = torch.tensor([0, 2], device="cuda")
    gpu.reset()
    there[:, 1:].mT.unsqueeze(0).expand(2, 3, 3)
    torch.empty(3, device="cuda")
    assert gpu.launches == 0
    there[there > 5] = 0.0  # a comparison, and one more
    there += there[index].sum(0)  # rows, their sum, and its place
    torch.add(there, 1, out=there)
    assert gpu.launches == 6 and not gpu.waits


def test_memory_is_counted(gpu: PretendGpu) -> None:
    first = torch.zeros(MEGABYTE, device="cuda")
    view = first[1:]
    assert gpu.live == gpu.peak == 4 * MEGABYTE
    second = first + 1
    del second
    third = first.double()
    assert gpu.peak == 12 * MEGABYTE
    del first, third
    gpu.reset()
    assert gpu.live == 4 * MEGABYTE, "the view holds it"
    del view
    gpu.reset()
    assert gpu.live == 0
    with pytest.raises(torch.OutOfMemoryError, match="out of memory"):
        torch.zeros(17 * MEGABYTE, device="cuda")


def test_tf32_is_less_accurate(there: Tensor, tf32: None) -> None:
    factors = there + 1 / 3
    exact = (factors.double() @ factors.double().mT).float()
    error = float((factors @ factors.mT - exact).abs().max() / exact.max())
    assert 1e-5 < error < 1e-3


def test_without_it_there_is_no_gpu() -> None:
    with pretend_cuda():
        assert torch.cuda.is_available()
        kept = torch.zeros(3, device="cuda")
    assert not kept.is_cuda and isinstance(kept, PretendTensor)
    assert not torch.cuda.is_available()


class Walk:
    """A point that goes its way in steps, as an engine's networks do."""

    def __init__(self) -> None:
        self.place = torch.zeros(2, device="cuda", dtype=torch.float64)
        self.way = torch.ones(2, device="cuda", dtype=torch.float64)
        self.held: list[Tensor] = []

    def steps(self, n_steps: int) -> None:
        for _ in range(n_steps):
            root = torch.empty_like(self.way)
            torch.sqrt(self.way.mul_(1.5), out=root)
            self.place[:1].add_(root[1:])


def test_a_graph_does_what_its_functions_do(gpu: PretendGpu) -> None:
    walk, other = Walk(), Walk()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        walk.steps(3)
    assert walk.place.tolist() == [0, 0] and walk.way.tolist() == [1, 1], "nothing has run yet"
    gpu.reset()
    graph.replay()
    graph.replay()
    assert (gpu.launches, gpu.kernels, gpu.waits.total()) == (2, 18, 0)
    gpu.reset()
    other.steps(6)
    assert gpu.launches == gpu.kernels == 18
    assert torch.equal(walk.place, other.place) and torch.equal(walk.way, other.way)
    walk.place.zero_()
    graph.replay()
    assert walk.place.tolist()[1] == 0 and walk.way.tolist() == [1.5**9] * 2


def test_a_graph_holds_the_memory_that_it_takes(gpu: PretendGpu) -> None:
    numbers, graph = torch.zeros(MEGABYTE, device="cuda"), torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(3):
            numbers.add_(numbers + 1)
    gpu.reset()
    assert gpu.live == gpu.peak == 8 * MEGABYTE
    graph.replay()
    assert gpu.peak == 8 * MEGABYTE and numbers.tolist()[-1] == 7
    del graph
    gpu.reset()
    assert gpu.live == 4 * MEGABYTE


# Faults of a step, of which capture shows each.
FAULTS: dict[str, Callable[[Walk], object]] = {
    "a number": lambda walk: walk.place.sum().item(),
    "a decision": lambda walk: bool(walk.place[0] > 1),
    "numbers of the host": lambda walk: walk.place.add_(walk.place.new_tensor([1.0, 2.0])),
    "an array of the host": lambda walk: walk.place.add_(torch.ones(2).to("cuda")),
    "to the CPU": lambda walk: walk.place.cpu(),
    "size of a result": lambda walk: walk.place[walk.place > 0],
    "a list as an index": lambda walk: walk.place[[0]],
    "synchronize": lambda walk: torch.cuda.synchronize(),
    "another tensor": lambda walk: setattr(walk, "place", walk.place + 1),
    "a tensor that is kept": lambda walk: walk.held.append(walk.place.square()),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_of_a_step_are_refused_under_capture(gpu: PretendGpu, name: str) -> None:
    walk, graph = Walk(), torch.cuda.CUDAGraph()
    FAULTS[name](walk)  # lawful as such
    walk = Walk()
    refused = pytest.raises(RuntimeError, match=r"stream is capturing$|is still held: ")
    with refused, torch.cuda.graph(graph):
        walk.steps(1)
        FAULTS[name](walk)
    walk.place += 1  # and nothing is captured any more
    assert float(walk.way[0]) == 1
