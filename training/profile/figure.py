"""Staircases as a picture: channels against milliseconds, steps marked, ragged counts visible."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from edge.contract.bundle import write_file
from edge.errors import DataError
from training.profile.staircase import Staircase

_COLUMNS = 3
_PANEL = (4.6, 3.0)  # inches


def draw(stairs: Sequence[tuple[Staircase, int]], title: str) -> bytes:
    """A PNG with one panel for each staircase.

    The band is the 10th to the 90th percentile, the points are medians: filled where a count is a
    whole number of steps, hollow where it is not. The lines up and down are the steps.
    """
    rows = -(-len(stairs) // _COLUMNS)
    figure = Figure((_PANEL[0] * _COLUMNS, _PANEL[1] * rows), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=10)
    for number, (each, step) in enumerate(stairs, start=1):
        _panel(figure.add_subplot(rows, _COLUMNS, number), each, step)
    out = io.BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()


def write_figure(path: Path, stairs: Sequence[tuple[Staircase, int]], title: str) -> None:
    """Draw staircases into a file; it is moved into place whole.

    Raises:
        DataError: the file cannot be written.
    """
    try:
        write_file(path, draw(stairs, title))
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror}") from error


def _panel(axes: Axes, stairs: Staircase, step: int) -> None:
    axes.fill_between(stairs.counts, stairs.p10, stairs.p90, color="#b8cfe8", linewidth=0)
    whole = [count % step == 0 for count in stairs.counts]
    for filled in (False, True):
        points = [
            (count, time)
            for count, time, is_whole in zip(stairs.counts, stairs.median, whole, strict=True)
            if is_whole == filled
        ]
        face = "#1f4e79" if filled else "white"
        x, y = zip(*points, strict=True) if points else ((), ())
        axes.plot(x, y, "o", markersize=3.5, color="#1f4e79", markerfacecolor=face)
    if step > 1:
        first = -(-stairs.counts[0] // step) * step
        for edge in range(first, stairs.counts[-1] + 1, step):
            axes.axvline(edge + 0.5, color="#c05020", linewidth=0.6, alpha=0.6)
    axes.set_title(f"{stairs.shape}: step {step}", fontsize=8)
    axes.set_xlabel("output channels" if stairs.axis == "cout" else "input channels", fontsize=8)
    axes.set_ylabel("ms", fontsize=8)
    axes.set_ylim(bottom=0)
    axes.tick_params(labelsize=7)
