"""headcount: counts the people who pass a door.

One function a verb; what a verb does lives in its room.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from edge import __version__, app, bench, collector, golden, journal, model_card, samples, standing
from edge.access import Access
from edge.advice import tell as tell_advice
from edge.assembly import bundle_folder, judge, shipped_bundles
from edge.canvas import KINDS
from edge.config import PRECISIONS, Config, DetectorConfig, checked_line, read_config
from edge.contract.bundle import read_bundle
from edge.demo import demo
from edge.doctor import examine, tell
from edge.errors import CallError, HeadcountError
from edge.fetching import fetch_offers
from edge.recording import (
    Options,
    Outputs,
    audit_recording,
    replay_recording,
    suggest_lines,
    tell_audit,
    tell_replay,
)
from edge.types import Line
from edge.updater.clip import MOST_FRAMES
from edge.upkeep import model_in_service
from edge.watch import watch


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code: 0 done, 1 the world is wrong, 2 the call is."""
    options = build_parser().parse_args(arguments)
    journal.set_up(verbose=options.verbose)
    verb: Callable[[argparse.Namespace], int] = options.verb
    try:
        return verb(options)
    except HeadcountError as error:
        journal.complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        journal.complain("stopped")
        return 1
    except BrokenPipeError:  # the reader of our output has gone: nobody is left to tell
        sys.stderr.close()
        return 1


def build_parser() -> argparse.ArgumentParser:
    """The command line, all verbs."""
    parser = argparse.ArgumentParser(prog="headcount", description=__doc__)
    parser.add_argument("--version", action="version", version=f"headcount {__version__}")
    parser.add_argument("-v", "--verbose", action="store_true", help="log details")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    _add_run(verbs)
    _add_demo(verbs)
    _add_replay(verbs)
    _add_audit(verbs)
    _add_watch(verbs)
    _add_collect(verbs)
    _add_export(verbs)
    _add_doctor(verbs)
    _add_bench(verbs)
    _add_model_verb(verbs)
    _add_record(verbs)
    _add_samples(verbs)
    return parser


if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]


def _add_run(verbs: Verbs) -> None:
    verb = verbs.add_parser("run", help="the service: count until stopped")
    _add_config(verb)
    verb.set_defaults(verb=_run)


def _run(options: argparse.Namespace) -> int:
    app.run(options.config)
    return 0


def _add_demo(verbs: Verbs) -> None:
    verb = verbs.add_parser("demo", help="a simulated door, counted live on this machine alone")
    verb.add_argument("--seconds", type=float, default=60.0, help="0 runs for ever (default 60)")
    verb.add_argument("--seed", type=int, default=1, help="which door (default 1)")
    verb.add_argument(
        "--no-web", action="store_true", help="without the web page, of which this version has none"
    )
    _add_json(verb)
    verb.set_defaults(verb=_demo)


def _demo(options: argparse.Namespace) -> int:
    if options.seconds < 0:
        raise CallError(f"--seconds {options.seconds:g}: give 0 (for ever) or more")
    if not options.verbose:  # its own lines say the same, with the truth beside it
        logging.getLogger("edge").setLevel(logging.WARNING)
    result = demo(options.seconds, options.seed, sys.stderr if options.json else sys.stdout)
    if options.json:
        print(json.dumps(result.to_json()))
    return 0 if result.right else 1


def _add_replay(verbs: Verbs) -> None:
    verb = verbs.add_parser("replay", help="count a recording, as fast as the machine can")
    verb.add_argument("source", nargs="?", help="a video; not with --detections")
    _add_config(verb)
    _add_lines(verb)
    verb.add_argument("--events", type=Path, metavar="F.csv", help="write the crossings")
    verb.add_argument("--save-detections", type=Path, metavar="F.jsonl", help="write the boxes")
    verb.add_argument("--annotate", type=Path, metavar="F.mp4", help="draw what was counted")
    _add_detector(verb)
    _add_json(verb)
    verb.set_defaults(verb=_replay)


