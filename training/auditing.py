"""Audits of a model on recordings: what it counts at a door, the figure that matters.

Runs `headcount audit` as a process of its own, on the bundle that a door would take. The rooms that
count belong to the other half, which training does not import; and what is scored is the program
that counts at the door, not a copy of it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from edge.errors import CallError, WorldError
from training.bundle import Label, make_bundle
from training.checkpoint import restore
from training.export import export

# A replay wants one; which does not matter where its boxes alone are kept.
_SOME_LINE = ("--line", "0,0.5,1,0.5", "--in-side", "0.5,0.9")


@dataclass(frozen=True, slots=True)
class Recording:
    """A video, and its truth as `headcount audit` takes it."""

    video: Path
    truth: Path

    @classmethod
    def parse(cls, text: str) -> Recording:
        """Read `VIDEO=TRUTH.json`.

        Raises:
            CallError: it is not of this form, or a file is missing.
        """
        video, _, truth = text.rpartition("=")
        if not video or not truth:
            raise CallError(f"--audit {text}: must be VIDEO=TRUTH.json")
        for path in (video, truth):
            if not Path(path).is_file():
                raise CallError(f"--audit {text}: there is no file {path}")
        return cls(Path(video), Path(truth))


def audit_all(
    model: Path,
    recordings: Sequence[Recording],
    *,
    score: float | None,
    precision: str,
    created: datetime,
) -> dict[str, dict[str, Any]]:
    """Audit a model on recordings, by the names of their truths.

    Args:
        model: a bundle's folder, or a checkpoint, of which a bundle is made for the time.
        recordings: at least one.
        score: of a new person; the bundle's own by default.
        precision: which form of the bundle.
        created: the date of the bundle that is made.

    Returns:
        The object of `headcount audit --json` for each.

    Raises:
        WorldError: an audit cannot be done; has what it says.
    """
    with _as_bundle(model, created) as bundle:
        return {
            each.truth.stem: _audit(bundle, each, score=score, precision=precision)
            for each in recordings
        }


def errors_by_score(
    bundle: Path, recordings: Sequence[Recording], scores: Sequence[float]
) -> dict[float, int]:
    """People missed and people too many over all recordings, by the score of a new person.

    The detector looks once at each recording, down to the lowest of the scores.

    Raises:
        WorldError: an audit cannot be done; has what it says.
    """
    errors = dict.fromkeys(scores, 0)
    for recording in recordings:
        with TemporaryDirectory() as folder:
            seen = Path(folder) / "seen.jsonl"
            _headcount(
                recording, "replay", str(recording.video), "--model", str(bundle), *_SOME_LINE,
                "--score", str(min(scores)), "--save-detections", str(seen),
            )  # fmt: skip
            for score in scores:
                told = _headcount(
                    recording, "audit", str(recording.video), "--truth", str(recording.truth),
                    "--json", "--detections", str(seen), "--score", str(score),
                )  # fmt: skip
                errors[score] += told["fn"] + told["fp"]
    return errors


@contextmanager
def _as_bundle(model: Path, created: datetime) -> Iterator[Path]:
    if model.is_dir():
        yield model
        return
    trained = restore(model)
    label = Label(
        "audited", "0.0.1", 1, plan={} if trained.plan is None else trained.plan.to_json()
    )
    with TemporaryDirectory() as folder:
        out = Path(folder) / "bundle"
        make_bundle(export(trained.net), trained.recipe, label, created=created, out=out)
        yield out


def _audit(
    bundle: Path, recording: Recording, *, score: float | None, precision: str
) -> dict[str, Any]:
    own = [] if score is None else ["--score", str(score)]
    return _headcount(
        recording, "audit", str(recording.video), "--truth", str(recording.truth), "--json",
        "--model", str(bundle), "--precision", precision, *own,
    )  # fmt: skip


def _headcount(recording: Recording, verb: str, *arguments: str) -> dict[str, Any]:
    """The last line that a verb prints, which is JSON where it is asked for."""
    command = [sys.executable, "-m", "edge.cli", verb, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"ended with {done.returncode}"]
        raise WorldError(f"{recording.video}: headcount {verb}: {said[-1]}")
    last = done.stdout.strip().splitlines()[-1]
    report: dict[str, Any] = json.loads(last) if "--json" in arguments else {}
    return report
