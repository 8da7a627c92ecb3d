"""The processes that train one network together, each on its part of every batch.

`torchrun` starts them and tells each its number by the environment. All of them hold the same
weights; what they must agree on goes through `Ranks`. One process alone is the case of size 1, for
which every method gives back what it was given.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

from edge.errors import CallError


@dataclass(frozen=True, slots=True)
class Ranks:
    """This process's number among `size`; number 0 is the chief, which judges and writes."""

    number: int = 0
    size: int = 1

    @property
    def chief(self) -> bool:
        """Whether this process writes the files."""
        return self.number == 0

    def part(self, count: int) -> range:
        """Which of `count` pictures of a batch are this process's."""
        return range(self.number, count, self.size)

    def total(self, value: Tensor) -> Tensor:
        """The sum over all processes, without a gradient."""
        value = value.detach().clone()
        if self.size > 1:
            dist.all_reduce(value)
        return value

    def gathered(self, values: Tensor) -> Tensor:
        """The values (n,) of all processes in one row; each may have another n."""
        if self.size == 1:
            return values
        longest = torch.tensor(len(values), device=values.device)
        dist.all_reduce(longest, dist.ReduceOp.MAX)
        mine = values.new_full((int(longest),), -torch.inf)
        mine[: len(values)] = values
        rows = [torch.empty_like(mine) for _ in range(self.size)]
        dist.all_gather(rows, mine)
        row = torch.cat(rows)
        return row[row > -torch.inf]

    def any(self, here: bool, device: torch.device) -> bool:
        """Whether it is so in any process; `device` is what they speak through."""
        if self.size == 1:
            return here
        return bool(self.total(torch.tensor(float(here), device=device)) > 0)

    def add_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Put the sum over all processes in the place of each gradient."""
        if self.size == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])  # one message, not eighty
        dist.all_reduce(flat)
        parts = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    @contextmanager
    def chief_first(self) -> Iterator[None]:
        """The chief does it alone; then all others do, and find what it left in the cache."""
        if not self.chief:
            dist.barrier()
        yield
        if self.chief and self.size > 1:
            dist.barrier()


ALONE = Ranks()


@contextmanager
def join(environ: Mapping[str, str], device: str) -> Iterator[Ranks]:
    """The processes that torchrun started, or this one alone.

    Args:
        environ: RANK, WORLD_SIZE and LOCAL_RANK, as torchrun sets them.
        device: "cpu" speaks through gloo, "cuda" through nccl, each process with a GPU of its own.

    Raises:
        CallError: "cuda", and there is no GPU for this process.
    """
    size, local = int(environ.get("WORLD_SIZE", "1")), int(environ.get("LOCAL_RANK", "0"))
    if device == "cuda":
        if local >= torch.cuda.device_count():
            raise CallError(
                f"device cuda: this machine has {torch.cuda.device_count()} GPUs that PyTorch can "
                f"use, process {local} finds none; give --device cpu, or start fewer processes"
            )
        torch.cuda.set_device(local)
        torch.backends.cudnn.benchmark = True  # all batches are of one shape
    if size == 1:
        yield ALONE
        return
    dist.init_process_group("nccl" if device == "cuda" else "gloo")
    try:
        yield Ranks(int(environ["RANK"]), size)
    finally:
        dist.destroy_process_group()


def check_batch(batch: int, ranks: Ranks) -> None:
    """Refuse a batch of which a process would have no part.

    Raises:
        CallError: it is smaller than the number of processes.
    """
    if batch < ranks.size:
        raise CallError(
            f"a batch of {batch} cannot be shared by {ranks.size} processes; start fewer, or give "
            "the recipe a larger [fit] batch"
        )
