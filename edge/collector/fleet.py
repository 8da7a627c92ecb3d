"""What the devices last said of themselves, in memory, for metrics; any thread may ask."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from edge.contract.messages import OFFLINE, ONLINE, HealthSnapshot, StateMessage
from edge.errors import DataError

_MOST = 10_000  # devices; who publishes under more names is no fleet
_EPOCHS = 4  # that a device is remembered by


@dataclass(frozen=True, slots=True)
class Device:
    """A device's last words. None: it has not said so yet."""

    online: bool | None = None
    state: StateMessage | None = None
    health: HealthSnapshot | None = None
    heard: float | None = None  # Unix seconds at which its last event was
    epochs: deque[str] = field(default_factory=lambda: deque(maxlen=_EPOCHS))


class Fleet:
    """All devices that were heard."""

    def __init__(self) -> None:
        self._devices: dict[str, Device] = {}
        self._lock = threading.Lock()

    def snapshot(self) -> dict[str, Device]:
        """The devices by name, as they are now."""
        with self._lock:
            return dict(sorted(self._devices.items()))

    def hear_event(self, device: str, now: float) -> None:
        """An event of a device was stored at Unix second `now`."""
        self._change(device, heard=now)

    def hear(self, device: str, kind: str, payload: bytes, now: float) -> bool:
        """Take in `availability`, `state` or `health`; an empty one forgets the device.

        Args:
            device: who says so.
            kind: the last level of the topic.
            payload: what it says.
            now: Unix seconds.

        Returns:
            Whether two devices must have this name: each has an epoch of its own, and they take
            turns. A new epoch alone is a new card.

        Raises:
            DataError: it cannot be read.
        """
        if not payload:  # how one clears what is retained: the device is no more
            with self._lock:
                self._devices.pop(device, None)
        elif kind == "health":
            self._change(device, health=HealthSnapshot.from_json(payload))
        elif kind == "availability":
            self._change(device, online=_read_availability(payload))
        else:
            return self._hear_state(device, StateMessage.from_json(payload), now)
        return False

    def _hear_state(self, device: str, state: StateMessage, now: float) -> bool:
        known = self._devices.get(device, Device())
        last = known.state
        if last is not None and (last.epoch, last.seq) != (state.epoch, state.seq):
            self._change(device, heard=now)
        self._change(device, state=state)
        if known.epochs and known.epochs[-1] == state.epoch:
            return False
        came_back = state.epoch in known.epochs
        self._devices.get(device, known).epochs.append(state.epoch)
        return came_back

    def _change(self, device: str, **news: object) -> None:
        with self._lock:
            if device in self._devices or len(self._devices) < _MOST:
                known = self._devices.get(device, Device())
                self._devices[device] = replace(known, **news)  # type: ignore[arg-type]


def _read_availability(payload: bytes) -> bool:
    words: Mapping[bytes, bool] = {ONLINE.encode(): True, OFFLINE.encode(): False}
    if payload not in words:
        raise DataError(f"availability {payload[:20]!r} is neither online nor offline")
    return words[payload]
