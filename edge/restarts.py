"""When to start again what failed, and when to leave it alone for a while.

Pure: it is told the time and touches nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RestartRule:
    """How patient to be.

    Attributes:
        limit: so many failures ...
        window_s: ... within so many seconds are too many.
        first_s: pause after the first failure, seconds; each further one doubles it ...
        most_s: ... up to this.
        rest_s: pause after too many.
    """

    limit: int = 3
    window_s: float = 300.0
    first_s: float = 0.2
    most_s: float = 5.0
    rest_s: float = 300.0


@dataclass(slots=True)
class Restarts:
    """The failures of one thing."""

    rule: RestartRule
    _failed: list[float] = field(default_factory=list)  # monotonic seconds, within the window

    def failed(self, now: float) -> None:
        """Take note of a failure at monotonic second `now`."""
        self._failed = [*self._within(now), now]

    def too_many(self, now: float) -> bool:
        """Whether it has failed too often of late."""
        return len(self._within(now)) >= self.rule.limit

    def due(self) -> float:
        """The monotonic second from which it may be started again."""
        if not self._failed:
            return float("-inf")
        if len(self._failed) >= self.rule.limit:
            return self._failed[-1] + self.rule.rest_s
        pause = self.rule.first_s * 2.0 ** (len(self._failed) - 1)
        return self._failed[-1] + min(pause, self.rule.most_s)

    def _within(self, now: float) -> list[float]:
        return [t for t in self._failed if now - t <= self.rule.window_s]
