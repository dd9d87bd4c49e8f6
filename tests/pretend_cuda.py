"""A pretend GPU: tensors that say `cuda:0`, hold their values on the CPU, and refuse to mix.

    with pretend_cuda() as gpu:
        x = torch.ones(3, device="cuda")
        x + torch.ones(3)                  # RuntimeError: two devices
        x.numpy()                          # TypeError, as on a GPU
    gpu.launches, gpu.kernels, gpu.waits, gpu.peak

It works with a torch that was built for the CPU alone. Every function of torch passes a
`TorchFunctionMode`, which looks at its arguments, lets it run on the CPU, and marks its results. It
shows which line forgets a device, reads memory that nobody wrote, or makes the host wait; of real
kernels, of their speed and of their rounding it knows nothing.

Functions that are captured as a CUDA graph are run to know the shapes of their results, and undone;
`replay` runs them again. What real capture refuses is refused, and so is what it would let pass
with wrong numbers: a tensor made in the graph that is still held after it.
"""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any
from unittest import mock
from weakref import ref

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)
# Functions that make the host wait for the GPU, whatever their arguments: it needs a value, or the
# shape of a result, or whether a decomposition has failed.
WAITS = {"item", "tolist", "__float__", "__int__", "__bool__", "__index__", "nonzero", "argwhere"}
WAITS |= {"masked_select", "equal", "allclose", "unique", "is_nonzero", "repeat_interleave"}
WAITS |= {f"linalg_{name}" for name in ("eigh", "eigvalsh", "svd", "qr", "cholesky", "solve")}
# What makes tensors of numbers of the host, which are copied then, and the host waits.
UPLOADS = {"tensor", "as_tensor", "new_tensor"}
FRESH = {"empty", "empty_like", "empty_strided", "new_empty"}
# Products, which TF32 makes less accurate where it is allowed; of two operands, their last ones.
PRODUCTS = {"mm", "bmm", "matmul", "__matmul__", "mv", "addmm", "baddbmm", "addmv", "addmv_"}
OURS = os.path.dirname(torch.__file__), __file__


