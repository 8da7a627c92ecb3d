"""Scores as text for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from training.evaluate import Score


def table(scores: Sequence[Score]) -> str:
    """One line a data set, and below, one line a data set by head size."""
    first = f"{'data set':<30} {'heads':>6} {'AP50 [95 %]':>19} {'AP':>6} {'AR':>6}"
    big = f"{'>=16':>6} {'AP50 >=16 [95 %]':>19}"
    lines = [f"{first} {big} {'score':>5} {'recall':>6} {'false':>6} {'count':>6} {'bias':>6}"]
    lines += [_row(score) for score in scores]
    names = list(scores[0].sizes) if scores else []
    lines += ["", f"{'AP50 / recall (heads), px':<30}" + "".join(f" {n:>19}" for n in names)]
    for score in scores:
        cells = (f"{s.ap50:.3f} / {s.recall:.2f} ({s.heads})" for s in score.sizes.values())
        lines.append(f"{_name(score):<30}" + "".join(f" {cell:>19}" for cell in cells))
    return "\n".join(lines)


def _row(s: Score) -> str:
    every = f"{s.ap50:.3f} [{s.ap50_low:.2f}, {s.ap50_high:.2f}]"
    big = f"{s.big_ap50:.3f} [{s.big_ap50_low:.2f}, {s.big_ap50_high:.2f}]"
    return (
        f"{_name(s):<30} {s.heads:>6} {every:>19} {s.ap:>6.3f} {s.ar100:>6.3f} "
        f"{s.big_heads:>6} {big:>19} {s.threshold:>5.2f} {s.recall:>6.2f} "
        f"{s.false_per_picture:>6.2f} {s.count_mae:>6.2f} {s.count_bias:>+6.2f}"
    )


def _name(score: Score) -> str:
    return score.name[-30:]


def audit_table(audits: Mapping[str, Mapping[str, Any]]) -> str:
    """One line a recording."""
    lines = [f"{'recording':<30} {'true':>6} {'found':>6} {'missed':>6} {'false':>6}"]
    for name, report in audits.items():
        tp, fn, fp = (report[key] for key in ("tp", "fn", "fp"))
        lines.append(f"{name[-30:]:<30} {tp + fn:>6} {tp:>6} {fn:>6} {fp:>6}")
    return "\n".join(lines)
