"""What `data priors` prints: a histogram of head sizes, and how many heads priors can reach."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge.contract.ssd import PriorSpec, priors
from training.data.cache import load_pictures
from training.data.heads import Sample
from training.data.statistics import (
    histogram,
    normalised,
    prior_recall,
    sides_at_300,
    variants,
)

_BIG = 16.0  # pixels at 300x300
_ENOUGH = 400  # pictures: the third digit no longer changes


def prior_report(samples: Sequence[Sample], spec: PriorSpec) -> str:
    """A table for one data set: the spec of the recipe first, then its neighbours."""
    chosen = samples[:: max(1, len(samples) // _ENOUGH)]
    boxes = [normalised(picture)[~picture.ignore] for picture in load_pictures(chosen)]
    sides = np.concatenate([sides_at_300(b) for b in boxes])
    sizes = "  ".join(f"{name}: {share:.2f}" for name, share in histogram(sides))
    lines = [f"{len(sides)} heads, sqrt(area) in pixels at 300x300:  {sizes}"]
    lines.append(f"{'input':>20} {'priors':>7} {'reached':>8} {'>= 16 px':>9}")
    for name, variant in variants(spec):
        reached = prior_recall(boxes, variant)
        big = reached[sides >= _BIG]
        shares = f"{reached.mean():8.3f} {big.mean():9.3f}" if len(big) else f"{'-':>8} {'-':>9}"
        lines.append(f"{name:>20} {len(priors(variant)):7d} {shares}")
    return "\n".join(lines)
