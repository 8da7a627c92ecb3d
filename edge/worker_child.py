"""The child's side of `edge.worker`: `python worker_child.py PARENT BACKEND OPTIONS`.

Standard library and Python 3.7 alone: it runs under whatever interpreter has the backend's
libraries. BACKEND is a file with a function `serve(channel, options)`, which says hello with what
it knows of itself, answers messages, and returns when `channel.receive` gives None: the parent
is gone or wants no more.
"""

from __future__ import annotations

import sys

if __name__ == "__main__" and sys.path[0] == __file__.rpartition("/")[0]:
    del sys.path[0]  # our own folder, whose types.py would stand for the standard library's

import contextlib
import ctypes
import json
import os
import platform
import runpy
import signal
import struct
from typing import Any, Callable, Dict, Optional, Tuple  # noqa: UP035 - Python 3.7 has no other

PROTOCOL = 1

_LENGTHS = struct.Struct("<II")
_PR_SET_PDEATHSIG = 1


class Channel:
    """Messages to and from the parent; see `edge.worker`."""

    def __init__(self, source: int, sink: int) -> None:
        self._source = source
        self._sink = sink

    def hello(self, **known: Any) -> None:  # noqa: ANN401 - whatever JSON holds
        """Tell the parent who is here; `known` are plain values, such as runtime and devices."""
        self.send(
            {"hello": PROTOCOL, "pid": os.getpid(), "python": platform.python_version(), **known}
        )

    def send(self, head: Dict[str, Any], payload: Any = b"") -> None:  # noqa: ANN401, UP006
        """Write a message: plain values, and anything that gives its bytes in one piece."""
        text = json.dumps(head).encode()
        body = memoryview(payload)
        if body.nbytes != len(body) or body.ndim != 1:
            body = body.cast("B")
        self._write(memoryview(_LENGTHS.pack(len(text), len(body)) + text))
        self._write(body)

    def receive(
        self,
        into: Optional[Callable[[int], Any]] = None,  # noqa: UP045
    ) -> Optional[Tuple[Dict[str, Any], Any]]:  # noqa: UP006, UP045
        """The next message as (head, payload), None when there will be no more.

        `into(count)` gives writable memory of so many bytes for the payload, which is then
        returned as it was given; without it the payload is a bytearray.
        """
        lengths = bytearray(_LENGTHS.size)
        if not self._fill(lengths):
            return None
        head, count = _LENGTHS.unpack(lengths)
        text = bytearray(head)
        payload = into(count) if into is not None else bytearray(count)
        if not self._fill(text) or not self._fill(payload):
            return None
        return json.loads(text.decode()), payload

    def _fill(self, memory: Any) -> bool:  # noqa: ANN401
        view = memoryview(memory)
        view = view.cast("B") if view.nbytes else view
        have = 0
        while have < view.nbytes:
            count = os.readv(self._source, [view[have:]])
            if count == 0:
                return False
            have += count
        return True

    def _write(self, view: memoryview) -> None:
        while len(view):
            view = view[os.write(self._sink, view) :]


def die_with(parent: int) -> None:
    """Ask the kernel to kill us with our parent, also while a device holds us in its driver."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)


def main() -> None:
    """Serve until the parent is gone."""
    parent, backend, options = int(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
    die_with(parent)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a service gets it as a whole; ours to end us
    # What libraries print must not get between the messages.
    channel = Channel(os.dup(0), os.dup(1))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    with contextlib.suppress(BrokenPipeError):  # the parent is gone
        try:
            serve = runpy.run_path(backend)["serve"]
        except ImportError as error:
            channel.send({"error": f"{sys.executable}: {error}"})
        else:
            serve(channel, options)


if __name__ == "__main__":
    main()
