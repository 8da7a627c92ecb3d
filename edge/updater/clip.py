"""The recorded clip of a door, with its truth: what a new model must count as well as the old one.

    models/clip/
      clip.mp4           at most 200 pictures; never leaves the device
      clip.json          its lines and rate
      clip_events.csv    who truly passed, which its owner vouches for

Without the last file there is a clip, but no truth, and nothing is tested with it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

MOST_FRAMES = 200


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip in a folder, which may be missing."""

    folder: Path

    @property
    def video(self) -> Path:
        """The pictures."""
        return self.folder / "clip.mp4"

    @property
    def truth(self) -> Path:
        """The truth file, as `headcount audit` reads it."""
        return self.folder / "clip.json"

    @property
    def events(self) -> Path:
        """Who truly passed."""
        return self.folder / "clip_events.csv"

    @property
    def draft(self) -> Path:
        """Who was counted, for the owner to mend."""
        return self.folder / "clip_events.draft.csv"

    @property
    def sha256(self) -> str:
        """Of all three files."""
        digest = hashlib.sha256()
        for path in (self.video, self.truth, self.events):
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()


def clip_of(models: Path) -> Clip:
    """Where the clip of a door is, below the folder of its models."""
    return Clip(models / "clip")


def find_clip(models: Path) -> Clip | None:
    """The clip of a door, if it has one with a truth."""
    clip = clip_of(models)
    whole = all(path.is_file() for path in (clip.video, clip.truth, clip.events))
    return clip if whole else None
