"""Steps that a GPU makes without its host: many of them launched at once, as a CUDA graph.

A graph is the kernels of some steps, with the addresses they work on. Whoever launches it saves the
launches of all of them, but the host decides nothing within. Of loops in which it does,
`StepsAhead` makes groups of steps and goes back where the host had to decide something in between.
Where that is in each step, `Stage` is what is made between.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor

# Steps of a graph.
LENGTH = 32
R = TypeVar("R")


class Captured:
    """Makes steps, `length` of them as one CUDA graph.

    make_steps: makes as many steps as it is told. On a GPU it has to work in place, on tensors that
    stay where they are, without the host's waiting for a number or giving one that changes; what it
    makes beside them is gone when it returns. Elsewhere, and for other numbers of steps, it is
    called. So it is the first time, before a graph is captured: libraries get ready then.
    pool: the memory of the graph, of `torch.cuda.graph_pool_handle`, which it shares with others.
    """

    def __init__(
        self,
        make_steps: Callable[[int], None],
        device: torch.device,
        length: int = LENGTH,
        pool: Any = None,
    ):
        self.length = length
        self._pool = pool
        self._make_steps = make_steps
        self._captures = device.type == "cuda"
        self._ready = False
        self._graph: torch.cuda.CUDAGraph | None = None

    def run(self, n_steps: int) -> None:
        """Make steps, without waiting for them."""
        if not self._captures or n_steps != self.length:
            self._make_steps(n_steps)
        elif not self._ready:
            # As torch asks for it: not on the stream that the host's work is on.
            here, beside = torch.cuda.current_stream(), torch.cuda.Stream()
            beside.wait_stream(here)
            with torch.cuda.stream(beside):
                self._make_steps(n_steps)
            here.wait_stream(beside)
            self._ready = True
        else:
            if self._graph is None:
                self._graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(self._graph, pool=self._pool):
                    self._make_steps(n_steps)
            self._graph.replay()


class Stage(Generic[R]):
    """A part of a step, whose results stay where they were made the first time.

    function: returns tensors, in dataclasses, mappings and sequences, of the same shapes each time.
    device: a GPU, where it is captured, for which it has to be as for `Captured`, or another, where
    it is not; pool: see there.
    """

    def __init__(self, function: Callable[[], R], device: torch.device, pool: Any = None):
        kept: list[R] = []

        # It does not know the stage: their memory is to be free as soon as nobody does.
        def make(_: int) -> None:
            found = function()
            if kept:
                write(kept[0], found)
            else:
                kept.append(found)

        self._kept = kept
        self._captured = Captured(make, device, 1, pool)

    @property
    def found(self) -> R:
        """What the function has returned."""
        return self._kept[0]

    def run(self) -> None:
        """Call the function."""
        self._captured.run(1)


def write(target: Any, source: Any) -> None:
    """Write tensors to those that are in the same places of dataclasses, mappings and sequences."""
    for old, new in zip(_tensors(target), _tensors(source), strict=True):
        if old is not new:
            old.copy_(new)


def _tensors(tree: Any) -> Iterator[Tensor]:
    if isinstance(tree, Tensor):
        yield tree
    elif is_dataclass(tree):
        for field in fields(tree):
            yield from _tensors(getattr(tree, field.name))
    elif isinstance(tree, Mapping | Sequence) and not isinstance(tree, str):
        for one in tree.values() if isinstance(tree, Mapping) else tree:
            yield from _tensors(one)


class Restorable(Protocol):
    """What can go back to where it was."""

    def state(self) -> dict[str, Tensor]:
        """Return what `restore` needs; views, not copies."""

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a state, with the same bits."""


class StepsAhead:
    """Makes the steps of a loop that looks at a number of each, in groups that it looks at once.

    network: what moves. step, look: make a step, and say what is seen there, tensors of one shape;
    both as for `Captured`, unless they are not static. `look` has to bring about all that the next
    step needs. All is as if the host had looked at each step: where it finds a step after which the
    loop has to do something, the group is made again up to there. So that this takes at most as
    many steps as were made before, the first group is one step, and each is at most twice as long
    as the last one.
    """

    def __init__(
        self,
        network: Restorable,
        step: Callable[[], Any],
        look: Callable[[], Tensor],
        *,
        static: bool = True,
    ):
        self._network, self._step, self._look = network, step, look
        seen = look()
        self._seen = seen.new_empty(LENGTH, *seen.shape)
        self._device = seen.device if static else torch.device("cpu")
        self.restart()

    def restart(self) -> None:
        """Begin with short groups: something has happened, and tensors may be others."""
        self._most = 1
        self._group = Captured(self._make_steps, self._device, LENGTH)

    def make(self, most: int, stops: Callable[[list[Any]], bool]) -> list[Any]:
        """Make at least one step and at most so many; what was seen after each, as numbers.

        stops: whether the loop has to do something after the last of these steps, of which it is
        given what was seen. The host waits once.
        """
        n_steps = min(most, self._most)
        self._most = min(2 * self._most, LENGTH)
        state = self._network.state() if n_steps > 1 else {}
        saved = {name: values.clone() for name, values in state.items()}
        self._group.run(n_steps)
        seen = self._seen[:n_steps].tolist()
        made = next((n for n in range(1, n_steps) if stops(seen[:n])), n_steps)
        if made < n_steps:
            self._network.restore(saved)
            self._look()
            self._make_steps(made)
            self.restart()
        return seen[:made]

    def _make_steps(self, n_steps: int) -> None:
        seen = []
        for _ in range(n_steps):
            self._step()
            seen.append(self._look())
        torch.stack(seen, out=self._seen[:n_steps])
