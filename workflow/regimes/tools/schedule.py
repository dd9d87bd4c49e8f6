"""How long jobs that wait for each other's files take on some cores."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """A job of one core: its seconds, the files that it reads and writes, and what goes first."""

    seconds: float
    input: tuple[str, ...]
    output: tuple[str, ...]
    priority: int = 0
    gpu: int = 0


def wall_seconds(tasks: Sequence[Task], cores: int, gpus: int = 1) -> float:
    """Seconds until all are done, each started as soon as its files and a core (or GPU) are there.

    As Snakemake's greedy scheduler does it: by priority, then in the given order.
    """
    makers = {path: index for index, task in enumerate(tasks) for path in task.output}
    waiting = [{makers[path] for path in task.input if path in makers} for task in tasks]
    readers: list[list[int]] = [[] for _ in tasks]
    for index, needed in enumerate(waiting):
        for maker in needed:
            readers[maker].append(index)
    ready = [(-task.priority, index) for index, task in enumerate(tasks) if not waiting[index]]
    heapq.heapify(ready)
    running: list[tuple[float, int]] = []
    now, free = 0.0, gpus
    while ready or running:
        held = []
        while ready and len(running) < cores:
            entry = heapq.heappop(ready)
            task = tasks[entry[1]]
            if task.gpu > free:
                held.append(entry)
                continue
            free -= task.gpu
            heapq.heappush(running, (now + task.seconds, entry[1]))
        for entry in held:
            heapq.heappush(ready, entry)
        if not running:  # jobs that want more GPUs than there are
            break
        now, done = heapq.heappop(running)
        free += tasks[done].gpu
        for reader in readers[done]:
            waiting[reader].discard(done)
            if not waiting[reader]:
                heapq.heappush(ready, (-tasks[reader].priority, reader))
    return now
