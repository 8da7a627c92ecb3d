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


@dataclass(frozen=True, slots=True)
class Order:
    """What a person wants.

    Args:
        source: a recording, a folder of recordings, or pictures with boxes of any kind.
        start: the bundle to begin with.
        out: where everything goes.
        length: how long to train, as `adapt` and `fit` take it; as they do by themselves if empty.
    """

    source: Path
    start: Path
    out: Path
    length: tuple[str, ...] = ()


def plan(order: Order) -> list[Step]:
    """What leads to `out`/bundle.

    Raises:
        CallError: neither recordings nor pictures are there.
        DataError: the pictures cannot be read.
    """
    source = order.source
    if not source.exists():
        raise CallError(f"{source}: no such file or folder")
    if videos := _recordings(source):
        return [_label(videos, order), _adapt(order, "labels")]
    names = [each.path.name for each in open_set(source).pictures]
    if not names:
        raise CallError(f"{source}: neither recordings nor pictures with boxes are here")
    if len(names) < MANY or len(group_pictures(names, "clip")) < SPLITS:
        return [_bring(order), _adapt(order, "data")]
    return [_bring(order), *_fit(order)]


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


def _label(videos: Sequence[Path], order: Order) -> Step:
    labels = order.out / "labels"
    paths = [str(path) for path in videos]
    return Step(("data", "autolabel", *paths, "--out", str(labels)), labels)


def _bring(order: Order) -> Step:
    data = order.out / "data"
    command = ("data", "import", str(order.source), "--out", str(data), "--fix", "clip")
    return Step(command, data)


def _adapt(order: Order, site: str) -> Step:
    paths = (str(order.start), str(order.out / site), "--out", str(order.out))
    return Step(("adapt", *paths, *order.length), order.out / "bundle")


def _fit(order: Order) -> list[Step]:
    out, data, run = order.out, str(order.out / "data"), str(order.out / "run")
    best, scores = f"{run}/best.pt", str(out / "scores.json")
    start = ("--start", str(order.start))
    return [
        Step(("data", "split", data, "--by", "clip", "--replace"), out / "data" / "split.csv"),
        Step(
            ("fit", "own", "--data", data, *start, "--out", run, *order.length),
            out / "run" / "report.html",
        ),
        Step(
            ("evaluate", best, "--data", data, "--set", ".:test", "--json", scores),
            out / "scores.json",
        ),
        Step(
            ("bundle", best, "--metrics", scores, "--out", str(out / "bundle")),
            out / "bundle",
        ),
    ]
