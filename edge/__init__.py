"""headcount, the half that runs at the door: camera in, counts out."""

from __future__ import annotations

__version__ = "0.1.0"
