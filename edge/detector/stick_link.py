"""A stick behind a worker, and behind the next one when that fails.

           plugged in, pause over        hello lists the device         ready
    OFF ---------------------> STARTING --------------------> LOADING --------> RUNNING
     ^                                                                             |
     '------------- whatever goes wrong: the worker is killed, and a pause --------'

Waits for nothing but the answer to a picture. Who looks at the pictures meanwhile is left to
`edge.detector.ncs`.
"""

from __future__ import annotations

import contextlib
import enum
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.contract.bundle import Bundle, family
from edge.detector.answer import AnswerForm
from edge.detector.outputs import Array
from edge.errors import DetectorError
from edge.restarts import RestartRule, Restarts
from edge.types import Image
from edge.worker import Message, Worker, WorkerError

BACKEND = Path(__file__).with_name("ncs_worker.py")

# The plugin lists no stick that is booted. One that a killed worker has left so is seen again when
# its own watchdog has reset it; ten tries, at most 2 s apart, reach beyond that.
RULE = RestartRule(limit=10, window_s=300.0, first_s=0.25, most_s=2.0, rest_s=300.0)

_LATE_S = 0.25  # for an answer that is on its way when its time is over
_END_S = 2.0  # a worker that ends by itself frees the stick; a killed one leaves it as it is

_STARTING = "the stick is starting"

_log = logging.getLogger(__name__)


class StickError(DetectorError):
    """The stick failed; its worker has been killed."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the stick may take, in seconds.

    Attributes:
        hello: for the worker to start.
        ready: to boot and compile; a real one takes 5 to 15.
        answer: for a picture.
        start: at the very beginning, before another device looks at the pictures.
        look: between two looks at the USB.
        gone: away for so long it was pulled out; when it boots or resets, it is away for less.
        rule: pauses between tries.
    """

    hello: float = 20.0
    ready: float = 60.0
    answer: float = 2.0
    start: float = 8.0
    look: float = 0.5
    gone: float = 2.0
    rule: RestartRule = RULE


class State(enum.Enum):
    """How far the stick is."""

    OFF = enum.auto()
    STARTING = enum.auto()
    LOADING = enum.auto()
    RUNNING = enum.auto()


