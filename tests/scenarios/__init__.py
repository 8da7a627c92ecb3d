"""Door scenes with exact truth: what a detector would see, without pictures.

`KNOWN` are thirteen situations that have been counted with other programs as well, `HARD` are our
own, at doors of any slant, with heads and bodies of any size and 4 to 30 pictures a second.
"""

from tests.scenarios.hard import HARD
from tests.scenarios.known import KNOWN, PAUSE
from tests.scenarios.scene import EPISODES, Place, Scenario, frames, play, totals

SCENARIOS = (*KNOWN, *HARD)

__all__ = [
    "EPISODES",
    "HARD",
    "KNOWN",
    "PAUSE",
    "SCENARIOS",
    "Place",
    "Scenario",
    "frames",
    "play",
    "totals",
]