class PretendTensor(torch.Tensor):
    """A tensor of the pretend GPU. While a function of torch runs, it is one of the CPU."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @property
    def device(self) -> torch.device:
        """The pretend GPU."""
        return CPU if _gpu is None or _gpu.inside else CUDA

    @property
    def is_cuda(self) -> bool:
        """True."""
        return self.device == CUDA

    def __format__(self, spec: str) -> str:
        return format(repr(self) if self.dim() else self.item(), spec)

    def __reduce_ex__(self, protocol: Any) -> Any:
        # Of a file that is loaded with map_location="cpu"
        return self.as_subclass(torch.Tensor).__reduce_ex__(protocol)


_gpu: "PretendGpu | None" = None


class PretendGraph:
    """A CUDA graph: functions that were captured, with their arguments.

    What they make is known by numbers, and made anew by each replay. n_kernels: number of functions
    for which a GPU would launch kernels. pool: memory that the graph holds.
    """

    def __init__(self) -> None:
        self.n_kernels = 0
        self.pool: PretendPool | None = None
        self._calls: list[tuple[Any, Any, dict[int, int]]] = []
        self._made: dict[int, tuple[ref, int]] = {}
        self._n_made = 0
        # Memory that functions have made, and what other memory held before.
        self._fresh: dict[int, StorageWeakRef] = {}
        self._before: dict[int, tuple[torch.UntypedStorage, torch.UntypedStorage]] = {}

    def touch(self, tensors: list[torch.Tensor]) -> None:
        """Keep what tensors hold that a function may write to."""
        for one in tensors:
            storage = one.untyped_storage()
            if storage._cdata not in self._before.keys() | self._fresh.keys():
                self._before[storage._cdata] = storage, storage.clone()

    def record(self, call: Any, given: Any, found: Any, fresh: list[torch.Tensor]) -> None:
        """Take a call with what was given and found; fresh: tensors of new memory."""
        for one in fresh:
            self._fresh[one.untyped_storage()._cdata] = StorageWeakRef(one.untyped_storage())
        kept, before = tree_map(self._known, given), {id(one) for one in tree_leaves(given)}
        numbers = {}
        for place, one in enumerate(tree_leaves(found)):
            if isinstance(one, torch.Tensor) and id(one) not in before:
                self._n_made += 1
                self._made[id(one)] = ref(one), self._n_made
                numbers[place] = self._n_made
        self._calls.append((call, kept, numbers))

    def _known(self, one: Any) -> Any:
        made, number = self._made.get(id(one), (None, 0))
        return _Made(number) if made is not None and made() is one else one

    def undo(self) -> None:
        """Undo what the functions have done: capturing runs nothing."""
        for storage, before in self._before.values():
            storage.copy_(before)
        self._before.clear()

    def check(self) -> None:
        """Raise RuntimeError where a replay would not do what its functions do."""
        if not all(one.expired() for one in self._fresh.values()):
            raise RuntimeError("a tensor of the graph is still held: replays write to another one")

    def replay(self) -> None:
        """Run the functions on the tensors of the capture."""
        assert _gpu is not None
        made: dict[int, Any] = {}

        def known(one: Any) -> Any:
            return made[one.number] if isinstance(one, _Made) else one

        _gpu.launches += 1
        _gpu.kernels += self.n_kernels
        with torch._C.DisableTorchFunction():
            for call, kept, numbers in self._calls:
                args, kwargs = tree_map(known, kept)
                found = tree_leaves(call(*args, **kwargs))
                made.update((number, found[place]) for place, number in numbers.items())


class PretendPool:
    """Memory of graphs that do not run at once."""

    def __init__(self) -> None:
        self.memory: torch.UntypedStorage | None = None

    def size(self) -> int:
        """Bytes that it has."""
        return 0 if self.memory is None else self.memory.nbytes()


class _Made:
    """Stands for a tensor that a graph has made."""

    def __init__(self, number: int):
        self.number = number


class PretendGpu(TorchFunctionMode):
    """What happens on the pretend GPU.

    launches: by the host, one for each function for which a GPU would launch kernels, and for each
    replay of a graph. kernels: such functions that have run there. waits: how often the host waits,
    by file and line. live, peak: bytes of the tensors that are there, and the most there were.
    inside: whether a function of torch runs. graph: the one that captures now. memory: bytes that
    it has.
    """

    def __init__(self, memory: int):
        super().__init__()
        self.memory = memory
        self.launches = self.kernels = 0
        self.graph: PretendGraph | None = None
        self.waits: Counter[str] = Counter()
        self.live = self.peak = 0
        self.inside = False
        self._storages: dict[int, tuple[StorageWeakRef, int]] = {}

    def reset(self) -> None:
        """Count from here on; the peak begins with what is there."""
        self.launches, self.kernels, self.waits = 0, 0, Counter()
        self._forget_freed()
        self.peak = self.live

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run a function of torch."""
        kwargs, name = kwargs or {}, func.__name__
        tensors = [one for one in tree_leaves((args, kwargs)) if isinstance(one, torch.Tensor)]
        here = any(isinstance(one, PretendTensor) for one in tensors)
        to = _destination(name, args, kwargs)
        if not here and to != "cuda":
            return func(*args, **kwargs)
        self.inside = True
        try:
            return self._run(func, name, args, kwargs, tensors, here, to)
        finally:
            self.inside = False

    def _run(
        self,
        func: Any,
        name: str,
        args: tuple,
        kwargs: dict[str, Any],
        tensors: list[torch.Tensor],
        here: bool,
        to: str | None,
    ) -> Any:
        moves = False
        if name in ("numpy", "__array__"):
            raise TypeError("can't convert cuda:0 device type tensor to numpy: use Tensor.cpu()")
        if name in ("__getitem__", "__setitem__"):
            self._index(name, *args)
        elif name in ("to", "cpu"):
            moves = to is not None and isinstance(args[0], PretendTensor) != (to == "cuda")
        elif name == "copy_":
            moves = len({isinstance(one, PretendTensor) for one in args[:2]}) == 2
        elif name != "_has_compatible_shallow_copy_type":  # a question of `Module.to`
            _refuse_mixed(name, args, kwargs, tensors)
        if name in WAITS or name in UPLOADS or (name == "where" and len(args) == 1) or moves:
            self._wait()
        call = func
        if name in PRODUCTS and torch.backends.cuda.matmul.allow_tf32:
            call = _in_tf32(func)
        elif name in FRESH:
            call = _poisoned(func)
        if self.graph is not None:
            self.graph.touch(tensors)
        known = {one.untyped_storage()._cdata for one in tensors}
        versions = [0 if one.is_inference() else one._version for one in tensors]
        args, kwargs = tree_map(lambda one: CPU if _is_cuda(one) else one, (args, kwargs))
        result = call(*args, **kwargs)
        if moves and isinstance(result, torch.Tensor) and name != "copy_":
            # On the CPU it is the same tensor.
            result = result.clone()
        if to == "cpu":
            return result.as_subclass(torch.Tensor) if isinstance(result, torch.Tensor) else result
        found = [one for one in tree_leaves(result) if isinstance(one, torch.Tensor)]
        fresh = [one for one in found if one.untyped_storage()._cdata not in known]
        written = [0 if one.is_inference() else one._version for one in tensors] != versions
        for one in fresh:
            self._keep(one.untyped_storage())
        marked = tree_map(_marked, result) if found else result
        runs = (bool(fresh) or written) and name not in FRESH and not moves
        if self.graph is not None:
            self.graph.record(call, (args, kwargs), marked, fresh)
            self.graph.n_kernels += runs
        else:
            self.launches += runs
            self.kernels += runs
        return marked

    def _index(self, name: str, target: torch.Tensor, index: Any, value: Any = None) -> None:
        """Check an index, and whether the host waits for it."""
        parts = index if isinstance(index, tuple) else (index,)
        here = isinstance(target, PretendTensor)
        arrays = [one for one in parts if hasattr(one, "__len__") or isinstance(one, torch.Tensor)]
        # A mask tells how large the result is, unless it only chooses where a number goes.
        number = name == "__setitem__" and not hasattr(value, "__len__")
        for one in arrays:
            if not isinstance(one, PretendTensor):
                self._wait()
            elif not here:
                _refuse(f"{name} of a tensor on the cpu")
            elif one.dtype == torch.bool and not number:
                self._wait()
        if isinstance(value, torch.Tensor) and isinstance(value, PretendTensor) != here:
            if arrays and value.dim():
                _refuse(f"{name} of values")
            self._wait()

    def _wait(self) -> None:
        if self.graph is not None:
            raise RuntimeError("CUDA error: operation not permitted when stream is capturing")
        self.waits[_place()] += 1

    @contextmanager
    def capture(self, graph: PretendGraph, pool: "PretendPool | None" = None) -> Iterator[None]:
        """Let a graph capture what is called here; pool: memory that it shares with others."""
        graph.pool = pool or PretendPool()
        size, graph.pool.memory = graph.pool.size(), None
        self._forget_freed()
        before, peak = self.live, self.peak
        self.graph, self.peak = graph, before
        try:
            yield
        finally:
            self.graph = None
            graph.undo()
        graph.check()
        graph.pool.memory = torch.UntypedStorage(max(size, self.peak - before))
        self.peak = max(peak, self.peak)
        self._forget_freed()
        self._keep(graph.pool.memory)

    def _keep(self, storage: torch.UntypedStorage) -> None:
        """Count the memory of a new tensor; raises torch.OutOfMemoryError where there is none."""
        self._storages[storage._cdata] = StorageWeakRef(storage), storage.nbytes()
        self.live += storage.nbytes()
        if self.live > min(self.peak, self.memory):
            self._forget_freed()
            if self.live > self.memory:
                raise torch.OutOfMemoryError("CUDA out of memory. (pretend)")
            self.peak = max(self.peak, self.live)

    def _forget_freed(self) -> None:
        there = {key: one for key, one in self._storages.items() if not one[0].expired()}
        self._storages, self.live = there, sum(size for _, size in there.values())


