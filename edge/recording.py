"""Counts recordings: `replay` and `audit`, from pictures or from recorded boxes.

And judges lines by them: `audit --suggest-line`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edge.advice import Advice, advise
from edge.annotate import Annotator, draw_ways
from edge.assembly import build_corridor, choose_bundle, keep_score
from edge.audit import AuditResult, load_truth, match
from edge.canvas import write_picture
from edge.config import Config, CountingConfig, DetectorConfig, SourceConfig, read_config
from edge.detections_file import DetectionsWriter, read_detections
from edge.detector import open_detector
from edge.errors import CallError, WorldError
from edge.line import Mode
from edge.pipeline import Step
from edge.quality import QualityMeter
from edge.replay import Replay, replay, write_events
from edge.source import open_source
from edge.trails import Trails
from edge.types import Line, Sighting
from edge.view import View


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line may set over a configuration; None leaves it as it is."""

    model: Path | None = None
    device: str | None = None
    precision: str | None = None
    mode: Mode | None = None
    score: float | None = None
    detections: Path | None = None  # recorded boxes instead of pictures


@dataclass(frozen=True, slots=True)
class Outputs:
    """Files to write beside the counts; None writes none."""

    events: Path | None = None
    detections: Path | None = None
    annotated: Path | None = None


@dataclass(frozen=True, slots=True)
class _Recording:
    """A recording that is open: its sightings and what is to be known of them."""

    sightings: Iterable[Sighting]
    size: tuple[int, int]  # width, height; pixels
    fps: float
    score: float  # lowest score of a new person


def replay_recording(
    source: str | None,
    options: Options,
    *,
    config_path: Path | None = None,
    lines: tuple[Line, ...] = (),
    outputs: Outputs | None = None,
) -> Replay:
    """Count a recording.

    Args:
        source: a video, or None with `options.detections`.
        options: what the command line sets.
        config_path: a configuration; its lines count unless `lines` are given.
        lines: lines of the command line.
        outputs: files to write.

    Raises:
        CallError: there is no line, or one that cannot count.
        WorldError: the video, the bundle or a file is not as it must be.
    """
    config = _with_options(read_config(config_path) if config_path else Config(), options)
    lines = lines or config.lines
    if not lines:
        raise CallError("replay: no line to count at; give --line with --in-side, or -c FILE")
    outputs = outputs or Outputs()
    if outputs.annotated and source is None:
        raise CallError("replay: --annotate needs pictures; leave out --detections")
    return _count(source, config, options, lines, outputs)


def audit_recording(source: str, truth_path: Path, options: Options) -> dict[str, Any]:
    """Count a recording and score it against its truth: the object that `audit --json` prints.

    Raises:
        WorldError: the video, the truth, the bundle or a file is not as it must be.
    """
    truth = load_truth(truth_path)
    config = _with_options(Config(), options)
    counted = _count(None if options.detections else source, config, options, truth.lines)
    result: AuditResult = match(truth.events, counted.crossings, truth.fps)
    return {**result.to_json(), "fps": round(counted.fps, 2), "quality": counted.quality}


def count_clip(source: Path, config: Config, lines: tuple[Line, ...]) -> Replay:
    """Count a clip as the door does: by its configuration, and each picture as soon as can be.

    Raises:
        WorldError: the clip or the bundle is not as it must be.
    """
    # What the configuration says of its source is about the camera.
    config = replace(config, source=SourceConfig())
    return _count(str(source), config, Options(), lines, recorded=False)


def suggest_lines(
    source: str | None,
    options: Options,
    *,
    config_path: Path | None = None,
    truth_path: Path | None = None,
    lines: tuple[Line, ...] = (),
    picture: Path | None = None,
) -> Advice:
    """Judge lines by where people walk in a recording, or propose one where none is given.

    Args:
        source: a video, or None with `options.detections`.
        options: what the command line sets.
        config_path: a configuration; its lines are judged unless others are given.
        truth_path: a truth file whose lines are judged.
        lines: lines of the command line.
        picture: an image to write, with trails and lines on the last picture.

    Raises:
        CallError: a picture is asked for where there are none.
        WorldError: the video, the bundle or a file is not as it must be.
    """
    config = _with_options(read_config(config_path) if config_path else Config(), options)
    lines = lines or (load_truth(truth_path).lines if truth_path else config.lines)
    if picture is not None and options.detections is not None:
        raise CallError("audit: --picture needs pictures; leave out --detections")
    if picture is not None and not picture.parent.is_dir():  # told before hours of counting
        raise WorldError(f"{picture}: cannot be written: there is no folder {picture.parent}")
    with contextlib.ExitStack() as stack:
        opened = _open(stack, None if options.detections else source, options, config)
        corridor = build_corridor((), config.counting, opened.score, opened.size)
        aspect, image = opened.size[0] / opened.size[1], None
        trails = Trails(aspect)
        for sighting in opened.sightings:
            trails.take(corridor.step(sighting).tracks, sighting.frame.t)
            image = sighting.frame.image
    walked = trails.finish()
    advice = advise(walked, aspect, lines)
    if picture is not None and image is not None:
        ways = [trail.normalised(aspect) for trail in walked]
        write_picture(picture, draw_ways(image, ways, lines, advice.proposed))
    return advice


