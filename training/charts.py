"""The curves of a run's report, as SVG that stands in a page without any file beside it."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from numpy.typing import NDArray

from training.runlog import Figures

_PANEL = (5.2, 3.2)  # inches
_QUIET = {"Date": None, "Creator": None}  # the same figures give the same file


def curves(lines: Sequence[Figures], names: Mapping[str, str], axis: str) -> str:
    """Figures of a run's log over its steps.

    Args:
        lines: of `metrics.jsonl`.
        names: a figure's key, and what a reader is to call it.
        axis: what the figures are.
    """
    figure, axes = _panel("step", axis)
    for key, name in names.items():
        points = [(line["step"], line[key]) for line in lines if key in line]
        if points:
            x, y = zip(*points, strict=True)
            axes.plot(x, y, marker="." if len(points) < 60 else "", label=name)
    if axes.lines:
        axes.legend(frameon=False)
    return _svg(figure)


def precision_recall(
    recall: NDArray[np.float64], precision: NDArray[np.float64], working: tuple[float, float]
) -> str:
    """Precision (n,) over recall (n,), and the point at which the detector works."""
    figure, axes = _panel("recall", "precision")
    axes.plot(recall, precision)
    axes.plot(*working, marker="o", linestyle="", label="working score")
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02))
    axes.legend(frameon=False, loc="lower left")
    return _svg(figure)


def bars(groups: Mapping[str, Mapping[str, float]]) -> str:
    """Bars from 0 to 1, for each name side by side: {"8-16": {"AP50": 0.6, "recall": 0.5}}."""
    figure, axes = _panel("head size, pixels at 300x300", "")
    series = list(next(iter(groups.values())))
    wide = 0.8 / len(series)
    for number, name in enumerate(series):
        left = np.arange(len(groups)) + (number - (len(series) - 1) / 2) * wide
        axes.bar(left, [np.nan_to_num(row[name]) for row in groups.values()], wide, label=name)
    axes.set_xticks(range(len(groups)), list(groups))
    axes.set_ylim(0, 1.02)
    axes.legend(frameon=False)
    return _svg(figure)


def _panel(x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(_PANEL, layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    axes.set(xlabel=x, ylabel=y)
    axes.grid(alpha=0.3)
    return figure, axes


def _svg(figure: Figure) -> str:
    """The figure as an <svg> element, its letters as text; without the head of a file."""
    out = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "headcount"}):
        figure.savefig(out, format="svg", metadata=_QUIET)
    text = out.getvalue()
    return text[text.index("<svg") :]