def _replay(options: argparse.Namespace) -> int:
    if (options.source is None) == (options.detections is None):
        raise CallError("replay: give either a SOURCE or --detections FILE")
    result = replay_recording(
        options.source,
        _detector_options(options),
        config_path=options.config,
        lines=_lines(options.line, options.in_side),
        outputs=Outputs(options.events, options.save_detections, options.annotate),
    )
    if options.json:
        sys.stdout.writelines(result.json_parts())
    print("" if options.json else tell_replay(result))
    return 0


def _add_audit(verbs: Verbs) -> None:
    verb = verbs.add_parser("audit", help="score a replay against the truth, or judge lines")
    verb.add_argument("source", nargs="?", metavar="VIDEO")
    verb.add_argument("--truth", type=Path, metavar="GT.json", help="lines and true crossings")
    verb.add_argument(
        "--suggest-line",
        action="store_true",
        help="judge the lines of --truth, --line or -c by where people walk; propose better ones",
    )
    _add_config(verb)
    _add_lines(verb)
    verb.add_argument("--picture", type=Path, metavar="F.jpg", help="draw trails and lines")
    _add_detector(verb)
    _add_json(verb)
    verb.set_defaults(verb=_audit)


def _audit(options: argparse.Namespace) -> int:
    if options.suggest_line:
        return _suggest_line(options)
    if options.line or options.in_side or options.config:
        raise CallError("audit: its lines come from the truth file; leave out --line and -c")
    if options.picture is not None:
        raise CallError("audit: --picture belongs to --suggest-line")
    if options.source is None or options.truth is None:
        raise CallError("audit: give VIDEO and --truth GT.json, or --suggest-line")
    report = audit_recording(options.source, options.truth, _detector_options(options))
    print(json.dumps(report) if options.json else tell_audit(report))
    return 0


def _suggest_line(options: argparse.Namespace) -> int:
    if options.source is None and options.detections is None:
        raise CallError("audit: give a VIDEO or --detections FILE")
    if options.truth is not None and options.line:
        raise CallError("audit: lines come from --truth or from --line, not from both")
    if options.picture is not None:
        _check_picture("--picture", options.picture)
    advice = suggest_lines(
        options.source,
        _detector_options(options),
        config_path=options.config,
        truth_path=options.truth,
        lines=_lines(options.line, options.in_side),
        picture=options.picture,
    )
    print(json.dumps(advice.to_json()) if options.json else tell_advice(advice))
    return 0


def _add_watch(verbs: Verbs) -> None:
    verb = verbs.add_parser("watch", help="live counts of all devices, a table on a terminal")
    _add_broker(verb)
    verb.add_argument("--once", action="store_true", help="print what is known now, and end")
    _add_json(verb)
    verb.set_defaults(verb=_watch)


def _watch(options: argparse.Namespace) -> int:
    watch(options.broker, once=options.once, as_json=options.json, out=sys.stdout)
    return 0


def _add_collect(verbs: Verbs) -> None:
    verb = verbs.add_parser("collect", help="store what all devices count, and tell them so")
    _add_broker(verb)
    verb.add_argument("--ca", type=Path, metavar="F.pem", help="whose certificates to trust")
    verb.add_argument("--password-file", type=Path, metavar="FILE", help="the broker's password")
    _add_store(verb)
    verb.add_argument(
        "--name",
        default="store",
        help="of the store, as the devices have it in mqtt.stores (default store)",
    )
    verb.add_argument(
        "--metrics", default="", metavar="HOST:PORT", help="serve Prometheus there; off without it"
    )
    verb.set_defaults(verb=_collect)


def _collect(options: argparse.Namespace) -> int:
    access = Access.of_url(options.broker).entered_with(
        ca=options.ca, password_file=options.password_file
    )
    order = collector.Order(access, options.store, options.name, options.metrics)
    with _told_to_stop() as stop:
        collector.collect(order, stop)
    return 0


