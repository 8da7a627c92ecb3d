"""Builds rooms from a configuration or from options: the bundle, the detector, the corridor.

What `run`, `demo`, `replay` and `audit` have in common, so that all of them count alike.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import edge
from edge.config import CountingConfig, DetectorConfig
from edge.contract.bundle import Bundle, read_bundle
from edge.contract.signature import Trust, read_packaged, trust
from edge.line import LineCounter, LineSettings
from edge.pipeline import Corridor
from edge.tracker import Tracker, TrackerSettings
from edge.types import Line

MODELS = Path(edge.__file__).parent / "models"
DEFAULT_BUNDLE = MODELS / "default"
PACKAGED = MODELS / "packaged.json"

_log = logging.getLogger(__name__)


def choose_bundle(config: DetectorConfig, *, must_be_trusted: bool) -> Bundle:
    """Read and judge the bundle to use, the shipped one if none is named.

    Args:
        config: names the bundle and whether it may be unsigned.
        must_be_trusted: for a service; a replay only warns.

    Raises:
        BundleError: it is missing, damaged, or nobody vouches for it and somebody must.
    """
    bundle = read_bundle(bundle_folder(config.model))
    unsigned = config.allow_unsigned or not must_be_trusted
    judged = judge(bundle, config.trusted_keys, allow_unsigned=unsigned)
    if judged.warning:
        _log.warning("%s", judged.warning)
    return bundle


def bundle_folder(model: Path | None) -> Path:
    """The folder of a bundle: as named, a shipped one by its name, or the default."""
    if model is None:
        return DEFAULT_BUNDLE
    shipped = MODELS / model
    return shipped if len(model.parts) == 1 and shipped.is_dir() and not model.exists() else model


def shipped_bundles() -> list[Path]:
    """The folders of all bundles that came with the application."""
    return sorted(folder for folder in MODELS.iterdir() if folder.is_dir())


def judge(bundle: Bundle, keys: Path, *, allow_unsigned: bool) -> Trust:
    """Who vouches for a bundle, by the trusted keys in a folder.

    Raises:
        BundleError: nobody does and somebody must, or a signature is false.
    """
    return trust(bundle, keys, read_packaged(PACKAGED), allow_unsigned=allow_unsigned)


# A known person is followed down to this share of the score that a new one needs: heads that
# turn or blur lose about a third of their score, clutter seldom has more than that at all.
KEEP = 2 / 3


def keep_score(score: float) -> float:
    """Lowest score, 0..1, that the tracker wants to see, where a new person needs `score`."""
    return KEEP * score


def build_corridor(
    lines: Sequence[Line], config: CountingConfig, score: float, size: tuple[int, int]
) -> Corridor:
    """A fresh tracker and line counter.

    Args:
        lines: where to count.
        config: how the site wants to count.
        score: lowest score of a new person, 0..1.
        size: (width, height) of the pictures; only their ratio matters.

    Raises:
        CallError: a line of no length, an in side on the line, or one name twice.
    """
    aspect = size[0] / size[1]
    tracker = TrackerSettings(birth_score=score, keep_score=keep_score(score), anchor=config.anchor)
    line = LineSettings(config.mode, config.u_turns)
    return Corridor(Tracker(tracker, aspect), LineCounter(lines, line, aspect))
