"""A process of its own for what must not share ours: the parent's side.

Code that hangs, crashes or needs another interpreter runs in a child; here it is started, fed,
timed and killed. What the messages mean, and when to try again, is left to those who use it.

    parent                            child: worker_child.py BACKEND, under any Python >= 3.7
    Worker.start ---- spawns ------->
                 <--- hello ---------  protocol, pid, python and what the backend adds
    send         ---- message ------>
    receive      <--- message -------  within a deadline, or the child is useless

A message is 8 bytes (the lengths of head and payload, unsigned, little-endian), the head in JSON,
and the payload as it is: a picture or a tensor, written from and read into its own memory.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import select
import signal
import struct
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from edge.errors import WorldError

PROTOCOL = 1
CHILD = Path(__file__).with_name("worker_child.py")

_LENGTHS = struct.Struct("<II")
_MAX_HEAD = 1 << 20  # bytes; what is longer is not a message of ours
_MAX_PAYLOAD = 1 << 28
_PIPE = 1 << 20  # bytes; with Linux's usual 64 KiB a picture needs many turns of both processes
_HELD_S = 0.2  # in which a child that is well gives or takes more
_DYING_S = 2.0  # a process that waits for a device may not die at once
# What belongs to our interpreter and would lead another one astray.
_OURS = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")

Payload = NDArray[np.uint8]

_log = logging.getLogger(__name__)


class WorkerError(WorldError):
    """A worker is useless: not started, silent, gone, or talking nonsense. It has been killed."""


@dataclass(frozen=True, slots=True)
class Message:
    """What a child says: a head of plain values, and bytes in an array of its own, (n,) uint8."""

    head: Mapping[str, Any]
    payload: Payload


class Worker:
    """A child process. Make one with `Worker.start`; whatever raises here has killed it.

    One thread talks to it; `kill` may be called by any.

    Attributes:
        name: for messages.
        pid: of the child.
    """

    def __init__(
        self, name: str, process: subprocess.Popen[bytes], clock: Callable[[], float]
    ) -> None:
        self.name = name
        self.pid = process.pid
        self._process = process
        self._clock = clock
        assert process.stdin is not None
        assert process.stdout is not None
        self._to, self._from = process.stdin.fileno(), process.stdout.fileno()
        self._partial: _Partial | None = None

    @classmethod
    def start(
        cls,
        name: str,
        python: Path,
        backend: Path,
        options: Mapping[str, Any],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> Self:
        """Spawn a child; its first message is the hello, which is for `accept`.

        The child dies with the thread that calls this, so that it cannot outlive us: call it in
        one that lives as long as the worker is wanted.

        Args:
            name: for messages.
            python: the interpreter.
            backend: one file with a function `serve(channel, options)`; see `worker_child`.
            options: plain values for it.
            clock: gives monotonic seconds.

        Raises:
            WorkerError: there is no such interpreter.
        """
        command = [str(python), str(CHILD), str(os.getpid()), str(backend), json.dumps(options)]
        environment = {key: value for key, value in os.environ.items() if key not in _OURS}
        try:
            process = subprocess.Popen(  # noqa: S603 - paths from the configuration
                command, bufsize=0, env=environment, start_new_session=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            )  # fmt: skip
        except OSError as error:
            raise WorkerError(f"{name}: {python} cannot be started: {error.strerror}") from error
        worker = cls(name, process, clock)
        for pipe in (worker._to, worker._from):
            os.set_blocking(pipe, False)
            with contextlib.suppress(OSError):  # a user may have used up what all may have
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE)
        return worker

    def accept(self, message: Message) -> Mapping[str, Any]:
        """The hello's head, if this is one of our protocol.

        Raises:
            WorkerError: it is not.
        """
        if message.head.get("hello") != PROTOCOL:
            raise self._useless(f"speaks protocol {message.head.get('hello')}, not {PROTOCOL}")
        return message.head

    def send(self, head: Mapping[str, Any], payload: NDArray[Any] | None, within: float) -> None:
        """Write a message.

        Args:
            head: plain values.
            payload: contiguous, of any shape and type; its bytes are sent.
            within: seconds, after which a child that takes nothing is given up.

        Raises:
            WorkerError: the child is gone or does not take it.
        """
        text = json.dumps(head).encode()
        body = memoryview(b"") if payload is None else payload.data.cast("B")
        waiting = [memoryview(_LENGTHS.pack(len(text), len(body)) + text), body]
        deadline = self._clock() + within
        while waiting:
            try:
                written = os.writev(self._to, waiting)
            except BlockingIOError:
                self._await(self._to, select.POLLOUT, deadline, f"took no data for {within:.3g} s")
                continue
            except OSError as error:
                raise self._useless(self._fate()) from error
            while waiting and written >= len(waiting[0]):
                written -= len(waiting.pop(0))
            if waiting:
                waiting[0] = waiting[0][written:]

    def receive(self, within: float) -> Message:
        """The next message.

        Args:
            within: seconds, after which the child is given up.

        Raises:
            WorkerError: the child is silent, gone, or sends what is not a message.
        """
        deadline = self._clock() + within
        while (message := self.poll()) is None:
            self._await(self._from, select.POLLIN, deadline, f"silent for {within:.3g} s")
        return message

    def poll(self) -> Message | None:
        """The next message if it is here already.

        Raises:
            WorkerError: the child is gone, or sends what is not a message.
        """
        while True:
            self._partial = self._partial or _Partial()
            try:
                count = os.readv(self._from, [self._partial.missing()])
            except BlockingIOError:
                return None
            if count == 0:
                raise self._useless(self._fate())
            try:
                message = self._partial.grow(count)
            except ValueError as error:
                raise self._useless(f"sent what is not a message: {error}") from error
            if message is not None:
                self._partial = None
                return message

    def kill(self) -> None:
        """End the child and all it started, at once. Any thread may; more than once is harmless."""
        if self._process.returncode is not None:  # its number may be another's by now
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def finish(self, within: float) -> None:
        """Let the child end by itself, and close; one that takes longer is killed.

        Args:
            within: seconds. It sees its input end, and what it holds it can let go in good order.
        """
        assert self._process.stdin is not None
        self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(within)
        self.close()

    def close(self) -> None:
        """Kill the child, reap it and let go of the pipes."""
        if self._process.returncode is None:
            self.kill()
            try:
                self._process.wait(_DYING_S)
            except subprocess.TimeoutExpired:  # Python reaps it later, when it starts another
                _log.warning("%s: process %d hangs; if it stays, reboot", self.name, self.pid)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _await(self, pipe: int, event: int, deadline: float, complaint: str) -> None:
        poll = select.poll()
        poll.register(pipe, event)
        # Past the deadline, too: who was held were perhaps we, with half a message in the pipe.
        left = max(deadline - self._clock(), _HELD_S)
        if not poll.poll(1000 * left):
            raise self._useless(complaint)

    def _fate(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(_DYING_S)
            return f"ended by signal {-code}" if code < 0 else f"ended with exit status {code}"
        return "closed its pipe"

    def _useless(self, why: str) -> WorkerError:
        self.close()
        return WorkerError(f"{self.name}: {why}")


class _Partial:
    """A message of which some bytes are here: first lengths, then head and payload."""

    def __init__(self) -> None:
        self._head = np.empty(_LENGTHS.size, np.uint8)
        self._payload: Payload | None = None  # None while the lengths are being read
        self._text = b""
        self._part, self._have = self._head, 0

    def missing(self) -> memoryview:
        """Where the next bytes belong."""
        return self._part.data[self._have :]

    def grow(self, count: int) -> Message | None:
        """Take note that so many bytes are there now; the message once it is whole.

        Raises:
            ValueError: these bytes are not a message.
        """
        self._have += count
        while self._have == len(self._part):
            if self._payload is None:
                self._announce(*_LENGTHS.unpack(self._head.tobytes()))
            elif not self._text:
                self._text = self._head.tobytes()
                self._part, self._have = self._payload, 0
            else:
                return Message(_plain(self._text), self._payload)
        return None

    def _announce(self, head: int, payload: int) -> None:
        if not 2 <= head <= _MAX_HEAD or payload > _MAX_PAYLOAD:
            raise ValueError(f"lengths {head} and {payload}")
        self._head, self._payload = np.empty(head, np.uint8), np.empty(payload, np.uint8)
        self._part, self._have = self._head, 0


def _plain(text: bytes) -> Mapping[str, Any]:
    head = json.loads(text)
    if not isinstance(head, dict):
        raise ValueError("its head is no object")  # noqa: TRY004 - what came is wrong, not its type
    return head