@contextmanager
def pretend_cuda(memory: int = 80 * 1024**3, name: str = "Pretend") -> Iterator[PretendGpu]:
    """Pretend that there is a GPU of so many bytes, the only one."""
    global _gpu
    gpu = PretendGpu(memory)
    stream = SimpleNamespace(wait_stream=lambda other: None)
    properties = SimpleNamespace(name=name, total_memory=memory, major=9, minor=0)
    patches = {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "get_device_name": lambda *_: name,
        "get_device_properties": lambda *_: properties,
        "mem_get_info": lambda *_: (gpu.memory - gpu.live, gpu.memory),
        "memory_reserved": lambda *_: gpu.live,
        "synchronize": lambda *_: gpu._wait(),
        "CUDAGraph": PretendGraph,
        "graph": gpu.capture,
        "graph_pool_handle": PretendPool,
        "Stream": lambda *_: stream,
        "current_stream": lambda *_: stream,
        "stream": nullcontext,
    }
    # `Module.to` makes new parameters; those that are there would stay on the CPU.
    overwrite = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    before, _gpu = _gpu, gpu
    try:
        with mock.patch.multiple(torch.cuda, **patches), gpu:
            yield gpu
    finally:
        _gpu = before
        torch.__future__.set_overwrite_module_params_on_conversion(overwrite)


