"""What later steps need, made while the present one is learnt: by a thread, or by processes.

A step's batch is a pure function of its number, so that who makes it, and how early, changes
nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

T = TypeVar("T")


def made_ahead(make: Callable[[int], T], steps: Sequence[int], workers: int) -> Iterator[T]:
    """What `make` gives for each step, in their order.

    Args:
        make: a pure function.
        steps: at least one.
        workers: processes, each of which keeps two ahead; with 0 a thread keeps one, which is as
            fast as one core learns, but not as an accelerator.
    """
    return _by_processes(make, steps, workers) if workers else _by_thread(make, steps)


def _by_thread(make: Callable[[int], T], steps: Sequence[int]) -> Iterator[T]:
    with ThreadPoolExecutor(1) as worker:
        ahead = worker.submit(make, steps[0])
        for step in steps[1:]:
            done = ahead.result()
            ahead = worker.submit(make, step)
            yield done
        yield ahead.result()


def _by_processes(make: Callable[[int], T], steps: Sequence[int], workers: int) -> Iterator[T]:
    loader = DataLoader(
        _Steps(make), batch_size=None, sampler=steps, num_workers=workers, collate_fn=_as_it_is,
        multiprocessing_context="fork",  # the pictures are shared, not sent
        generator=torch.Generator(),  # else it draws from the one that checkpoints keep
    )  # fmt: skip
    yield from loader


class _Steps(Dataset[T], Generic[T]):
    """A step's number to what was made for it, as a DataLoader asks."""

    def __init__(self, make: Callable[[int], T]) -> None:
        self._make = make

    def __getitem__(self, step: int) -> T:
        return self._make(step)


def _as_it_is(made: T) -> T:
    return made
