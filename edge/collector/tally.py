"""What a collector counts of itself; one thread counts, any thread may read."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """Since the start of the process; `refused`: messages that could not be read, by topic."""

    stored: int = 0  # events
    duplicates: int = 0  # events that were stored before
    commits: int = 0
    commit_s: float = 0.0  # seconds, of all commits
    store_errors: int = 0
    broker_errors: int = 0
    store_up: bool = False
    broker_up: bool = False
    refused: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("event", "state", "health", "availability"), 0)
    )
