"""Tests a new model on the real device, beside the one in service, before it may count.

It must load and answer, as fast as this door needs it, and see somebody where the other one does.
Where the owner has recorded a clip (`edge.golden`), it must count that with no more errors.
The work is done by `edge.selftest_child`, a process with a limit of time and memory.
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edge import __version__
from edge.config import Config
from edge.contract.bundle import Bundle, write_file
from edge.contract.strict_json import canonical_json, mapping, parse_json
from edge.updater import Verdict
from edge.updater.child import Limits, UnfitError, run
from edge.updater.clip import Clip, find_clip

SLOWER = 1.5  # times the milliseconds of the model before that a new one may take
_KEPT = 8  # results

Result = Mapping[str, Any]  # as `edge.selftest_child` prints it


@dataclass(frozen=True, slots=True)
class SelfTest:
    """Tests models for one door.

    Attributes:
        config: the door's.
        path: of the configuration; None for the default one.
        stop: ends a test from outside.
        tick: is called now and then meanwhile.
    """

    config: Config
    path: Path | None
    stop: threading.Event | None = None
    tick: Callable[[], None] = lambda: None

    def judge(self, candidate: Bundle, before: Bundle) -> Verdict:
        """Whether the candidate may take the place of the one before; as the updater asks.

        Raises:
            StoppedError: the test was stopped.
        """
        clip = find_clip(self.config.models)
        try:
            new = self.measure(candidate, clip)
        except UnfitError as error:
            return Verdict(good=False, reason=str(error))
        try:
            old = self.measure(before, clip)
        except UnfitError:  # anything is better then
            return Verdict(good=True)
        return compare(new, old, self.config.update.max_ms)

    def measure(self, bundle: Bundle, clip: Clip | None) -> Result:
        """What a model does here; taken from an earlier test where nothing has changed since.

        Raises:
            UnfitError: it does nothing that it should.
            StoppedError: the test was stopped.
        """
        key = self._key(bundle, clip)
        kept = self.config.models / "results.json"
        results = _read(kept)
        if key not in results:
            update = self.config.update
            results[key] = run(
                [
                    *(sys.executable, "-m", "edge.selftest_child", str(bundle.folder)),
                    *(["--config", str(self.path)] if self.path else []),
                    *(["--clip", str(clip.video)] if clip else []),
                ],
                Limits(update.self_test_s, update.self_test_mb),
                stop=self.stop,
                tick=self.tick,
            )
            with suppress(OSError):
                newest = list(results.items())[-_KEPT:]
                write_file(kept, canonical_json(newest))
        return results[key]

    def known(self, bundle: Bundle, clip: Clip | None) -> Result | None:
        """What an earlier test has found; None where there was none."""
        return _read(self.config.models / "results.json").get(self._key(bundle, clip))

    def _key(self, bundle: Bundle, clip: Clip | None) -> str:
        about = {
            "headcount": __version__,
            "bundle": bundle.sha256,
            "clip": clip.sha256 if clip else "",
            "detector": {key: str(value) for key, value in asdict(self.config.detector).items()},
            "counting": asdict(self.config.counting),
        }
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def compare(new: Result, old: Result, max_ms: float) -> Verdict:
    """Whether a new model may take the place of an old one."""
    if new.get("errors", 0) > old.get("errors", 0):
        reason = f"{new['errors']} errors on the recorded clip, where there were {old['errors']}"
        return Verdict(good=False, reason=reason)
    if old.get("seen") and not new.get("seen"):
        return Verdict(good=False, reason="it sees nobody where the model before does")
    limit = max(max_ms, SLOWER * old["ms"])
    if new["ms"] > limit:
        reason = f"{new['ms']:.0f} ms a picture, and {limit:.0f} ms are allowed (update.max_ms)"
        return Verdict(good=False, reason=reason)
    return Verdict(good=True)


def _read(path: Path) -> dict[str, Result]:
    with suppress(OSError, ValueError, TypeError):
        return {key: mapping(result) for key, result in parse_json(path.read_bytes())}  # type: ignore[attr-defined]
    return {}