def _with_options(config: Config, options: Options) -> Config:
    detector: DetectorConfig = config.detector
    if options.model is not None:
        detector = replace(detector, model=options.model)
    if options.device is not None:
        detector = replace(detector, device=options.device)
    if options.precision is not None:
        detector = replace(detector, precision=options.precision)
    if options.score is not None:
        detector = replace(detector, score=options.score)
    counting: CountingConfig = config.counting
    if options.mode is not None:
        counting = replace(counting, mode=options.mode)
    return replace(config, detector=detector, counting=counting)


def _count(
    source: str | None,
    config: Config,
    options: Options,
    lines: tuple[Line, ...],
    outputs: Outputs | None = None,
    *,
    recorded: bool = True,
) -> Replay:
    with contextlib.ExitStack() as stack:
        opened = _open(stack, source, options, config, recorded=recorded)
        corridor = build_corridor(lines, config.counting, opened.score, opened.size)
        outputs = outputs or Outputs()
        annotator = _annotator(stack, outputs, lines, opened)
        watch = _watchers(stack, outputs, annotator, opened)
        view = None if source is None else View(can_freeze=False)
        meter = QualityMeter(opened.size[0] / opened.size[1], view, 0.0)
        counted = replay(opened.sightings, corridor, lines, opened.fps, meter=meter, watch=watch)
        if annotator is not None:
            annotator.finish(counted.crossings)
    if outputs.events is not None:
        write_events(outputs.events, counted.crossings)
    return counted


def _open(
    stack: contextlib.ExitStack,
    source: str | None,
    options: Options,
    config: Config,
    *,
    recorded: bool = True,
) -> _Recording:
    if source is not None:
        return _open_video(stack, source, config, recorded=recorded)
    return _open_boxes(options, config)


def _open_video(
    stack: contextlib.ExitStack, uri: str, config: Config, *, recorded: bool
) -> _Recording:
    bundle = choose_bundle(config.detector, must_be_trusted=False)
    score = bundle.manifest.score if config.detector.score is None else config.detector.score
    # A recording is upright and exposed as it is: those keys are about the camera.
    settings = replace(config.source, uri=uri, loop=False, rotation=0, exposure=0)
    video = stack.enter_context(open_source(settings))
    detector = stack.enter_context(
        open_detector(
            bundle, config.detector, score=keep_score(score), recorded=recorded and not video.live
        )
    )
    return _Recording(detector.detect(video), video.size, video.fps, score)


def _open_boxes(options: Options, config: Config) -> _Recording:
    if options.detections is None:
        raise CallError("give a SOURCE or --detections FILE")
    recorded = read_detections(options.detections)
    score = recorded.score if config.detector.score is None else config.detector.score
    return _Recording(recorded.sightings(), recorded.size, recorded.fps, score or 0.0)


def _annotator(
    stack: contextlib.ExitStack, outputs: Outputs, lines: tuple[Line, ...], opened: _Recording
) -> Annotator | None:
    if outputs.annotated is None:
        return None
    annotator = Annotator(outputs.annotated, lines, opened.size, opened.fps)
    stack.callback(annotator.close)
    return annotator


def _watchers(
    stack: contextlib.ExitStack,
    outputs: Outputs,
    annotator: Annotator | None,
    opened: _Recording,
) -> Callable[[Step], None]:
    watchers: list[Callable[[Step], None]] = [] if annotator is None else [annotator.draw]
    if outputs.detections is not None:
        writer = DetectionsWriter(
            outputs.detections, size=opened.size, fps=opened.fps, score=opened.score
        )
        stack.callback(writer.close)
        watchers.append(lambda step: writer.write(step.sighting))

    def watch(step: Step) -> None:
        for watcher in watchers:
            watcher(step)

    return watch


def tell_replay(counted: Replay) -> str:
    """What a person wants to know of a replay."""
    rows = [
        f"{name}  in {ways['in']}  out {ways['out']}" for name, ways in counted.by_line().items()
    ]
    speed = f"{counted.frames} frames at {counted.fps:.0f} frames/s"
    return "\n".join([*rows, speed])


def tell_audit(report: dict[str, Any]) -> str:
    """What a person wants to know of an audit."""
    rows = [
        f"found {report['tp']} of {report['tp'] + report['fn']}, {report['fp']} false "
        f"(in {_sides(report['in'])}, out {_sides(report['out'])})"
    ]
    rows += [f"missed  {event}" for event in report["missed"]]
    rows += [f"false   {event}" for event in report["false"]]
    return "\n".join(rows)


def _sides(side: dict[str, int]) -> str:
    return f"{side['tp']} found, {side['fn']} missed, {side['fp']} false"
