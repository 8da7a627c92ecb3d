"""What is kept of a run while it goes: its log, `last.pt`, `best.pt`, sample pictures.

The order makes a kill at any moment harmless: the log is written first and can be taken back, then
`best.pt`, which a worse one never replaces, and at the end `last.pt`, from which a run goes on.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import torch

from edge.errors import DataError
from training.checkpoint import State, checkpoint, load, save
from training.config import Recipe
from training.models.ssd import SSD
from training.runlog import Figures, RunLog

Validate = Callable[[SSD], Figures]  # a model to its metrics; "ap50" chooses the best
Report = Callable[[Figures], None]
Show = Callable[[SSD, int], None]  # draws what a model finds at a step

LAST, BEST = "last.pt", "best.pt"


class Keeper:
    """Writes the files of one run. Of ranks that train together, only one writes."""

    def __init__(
        self, state: State, recipe: Recipe, out: Path,
        validate: Validate, report: Report, show: Show | None, *, writes: bool,
    ) -> None:  # fmt: skip
        self._state, self._recipe, self._out = state, recipe, out
        self._validate, self._report, self._show = validate, report, show
        self._writes = writes
        self._saved = state.step
        self._log = RunLog(out)
        self._best = -math.inf  # AP50 of the best.pt that lies there
        if writes:
            _make(out)
            self._log.take_back(state.step)
            if state.step and (out / BEST).exists():  # else it is of another run
                self._best = load(out / BEST).get("ap50", -math.inf)

    def kept(self) -> str:
        """What there is to go on from, for a message."""
        if not self._saved:
            return "nothing was saved yet"
        return f"{self._out / LAST} stays as it was after step {self._saved}"

    def log(self) -> None:
        """Write the mean figures of the steps since the last log."""
        state, window = self._state, self._state.window
        figures = {key: sum(step[key] for step in window) / len(window) for key in window[0]}
        state.window = []
        if self._writes:
            speed = state.step * self._recipe.fit.batch / max(state.seconds, 1e-9)
            self._write({**figures, "images_per_s": speed})

    def check(self, *, due: bool) -> None:
        """Judge the average and save the run.

        A check that is not `due`, as when the time is up, is one that an uninterrupted run would
        not have made: it may give a better best.pt, but log and patience know nothing of it.

        Raises:
            DataError: the weights are not finite, or a file cannot be written.
        """
        if not self._writes:
            return
        state, out = self._state, self._out
        self._demand_numbers()
        metrics = self._validate(state.ema)
        ap50 = metrics.get("ap50", 0.0)
        if due:
            better = ap50 > state.best
            state.best, state.stale = max(state.best, ap50), 0 if better else state.stale + 1
            self._write({**metrics, "seconds": state.seconds})
            self._log.write_results()
        else:
            self._report({"step": state.step, **metrics})
        data = checkpoint(state, self._recipe, ap50)
        if ap50 > self._best:
            save(data, out / BEST)
            self._best = ap50
        save(data, out / LAST)
        self._saved = state.step
        every = self._recipe.fit.samples_every * self._recipe.fit.check_every
        if (
            self._show
            and every
            and (state.step % every == 0 or state.step == self._recipe.fit.steps)
        ):
            self._show(state.ema, state.step)

    def _demand_numbers(self) -> None:
        """An update can overflow although its gradient did not."""
        nets = (self._state.net, self._state.ema)
        if not all(
            bool(torch.isfinite(weights).all()) for net in nets for weights in net.parameters()
        ):
            raise DataError(
                f"step {self._state.step}: the weights are not finite any more; {self.kept()}: "
                "begin anew with lower rates, [fit] lr_heads and lr_backbone"
            )

    def _write(self, figures: Figures) -> None:
        self._report(self._log.write({"step": self._state.step, **figures}))


def _make(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{out}: cannot be made: {error.strerror}") from error
