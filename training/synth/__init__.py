"""Rendered doors to train on: a camera, people, things, light and a sensor, all by chance.

Like `edge.scene`, but not for demos: it is seen from any tilt, in three dimensions, and may
change, so that whatever keeps its pictures keeps `VERSION` with them.
"""

from __future__ import annotations

from training.synth.picture import render
from training.synth.wish import FEATURES, PRESETS, Wish

VERSION = 1  # another number for every change that changes pictures

__all__ = ["FEATURES", "PRESETS", "VERSION", "Wish", "render"]
