"""A lock whose waiters get their turn, however soon its holder comes again.

A `threading.Lock`, and SQLite's own waiting by trying again and again even more so, go to whoever
is there at the moment. A door that counts as fast as its card can write would keep everybody else
out for seconds at a time.

    holder --- release --> gate: somebody stands there already, and is next
    waiter --- gate -----> held
"""

from __future__ import annotations

import threading


class Turns:
    """Held within a `with` block; of two threads that want it all the time, each gets half."""

    def __init__(self) -> None:
        self._gate, self._held = threading.Lock(), threading.Lock()

    def __enter__(self) -> None:
        with self._gate:
            self._held.acquire()

    def __exit__(self, *_: object) -> None:
        self._held.release()
