"""Everything on one machine: a simulated door, the shipped detector, a broker, live counts.

What is printed as counted was read from MQTT, as any subscriber would read it; beside it stands
the truth of the scene. Nothing outlives the demo.
"""

from __future__ import annotations

import contextlib
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from edge.access import Access
from edge.app import serve
from edge.broker import EmbeddedBroker
from edge.config import Config, DetectorConfig, DeviceConfig, LedgerConfig, MqttConfig
from edge.contract.messages import CrossingMessage, StateMessage, Topics, read_event
from edge.mqtt import Connection, Message
from edge.pipeline import Step
from edge.scene import SCENE_LINE, Scene
from edge.source import SceneSource
from edge.types import Direction

_DEVICE = "demo"
_FPS = 15.0
_SETTLE_S = 5.0  # how long the last message may take


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What was counted, as MQTT told it, and what was true."""

    seconds: float
    seed: int
    counted: tuple[int, int]  # in, out
    true: tuple[int, int]
    events: int

    @property
    def right(self) -> bool:
        """Whether the count is the truth, and each crossing was told by one event."""
        return self.counted == self.true and self.events == sum(self.true)

    def to_json(self) -> dict[str, Any]:
        """The object that `headcount demo --json` prints."""
        return {
            "seconds": self.seconds,
            "seed": self.seed,
            "in": self.counted[0],
            "out": self.counted[1],
            "true_in": self.true[0],
            "true_out": self.true[1],
            "events": self.events,
            "right": self.right,
        }


def demo(seconds: float, seed: int, out: TextIO) -> DemoResult:
    """Run the demo to its end, or until it is interrupted.

    Args:
        seconds: how long; 0 for ever.
        seed: which door.
        out: where the live counts go.

    Raises:
        HeadcountError: a part of it is missing or damaged.
    """
    scene = Scene(seed, duration=seconds, fps=_FPS)
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(EmbeddedBroker())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headcount-demo-")))
        listener = stack.enter_context(_Listener(broker.url, scene, out))
        stop = stack.enter_context(_interruptible())
        config = Config(
            device=DeviceConfig(id=_DEVICE, name="Demo"),
            lines=(SCENE_LINE,),
            detector=DetectorConfig(device="CPU"),  # exact on every machine
            mqtt=MqttConfig(url=broker.url, protocol="3.1.1"),  # all that this broker speaks
            ledger=LedgerConfig(path=folder / "ledger.db"),
        )
        print(f"A simulated door (seed {seed}); counts over MQTT at {broker.url}", file=out)
        source = stack.enter_context(SceneSource(scene, paced=True))
        serve(config, source, stop, watch=listener.look)
        listener.settle()
        result = DemoResult(seconds, seed, listener.counted, _true(scene), listener.events)
    verdict = "as true" if result.right else "NOT as true"
    print(
        f"Counted {result.counted[0]} in and {result.counted[1]} out, {verdict} "
        f"({result.true[0]} in, {result.true[1]} out).",
        file=out,
    )
    return result


@contextlib.contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set, instead of ending the process at once."""
    stop = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _true(scene: Scene) -> tuple[int, int]:
    went_in = sum(crossing.direction is Direction.IN for crossing in scene.crossings)
    return went_in, len(scene.crossings) - went_in


class _Listener:
    """Subscribes as any dashboard would, and prints what it hears beside the truth."""

    def __init__(self, url: str, scene: Scene, out: TextIO) -> None:
        self.counted = (0, 0)
        self.events = 0
        self._scene = scene
        self._out = out
        self._topics = Topics(_DEVICE)
        self._connection = Connection.open(
            replace(Access.of_url(url), protocol="3.1.1"), "headcount-demo-listener"
        )
        self._connection.subscribe(self._topics.state, self._topics.event)

    def __enter__(self) -> _Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def look(self, step: Step) -> None:
        """Take in what has arrived by this frame."""
        while (event := self._connection.next(0.0)) is not None:
            if isinstance(event, Message):
                self._hear(event, step.sighting.frame.t)

    def settle(self) -> None:
        """Wait for the last messages, within reason."""
        deadline = time.monotonic() + _SETTLE_S
        want = _true(self._scene)
        while time.monotonic() < deadline and (self.counted, self.events) != (want, sum(want)):
            event = self._connection.next(0.1)
            if isinstance(event, Message):
                self._hear(event, self._scene.duration)

    def _hear(self, message: Message, t: float) -> None:
        if message.topic == self._topics.state:
            state = StateMessage.from_json(message.payload)
            self.counted = (state.in_total, state.out_total)
        elif message.topic == self._topics.event:
            crossing = read_event(message.payload)
            if not isinstance(crossing, CrossingMessage):
                return  # a quarter of an hour has ended
            self.events += 1
            true = _true(self._scene)
            print(
                f"{t:6.1f} s  {crossing.direction:3}   in {crossing.in_total:2} (true {true[0]:2})"
                f"   out {crossing.out_total:2} (true {true[1]:2})",
                file=self._out,
                flush=True,
            )