class StickLink:
    """Starts, feeds, times and kills the workers. One thread uses it.

    Attributes:
        state: how far it is.
        runtime: version of the worker's OpenVINO, once it has said hello.
        trouble: why it does not run, for people.
    """

    def __init__(
        self,
        python: Path,
        bundle: Bundle,
        device: str,
        *,
        plugged: Callable[[], bool] = lambda: True,
        config: Mapping[str, str] | None = None,
        patience: Patience | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start nothing yet.

        Args:
            python: the worker's interpreter.
            bundle: verified and trusted.
            device: as that interpreter's OpenVINO names it.
            plugged: whether a stick is on USB; asked only while none runs.
            config: for the device, as OpenVINO names its keys.
            patience: how long all may take.
            clock: gives monotonic seconds.
        """
        self.state = State.OFF
        self.runtime = ""
        self.trouble = _STARTING
        self.device = device
        self._python = python
        self._manifest = bundle.manifest
        self._order = _load_order(bundle, device, config or {})
        self._plugged = plugged
        self._patience = patience or Patience()
        self._clock = clock
        self._restarts = Restarts(self._patience.rule)
        self._look_at = self._deadline = -math.inf
        self._gone_since: float | None = None
        self._worker: Worker | None = None
        self._form: AnswerForm | None = None
        self._number = 0
        self._flying: deque[tuple[int, float]] = deque()  # number, monotonic second

    def advance(self) -> bool:
        """Go as far as is possible without waiting; whether pictures can be sent."""
        try:
            with self._failing():
                self._step(self._clock())
        except StickError:  # it is in `trouble`, and in the log
            pass
        return self.state is State.RUNNING

    @property
    def failed(self) -> bool:
        """Whether something went wrong and no worker has been started since."""
        return self.state is State.OFF and self._restarts.due() > -math.inf

    @property
    def hopeful(self) -> bool:
        """Whether it is worth waiting for: a stick is there and has not failed too often."""
        return self._gone_since is None and not self._restarts.too_many(self._clock())

    def send(self, picture: Image) -> None:
        """Hand over a picture in the size and colours of the model.

        Raises:
            StickError: the stick failed.
        """
        with self._failing():
            self._number += 1
            self._running().send({"frame": self._number}, picture, self._patience.answer)
            self._flying.append((self._number, self._clock()))

    def receive(self) -> tuple[list[Array], float]:
        """Wait for the outputs of the oldest picture, in the manifest's order, and its ms.

        Raises:
            StickError: the stick failed, is late, or gave what the manifest does not promise.
        """
        with self._failing():
            number, sent = self._flying.popleft()
            left = sent + self._patience.answer - self._clock()
            head, payload = _checked(self._running().receive(max(left, _LATE_S)))
            if head.get("frame") != number:
                raise ValueError(f"answered picture {head.get('frame')}, not {number}")
            assert self._form is not None
            return self._form.split(payload), float(head["ms"])

    def forget(self) -> None:
        """Drop the answers to pictures that nobody waits for any more."""
        with contextlib.suppress(StickError):
            while self._flying:
                self.receive()

    def close(self) -> None:
        """Let the worker free the stick and end; kill one that does not."""
        if self._worker is not None:
            self._worker.finish(_END_S if self.state is State.RUNNING else 0.0)
        self._worker, self.state = None, State.OFF
        self._flying.clear()

    def _running(self) -> Worker:
        assert self._worker is not None, "no picture is sent before `advance` says so"
        return self._worker

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        """Whatever goes wrong inside ends the worker, and is a StickError."""
        try:
            yield
        except (WorkerError, ValueError) as error:
            self._fail(str(error))
            raise StickError(self.trouble) from error

    def _fail(self, why: str) -> None:
        if self._worker is not None:
            self._worker.close()
        self._worker, self.state = None, State.OFF
        self._flying.clear()
        now = self._clock()
        self._restarts.failed(now)
        self.trouble = f"the stick failed: {why}"
        _log.warning(
            "%s: %s; the next try is in %.3g s", self.device, why, self._restarts.due() - now
        )

    def _step(self, now: float) -> None:
        if self.state is State.OFF and self._may_start(now):
            self._worker = Worker.start("worker", self._python, BACKEND, {}, clock=self._clock)
            self._go(State.STARTING, now + self._patience.hello)
        if self._worker is None or self.state is State.RUNNING:
            return
        message = self._worker.poll()
        if message is None:
            if now > self._deadline:
                raise ValueError(f"still {self.state.name.lower()} after its time")
            return
        head, _ = _checked(message)
        if self.state is State.STARTING:
            self._load(self._worker.accept(message), now)
        else:
            self._run(head)

    def _may_start(self, now: float) -> bool:
        if now < self._look_at:
            return False
        self._look_at = now + self._patience.look
        if not self._plugged():
            self._gone_since = now if self._gone_since is None else self._gone_since
            self.trouble = "no stick is plugged in"
            return False
        if self._gone_since is not None:
            self.trouble = _STARTING
            if now - self._gone_since >= self._patience.gone:  # somebody has mended it
                self._restarts = Restarts(self._patience.rule)
        self._gone_since = None
        return now >= self._restarts.due()

    def _load(self, hello: Mapping[str, Any], now: float) -> None:
        self.runtime = str(hello["runtime"])
        devices = [str(name) for name in hello["devices"]]
        if family(self.device) not in map(family, devices):
            raise ValueError(f"OpenVINO {self.runtime} sees no stick, only {', '.join(devices)}")
        assert self._worker is not None
        self._worker.send({"load": self._order}, None, self._patience.answer)
        self._go(State.LOADING, now + self._patience.ready)

    def _run(self, head: Mapping[str, Any]) -> None:
        self._form = AnswerForm.of(self._manifest, head)
        self.trouble = ""
        self._go(State.RUNNING, math.inf)
        _log.info("%s: OpenVINO %s, ready after %.1f s", self.device, self.runtime, head["ready"])

    def _go(self, state: State, deadline: float) -> None:
        self.state, self._deadline = state, deadline


def introduce(python: Path, within: float = 20.0) -> Mapping[str, Any]:
    """The hello of a worker under an interpreter: runtime, devices, python.

    Args:
        python: the interpreter.
        within: seconds.

    Raises:
        StickError: there is no such interpreter, it has no OpenVINO, or it says nothing.
    """
    try:
        with Worker.start("worker", python, BACKEND, {}) as worker:
            message = worker.receive(within)
            _checked(message)
            return worker.accept(message)
    except (WorkerError, ValueError) as error:
        raise StickError(str(error)) from error


def _load_order(bundle: Bundle, device: str, config: Mapping[str, str]) -> dict[str, Any]:
    """What the worker is told to load."""
    made, wanted = bundle.variants(device), bundle.manifest.input
    variant = next((each for each in made if not each.quantised), made[0])
    return {
        "xml": str(bundle.path(variant.xml)),
        "bin": str(bundle.path(variant.bin)),
        "device": device,
        "mean": list(wanted.mean),
        "scale": list(wanted.scale),
        "config": dict(config),
    }


def _checked(message: Message) -> tuple[Mapping[str, Any], Image]:
    """A message that is no error.

    Raises:
        ValueError: the worker tells of one.
    """
    if "error" in message.head:
        raise ValueError(str(message.head["error"]))
    return message.head, message.payload