def _is_cuda(value: Any) -> bool:
    if isinstance(value, str):
        return value.partition(":")[0] == "cuda"
    return isinstance(value, torch.device) and value.type == "cuda"


def _destination(name: str, args: tuple, kwargs: dict[str, Any]) -> str | None:
    """Type of the device that a call asks for, None for that of its arguments."""
    if name == "cpu":
        return name
    asked = [kwargs.get("device")]
    if name == "to":
        asked += [kwargs.get("other"), *args[1:]]
    for one in asked:
        if isinstance(one, torch.Tensor):
            return "cuda" if isinstance(one, PretendTensor) else "cpu"
        if isinstance(one, str | torch.device):
            return torch.device(one).type
    return None


def _refuse_mixed(
    name: str, args: tuple, kwargs: dict[str, Any], tensors: list[torch.Tensor]
) -> None:
    """Raise RuntimeError for tensors of two devices, but for single numbers that are only read."""
    others = [one for one in tensors if not isinstance(one, PretendTensor)]
    in_place = name.endswith("_") and (not name.endswith("__") or name.startswith("__i"))
    targets = [*tree_leaves(kwargs.get("out")), *(args[:1] if in_place else ())]
    for one in others:
        if (one.dim() or any(one is target for target in targets)) and len(others) < len(tensors):
            _refuse(name)


def _refuse(what: str) -> None:
    raise RuntimeError(
        f"Expected all tensors to be on the same device, but found at least two devices, cuda:0 "
        f"and cpu! ({what}, {_place()})"
    )


def _marked(value: Any) -> Any:
    plain = isinstance(value, torch.Tensor) and not isinstance(value, PretendTensor)
    return value.as_subclass(PretendTensor) if plain else value


def _poisoned(make: Any) -> Any:
    """A function that makes tensors, of which fresh memory holds anything."""

    def call(*args: Any, **kwargs: Any) -> Any:
        fresh = make(*args, **kwargs)
        if fresh.is_floating_point():
            return fresh.fill_(float("nan"))
        return fresh.fill_(True if fresh.dtype == torch.bool else torch.iinfo(fresh.dtype).max // 3)

    return call


def _in_tf32(product: Any) -> Any:
    """A product whose float32 operands have the 10 bits that TF32 has."""

    def rounded(operand: Any) -> Any:
        if not isinstance(operand, torch.Tensor) or operand.dtype != torch.float32:
            return operand
        bits = operand.contiguous().view(torch.int32)
        return ((bits + 0x1000) & ~0x1FFF).view(torch.float32)

    return lambda *args, **kwargs: product(*args[:-2], *map(rounded, args[-2:]), **kwargs)


def _place() -> str:
    """File and line of the code that has called torch."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(OURS):
        frame = frame.f_back
    file = frame.f_code.co_filename.rpartition("/regimes/")[2]
    return f"{file}:{frame.f_lineno}"
