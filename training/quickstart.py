"""The composition of `quickstart`: from pictures or recordings of a door to a bundle and a report.

    recordings                 label by themselves -> adapt the shipped detector
    few pictures, or one clip  check and mend      -> adapt the shipped detector
    many pictures              check and mend, split by clip -> fit -> evaluate -> bundle

Every step is a verb of its own and is told as it would be typed, so that a person can go on from
there. A step whose result lies there already is left out: called again, it goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.errors import CallError, DataError
from training.data.groups import group_pictures
from training.data.kinds import open_set

VIDEOS = (".avi", ".gif", ".m4v", ".mkv", ".mov", ".mp4", ".webm")
MANY = 60  # pictures, from which on a fit of its own pays
SPLITS = 3  # train, val and test want a clip each

Run = Callable[[Sequence[str]], int]  # a command line of headcount-train to its exit code


@dataclass(frozen=True, slots=True)
class Step:
    """A command line, and what it makes."""

    command: tuple[str, ...]
    makes: Path


def plan(source: Path, shipped: Path, out: Path) -> list[Step]:
    """What leads from `source` to `out`/bundle.

    Args:
        source: a recording, a folder of recordings, or pictures with boxes of any kind.
        shipped: the bundle to begin with.
        out: where everything goes.

    Raises:
        CallError: nothing of all that is there.
        DataError: the pictures cannot be read.
    """
    if not source.exists():
        raise CallError(f"{source}: no such file or folder")
    if videos := _recordings(source):
        return _of_recordings(videos, shipped, out)
    names = [each.path.name for each in open_set(source).pictures]
    if not names:
        raise CallError(f"{source}: neither recordings nor pictures with boxes are here")
    clips = len(group_pictures(names, "clip"))
    alone = len(names) < MANY or clips < SPLITS
    return _of_few(source, shipped, out) if alone else _of_many(source, shipped, out)


def follow(steps: Sequence[Step], run: Run, say: Callable[[str], None] = print) -> None:
    """Take the steps that are not taken yet.

    Raises:
        DataError: a step has failed; it has said why.
    """
    for number, step in enumerate(steps, 1):
        told = " ".join(step.command)
        if step.makes.exists():
            say(f"[{number}/{len(steps)}] {step.makes} is there: left out: {told}")
            continue
        say(f"[{number}/{len(steps)}] headcount-train {told}")
        if run(step.command):
            raise DataError(f"the step failed, see above; mend it and call again: {told}")


def _recordings(source: Path) -> list[Path]:
    if source.is_file():
        return [source] if source.suffix.lower() in VIDEOS else []
    return sorted(path for path in source.iterdir() if path.suffix.lower() in VIDEOS)


def _of_recordings(videos: Sequence[Path], shipped: Path, out: Path) -> list[Step]:
    labels = out / "labels"
    paths = [str(path) for path in videos]
    return [
        Step(("data", "autolabel", *paths, "--out", str(labels)), labels),
        _adapt(shipped, labels, out),
    ]


def _of_few(source: Path, shipped: Path, out: Path) -> list[Step]:
    return [_bring(source, out), _adapt(shipped, out / "data", out)]


def _of_many(source: Path, shipped: Path, out: Path) -> list[Step]:
    data, run = str(out / "data"), str(out / "run")
    best = f"{run}/best.pt"
    fit = ("fit", "own", "--data", data, "--start", str(shipped), "--out", run)
    return [
        _bring(source, out),
        Step(("data", "split", data, "--by", "clip", "--replace"), out / "data" / "split.csv"),
        Step(fit, out / "run" / "report.html"),
        Step(
            ("evaluate", best, "--data", data, "--set", ".:test", "--json", f"{out}/scores.json"),
            out / "scores.json",
        ),
        Step(
            ("bundle", best, "--metrics", f"{out}/scores.json", "--out", f"{out}/bundle"),
            out / "bundle",
        ),
    ]


def _bring(source: Path, out: Path) -> Step:
    data = out / "data"
    return Step(("data", "import", str(source), "--out", str(data), "--fix", "clip"), data)


def _adapt(shipped: Path, site: Path, out: Path) -> Step:
    return Step(("adapt", str(shipped), str(site), "--out", str(out)), out / "bundle")
