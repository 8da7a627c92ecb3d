"""How the learning rate goes over a run, and when a run is at its end."""

from __future__ import annotations

import math

from training.checkpoint import Leg, State
from training.config import Fit


def rate(step: int, fit: Fit, leg: Leg) -> float:
    """Share of the peak learning rate at a step: half a cosine that is 0 at the last step.

    The curve is reached in a line within `warmup` steps: from 0 at the begin of a run, and from
    the rate of that moment where a run was given another length.

    Args:
        step: from 0.
        fit: its `steps` and `warmup`.
        leg: when the run was given this length.
    """
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, step / fit.steps)))
    arrived = min(1.0, (step - leg.start + 1) / max(fit.warmup, 1))
    return leg.share + arrived * (cosine - leg.share)


def lengthen(state: State, before: Fit, now: Fit) -> None:
    """Let a resumed run go on to another number of steps than it was begun with."""
    if now.steps != before.steps:
        state.leg = Leg(state.step, rate(state.step, before, state.leg))


def ended(state: State, fit: Fit) -> str:
    """Why there is nothing left to do; empty if there is."""
    if state.step >= fit.steps:
        return f"all {fit.steps} steps are done; go on with a larger --steps or --epochs"
    if fit.patience and state.stale >= fit.patience:
        return (
            f"{state.stale} checkpoints in a row brought no better AP50; go on with a larger "
            "--patience, or 0 for no end"
        )
    return ""
