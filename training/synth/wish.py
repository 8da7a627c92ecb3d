"""What pictures shall be like: tilts of the camera, and features that must appear."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge.errors import CallError
from training.synth.carried import CARRIED
from training.synth.clutter import CLUTTER
from training.synth.crowd import GROUPS
from training.synth.floor import FLOORS
from training.synth.head import FACES, HAIRS
from training.synth.headwear import HEADWEAR
from training.synth.light import LIGHTS, PATCHES
from training.synth.people import ARMS, CLOTHES
from training.synth.room import FITTINGS
from training.synth.sensor import FAULTS, TONES

PRESETS: Mapping[str, Mapping[tuple[float, float], float]] = {  # tilts in degrees, their odds
    "overhead": {(0, 4): 0.6, (4, 20): 0.4},
    "oblique": {(20, 40): 0.5, (40, 60): 0.5},
    "mixed": {(0, 4): 0.33, (4, 20): 0.22, (20, 40): 0.2, (40, 60): 0.25},
}
FEATURES: frozenset[str] = frozenset().union(
    HEADWEAR, HAIRS, FACES, CLOTHES, ARMS, CARRIED, CLUTTER, FLOORS, FITTINGS, LIGHTS, PATCHES,
    FAULTS, TONES, GROUPS, ("child", "coat", "fish-eye", "jpeg"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wish:
    """What pictures shall be like.

    Args:
        tilt: least and most degrees from straight down; None leaves it to the preset.
        preset: one of PRESETS.
        want: features that must appear, of FEATURES.

    Raises:
        CallError: no such preset or feature, or tilts that are none.
    """

    tilt: tuple[float, float] | None = None
    preset: str = "mixed"
    want: frozenset[str] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise CallError(f"preset {self.preset!r}: must be one of {', '.join(PRESETS)}")
        if unknown := sorted(self.want - FEATURES):
            raise CallError(
                f"no such feature: {unknown[0]!r}; known are {', '.join(sorted(FEATURES))}"
            )
        if self.tilt is not None and not 0 <= self.tilt[0] <= self.tilt[1] <= 60:
            raise CallError(
                f"tilt {self.tilt}: must be two degrees from 0 to 60, the lower one first"
            )