@contextlib.contextmanager
def _told_to_stop() -> Iterator[threading.Event]:
    """Within the block SIGTERM and SIGINT set the event, and do nothing else."""
    stop = threading.Event()
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, lambda *_: stop.set()) for number in numbers]
    try:
        yield stop
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _add_export(verbs: Verbs) -> None:
    verb = verbs.add_parser("export", help="counts from a store, by quarter, hour or day")
    _add_store(verb)
    times = "2026-11-20 or 2026-11-20T08:00, at the site"
    verb.add_argument("--from", dest="first", metavar="TIME", help=f"{times} (default: a week)")
    verb.add_argument("--to", dest="last", metavar="TIME", help="a day is included (default: now)")
    kinds = (collector.HOUR, collector.QUARTER, collector.DAY)
    verb.add_argument("--by", choices=kinds, default=collector.HOUR, help="default hour")
    verb.add_argument("--line", default="", metavar="NAME", help="crossings of one line alone")
    verb.add_argument("--device", default="", metavar="ID", help="one device alone")
    verb.add_argument(
        "--timezone", default="", metavar="ZONE", help="of the site (default: its device's)"
    )
    verb.add_argument(
        "--day-starts", default="00:00", metavar="HH:MM", help="as [site] day_starts has it"
    )
    forms = verb.add_mutually_exclusive_group()
    forms.add_argument("--csv", dest="form", action="store_const", const="csv", default="text")
    forms.add_argument("--json", dest="form", action="store_const", const="json")
    verb.set_defaults(verb=_export)


def _export(options: argparse.Namespace) -> int:
    query = collector.Query(
        by=options.by,
        first=collector.When.read(options.first) if options.first else None,
        last=collector.When.read(options.last) if options.last else None,
        device=options.device,
        line=options.line,
        timezone=options.timezone,
        day_starts=collector.read_day_starts(options.day_starts),
    )
    database = collector.open_database(options.store, only_read=True)
    with contextlib.closing(database):
        rows = collector.export(database, query, datetime.now(UTC))
        collector.write(rows, sys.stdout, options.form)
    return 0


