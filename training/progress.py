"""What a person sees of a run while it goes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from training.keeper import Report
from training.runlog import Figures


@contextmanager
def progress(steps: int, *, shown: bool = True) -> Iterator[Report]:
    """A bar on a terminal, plain lines elsewhere; nothing where another process shows it."""
    if not shown:
        yield lambda _: None
        return
    if not sys.stdout.isatty():
        yield lambda figures: print(_line(figures, steps), flush=True)
        return
    from rich.progress import Progress  # noqa: PLC0415 - only a terminal needs it

    with Progress() as bar:
        task = bar.add_task("fit", total=steps)

        def report(figures: Figures) -> None:
            bar.update(task, completed=figures["step"], description=_line(figures, steps))

        yield report


def _line(figures: Figures, steps: int) -> str:
    parts = [f"{key} {value:.4g}" for key, value in figures.items() if key != "step"]
    return f"step {int(figures['step'])}/{steps}  {'  '.join(parts)}"
