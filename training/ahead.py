"""What later steps need, made while the present one is learnt: by a thread, or by processes.

A step's batch is a pure function of its number, so that who makes it, and how early, changes
nothing of it.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeVar

import cv2
import torch

T = TypeVar("T")

_AHEAD = 2  # steps that each process has before it


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
    fork = multiprocessing.get_context("fork")  # the pictures are shared, not sent
    pool = ProcessPoolExecutor(workers, fork, _begin, (make,))
    try:
        rest = iter(steps)
        ahead = deque(pool.submit(_made, step) for step in islice(rest, _AHEAD * workers))
        while ahead:
            done: T = ahead.popleft().result()
            ahead.extend(pool.submit(_made, step) for step in islice(rest, 1))
            yield done
    finally:  # also where nobody asks for the rest
        pool.shutdown(cancel_futures=True)


_make: Callable[[int], Any]  # of a process that makes


def _begin(make: Callable[[int], Any]) -> None:
    """In each process: what it makes, with one thread, as those of the parent are not there."""
    global _make  # noqa: PLW0603 - a process has one
    _make = make
    torch.set_num_threads(1)
    cv2.setNumThreads(0)


def _made(step: int) -> Any:  # noqa: ANN401 - as `make` has it
    return _make(step)