def _add_broker(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--broker", default="mqtt://localhost:1883", metavar="URL")


def _add_store(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--store",
        default="sqlite:headcount-store.db",
        metavar="ADDRESS",
        help="sqlite:FILE or postgresql://host/database (default sqlite:headcount-store.db)",
    )


def _add_doctor(verbs: Verbs) -> None:
    verb = verbs.add_parser("doctor", help="what is wrong here, and what mends it")
    _add_config(verb)
    verb.add_argument(
        "--camera",
        type=Path,
        nargs="?",
        const=Path("camera.jpg"),
        metavar="FILE",
        help="keep a picture with the lines on it, for aiming (default camera.jpg)",
    )
    _add_json(verb)
    verb.set_defaults(verb=_doctor)


def _doctor(options: argparse.Namespace) -> int:
    config = read_config(options.config) if options.config else Config()
    if options.camera is not None:
        _check_picture("--camera", options.camera)
    bundle = partial(model_in_service, config)
    findings = list(examine(config, bundle, options.camera))
    return tell(findings, as_json=options.json, out=sys.stdout)


def _add_bench(verbs: Verbs) -> None:
    verb = verbs.add_parser("bench", help="what this device does: pictures a second, ms by stage")
    verb.add_argument("--seconds", type=float, default=10.0, help="how long (default 10)")
    _add_config(verb)
    _add_model(verb)
    _add_json(verb)
    verb.set_defaults(verb=_bench)


def _bench(options: argparse.Namespace) -> int:
    config = read_config(options.config) if options.config else Config()
    asked = {name: getattr(options, name) for name in ("model", "device", "precision")}
    given = {name: value for name, value in asked.items() if value is not None}
    report = bench.bench(replace(config.detector, **given), options.seconds)
    print(json.dumps(report.to_json()) if options.json else bench.tell(report))
    return 0


def _add_model_verb(verbs: Verbs) -> None:
    verb = verbs.add_parser("model", help="model bundles: what is here, and which one counts")
    acts = verb.add_subparsers(required=True, metavar="ACT")
    act = acts.add_parser("list", help="the bundles that came with headcount")
    _add_json(act)
    act.set_defaults(verb=_model_list)
    act = acts.add_parser("show", help="what a bundle is, and what it may be used for")
    act.add_argument("model", nargs="?", type=Path, metavar="NAME|DIR", help="default: the shipped")
    _add_json(act)
    act.set_defaults(verb=_model_show)
    act = acts.add_parser("verify", help="whether a bundle is whole, and who vouches for it")
    act.add_argument("bundle", metavar="NAME|DIR")
    _add_config(act)
    act.set_defaults(verb=_model_verify)
    act = acts.add_parser("activate", help="try a bundle at this door, and keep it if it is good")
    act.add_argument("bundle", metavar="NAME|DIR|FILE|-", help="a packed one, or - for stdin, too")
    _add_config(act)
    act.set_defaults(verb=_model_activate)
    act = acts.add_parser("rollback", help="the model that was in service before is again")
    _add_config(act)
    act.set_defaults(verb=_model_rollback)
    act = acts.add_parser("status", help="what counts at this door, and how it does")
    _add_config(act)
    _add_json(act)
    act.set_defaults(verb=_model_status)
    act = acts.add_parser("pull", help="fetch what was offered over MQTT; systemd starts this")
    _add_config(act)
    act.set_defaults(verb=_model_pull)


def _model_verify(options: argparse.Namespace) -> int:
    bundle = read_bundle(bundle_folder(Path(options.bundle)))  # relative to here, not to the door's
    _, config = standing.enter(options.config)
    signer = standing.verify(config, bundle)
    manifest = bundle.manifest
    print(f"{manifest.name} {manifest.version} ({bundle.sha256[:12]}): signed by {signer}")
    return 0


def _model_activate(options: argparse.Namespace) -> int:
    given = standing.packed(options.bundle)
    path, config = standing.enter(options.config)
    update = standing.activate(config, path, given)
    print(f"{update.model} is in service")
    return 0


def _model_rollback(options: argparse.Namespace) -> int:
    _, config = standing.enter(options.config)
    manifest = standing.roll_back(config).manifest
    print(f"{manifest.name} {manifest.version} is in service")
    return 0


def _model_status(options: argparse.Namespace) -> int:
    path, config = standing.enter(options.config)
    report = standing.status(config, path)
    print(json.dumps(report) if options.json else standing.tell(report))
    return 0


def _model_pull(options: argparse.Namespace) -> int:
    _, config = standing.enter(options.config)
    with _told_to_stop() as stop:
        fetch_offers(config, stop.wait)
    return 0


def _add_samples(verbs: Verbs) -> None:
    verb = verbs.add_parser("samples", help="pictures that were kept here for a retraining")
    verb.add_argument("file", type=Path, nargs="?", metavar="FILE.tar", help="pack them into it")
    verb.add_argument("--clear", action="store_true", help="remove them, after packing")
    _add_config(verb)
    verb.set_defaults(verb=_samples)


def _samples(options: argparse.Namespace) -> int:
    target = options.file and options.file.absolute()
    _, config = standing.enter(options.config)
    folder = config.kept_pictures
    if target is not None:
        print(f"{samples.pack(folder, target)} pictures packed")
    if options.clear:
        print(f"{samples.clear(folder)} pictures removed")
    elif target is None:
        print(f"{len(list(folder.glob('*.jpg')))} pictures in {folder}")
    return 0


def _add_record(verbs: Verbs) -> None:
    verb = verbs.add_parser("record", help="a clip of this door, on which new models are tested")
    verb.add_argument(
        "--frames", type=int, default=MOST_FRAMES, help=f"pictures (default {MOST_FRAMES}, 20 s)"
    )
    verb.add_argument("--in", dest="ins", type=int, metavar="N", help="people whom you saw go in")
    verb.add_argument("--out", dest="outs", type=int, metavar="N", help="... and out, meanwhile")
    verb.add_argument("--accept", action="store_true", help="take the mended draft as the truth")
    _add_config(verb)
    verb.set_defaults(verb=_record)


def _record(options: argparse.Namespace) -> int:
    _, config = standing.enter(options.config)
    if options.accept:
        print(f"{golden.accept(config)} people passed; new models are tested with that")
        return 0
    if not 2 <= options.frames <= MOST_FRAMES:
        raise CallError(f"--frames {options.frames}: give 2 to {MOST_FRAMES}")
    known = options.ins is not None or options.outs is not None
    seen = (options.ins or 0, options.outs or 0) if known else None
    standing.become_owner()
    place = Path() if options.config else standing.STATE
    print(golden.tell(golden.record(config, options.frames, seen), config, place))
    return 0


def _model_list(options: argparse.Namespace) -> int:
    found = [read_bundle(folder) for folder in shipped_bundles()]
    judged = [
        (bundle, judge(bundle, DetectorConfig().trusted_keys, allow_unsigned=True))
        for bundle in found
    ]
    if options.json:
        print(json.dumps([model_card.to_json(*each) for each in judged]))
    else:
        print("\n".join(model_card.line(*each) for each in judged))
    return 0


def _model_show(options: argparse.Namespace) -> int:
    bundle = read_bundle(bundle_folder(options.model))
    judged = judge(bundle, DetectorConfig().trusted_keys, allow_unsigned=True)
    if options.json:
        print(json.dumps(model_card.to_json(bundle, judged)))
    else:
        print(model_card.card(bundle, judged))
    return 0


def _add_config(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("-c", "--config", type=Path, metavar="FILE", help="configuration (TOML)")


def _add_lines(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--line", action="append", default=[], metavar="x1,y1,x2,y2", help="0..1")
    verb.add_argument("--in-side", action="append", default=[], metavar="x,y", help="0..1")


def _add_json(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--json", action="store_true", help="the last line of output is JSON")


def _add_detector(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--detections", type=Path, metavar="F.jsonl", help="recorded boxes")
    _add_model(verb)
    verb.add_argument("--mode", choices=("immediate", "deferred"), help="when a crossing counts")
    verb.add_argument("--score", type=float, metavar="S", help="lowest score of a new person, 0..1")


def _add_model(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--model", type=Path, metavar="DIR", help="a bundle, or a shipped one's name")
    verb.add_argument("--device", metavar="NAME", help="auto, MYRIAD, CPU, GPU, NPU, AUTO")
    verb.add_argument("--precision", choices=PRECISIONS, help="f32 unless the config says other")


def _check_picture(option: str, path: Path) -> None:
    if path.suffix.lower() not in KINDS:
        raise CallError(f"{option} {path}: give a file that ends in {' or '.join(KINDS)}")


def _detector_options(options: argparse.Namespace) -> Options:
    if options.score is not None and not 0 <= options.score <= 1:
        raise CallError(f"--score {options.score:g}: give a number from 0 to 1")
    return Options(
        model=options.model,
        device=options.device,
        precision=options.precision,
        mode=options.mode,
        score=options.score,
        detections=options.detections,
    )


def _lines(lines: list[str], in_sides: list[str]) -> tuple[Line, ...]:
    if len(lines) != len(in_sides):
        raise CallError(
            f"{len(lines)} --line and {len(in_sides)} --in-side: each line needs its in side"
        )
    return tuple(
        _line(f"L{number}", text, side)
        for number, (text, side) in enumerate(zip(lines, in_sides, strict=True), 1)
    )


def _line(name: str, text: str, side: str) -> Line:
    x1, y1, x2, y2 = _numbers("--line", text, 4)
    x, y = _numbers("--in-side", side, 2)
    return checked_line(Line(name, (x1, y1), (x2, y2), (x, y)))


def _numbers(option: str, text: str, count: int) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count or not all(0 <= number <= 1 for number in numbers):
        raise CallError(f"{option} {text}: give {count} numbers from 0 to 1 with commas between")
    return numbers


if __name__ == "__main__":
    sys.exit(main())
