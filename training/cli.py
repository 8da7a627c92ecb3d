"""headcount-train: the command line; what a verb does stands in `training.verbs`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from edge.errors import HeadcountError
from training import verbs
from training.arms import SWEEPS
from training.config import DEVICES, METHODS, PRESETS, TARGETS
from training.data_verbs import add_set_verbs
from training.site_verbs import add_adapt, add_quickstart, add_site_verbs

_EXTRA = ("torch", "faster_coco_eval", "matplotlib", "rich")


def build_parser() -> argparse.ArgumentParser:
    """The command line, all verbs."""
    parser = argparse.ArgumentParser(
        prog="headcount-train", description="Train a head detector and make it ready for a door."
    )
    commands = parser.add_subparsers(dest="verb", required=True)
    _data_verbs(
        commands.add_parser("data", help="look at training data, mend, import and split it")
    )
    fit = commands.add_parser("fit", help="train a detector after a recipe")
    fit.add_argument("recipe", type=Path)
    _add_run(fit, "runs/heads")
    fit.add_argument("--start", type=Path, help="checkpoint or bundle whose weights to begin with")
    fit.add_argument(
        "--epochs", type=float, help="as many views as there are pictures, in place of --steps"
    )
    fit.add_argument("--patience", type=int, help="checkpoints without a better AP50; 0: no end")
    fit.add_argument("--device", choices=DEVICES, help="in place of the recipe's")
    fit.add_argument(
        "--workers", type=int, metavar="N",
        help="processes that make pictures ready, in place of the recipe's: all cores but one "
        "beside a GPU",
    )  # fmt: skip
    fit.add_argument("--resume", action="store_true", help="go on from OUT/last.pt")
    fit.add_argument("--minutes", type=float, default=float("inf"), help="stop then; resumable")
    fit.set_defaults(run=verbs.fit)
    report = commands.add_parser("report", help="write the report of a run again")
    report.add_argument("out", type=Path, help="the run's folder")
    _add_data(report)
    report.set_defaults(run=verbs.report)
    add_adapt(commands)
    add_quickstart(commands, main)
    _pruning_verbs(commands)
    _model_verbs(commands)
    return parser


def _pruning_verbs(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    profile = commands.add_parser("profile", help="what a network's layers cost on a device")
    profile.add_argument("model", type=Path, help="a checkpoint, a bundle, or a recipe")
    profile.add_argument("--device", choices=("cpu", "myriad"), default="cpu")
    profile.add_argument("--precision", choices=("f32", "f16", "bf16"), default="f32")
    profile.add_argument("--threads", type=int, default=1)
    profile.add_argument("--quick", action="store_true", help="coarse, in seconds")
    profile.add_argument("--out", type=Path, required=True, help="for profile.json, staircase.png")
    profile.set_defaults(run=verbs.profile)
    prune = commands.add_parser(
        "prune", help="make a detector small for a device, and fit it again"
    )
    prune.add_argument("recipe", type=Path)
    prune.add_argument("--start", type=Path, required=True, help="the dense checkpoint or bundle")
    prune.add_argument(
        "--profile", required=True, metavar="FILE|myriad", help="what `profile` wrote"
    )
    prune.add_argument("--method", choices=METHODS, help="in place of the recipe's")
    _add_aim(prune)
    prune.add_argument("--plan", type=Path, help="cut this plan instead of choosing one")
    prune.add_argument("--dry-run", action="store_true", help="write the plan, print its worth")
    _add_run(prune, "runs/small")
    prune.set_defaults(run=verbs.prune)
    bench = commands.add_parser("bench", help="compare pruning methods at one measured latency")
    bench.add_argument("recipe", type=Path, help="what all methods get, as `arms`")
    bench.add_argument("--start", type=Path, required=True, help="the dense checkpoint or bundle")
    bench.add_argument(
        "--profile", type=Path, required=True, metavar="FILE", help="what `profile` wrote"
    )
    _add_aim(bench)
    bench.add_argument(
        "--arms", default=",".join(verbs.ARM_NAMES), help="names, with commas between"
    )
    bench.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    bench.add_argument(
        "--sweeps", type=int, default=SWEEPS, help="in which the latencies are measured"
    )
    bench.add_argument("--minutes", type=float, default=float("inf"), help="begin none after that")
    bench.add_argument("--test", default="heads/scut_head_partB:test", metavar="PATH[:SPLIT]")
    _add_run(bench, "runs/arms")
    bench.set_defaults(run=verbs.bench)


def _add_aim(parser: argparse.ArgumentParser) -> None:
    """What is to be reached, for verbs that prune."""
    parser.add_argument(
        "--latency",
        metavar="SHARE",
        help="to be reached, as 45%% or 0.45; in place of the recipe's",
    )
    parser.add_argument(
        "--target",
        choices=TARGETS,
        help="what the share is of: latency on the clock, latency by the profile alone, or MACs",
    )


def _add_run(parser: argparse.ArgumentParser, out: str) -> None:
    """What every verb that trains takes."""
    _add_data(parser)
    parser.add_argument("--out", type=Path, default=Path(out), help="the run's folder")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path("runs/cache"),
        help="rendered pictures and shrunken photos",
    )
    parser.add_argument("--steps", type=int, help="in place of the recipe's")
    parser.add_argument(
        "--teacher", type=Path, help="checkpoint or bundle, for a recipe that distils"
    )


def _data_verbs(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="data_verb", required=True)
    add_set_verbs(commands)
    add_site_verbs(commands)
    priors = commands.add_parser("priors", help="sizes of the heads, and priors that reach them")
    priors.add_argument("recipe", type=Path)
    _add_data(priors)
    priors.set_defaults(run=verbs.data_priors)
    _synthesize_verb(commands.add_parser("synthesize", help="render pictures of doors, with boxes"))


def _synthesize_verb(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    parser.add_argument("--count", type=int, default=1000, help="pictures")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--size", default="400x300", metavar="WIDTHxHEIGHT", help="pixels")
    parser.add_argument("--tilt", metavar="A-B", help="degrees from straight down, 0 to 60")
    parser.add_argument("--preset", choices=PRESETS, default="mixed", help="which tilts, how often")
    parser.add_argument("--want", action="append", default=[], metavar="FEATURE", help="repeatable")
    parser.set_defaults(run=verbs.data_synthesize)


def _model_verbs(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    evaluate = commands.add_parser("evaluate", help="how good a checkpoint or a bundle is")
    evaluate.add_argument("model", type=Path)
    _add_data(evaluate)
    evaluate.add_argument(
        "--precision", choices=("f32", "int8"), default="f32", help="which form of a bundle"
    )
    evaluate.add_argument(
        "--runtime", choices=("torch", "openvino"), help="by default torch runs a checkpoint"
    )
    evaluate.add_argument(
        "--set", action="append", metavar="PATH[:SPLIT][@VIEW]", help="repeatable"
    )
    evaluate.add_argument(
        "--audit", action="append", default=[], metavar="VIDEO=TRUTH.json", help="repeatable"
    )
    evaluate.add_argument("--score", type=float, help="the working score, in place of its own")
    evaluate.add_argument("--cache", type=Path, help="for shrunken photos")
    evaluate.add_argument("--json", type=Path, help="write the figures here")
    evaluate.set_defaults(run=verbs.evaluate)
    export = commands.add_parser("export", help="write the OpenVINO file of a checkpoint")
    export.add_argument("checkpoint", type=Path, help="a checkpoint, or a bundle")
    export.add_argument("--out", type=Path, required=True)
    _add_check(export)
    export.set_defaults(run=verbs.export)
    bundle = commands.add_parser("bundle", help="write an unsigned bundle of a checkpoint")
    bundle.add_argument(
        "model", type=Path, help="a checkpoint, a bundle, or a ready-made detector's .xml"
    )
    bundle.add_argument("--target", choices=("head", "body"), default="head", help="with an .xml")
    bundle.add_argument("--out", type=Path, required=True)
    bundle.add_argument("--name", default="heads")
    bundle.add_argument("--version", default="1.0.0")
    bundle.add_argument("--counter", type=int, default=1, help="grows with every release")
    bundle.add_argument("--score", type=float, default=0.4)
    bundle.add_argument("--nms", type=float, default=0.45)
    bundle.add_argument("--licence", action="append", default=[], help="of the training data")
    bundle.add_argument("--int8", action="store_true", help="a second form, for CPUs that gain")
    _add_check(bundle)
    _add_data(bundle)
    bundle.add_argument("--cache", type=Path, default=Path("runs/cache"), help="for --int8")
    bundle.add_argument(
        "--metrics", type=Path, action="append", default=[], help="of `evaluate --json`; repeatable"
    )
    bundle.set_defaults(run=verbs.bundle)


def _add_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--check",
        choices=("ncs",),
        help="write nothing unless the Movidius stick's compiler takes it (see `make ncs-tools`)",
    )


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, help="the data folder; else $HEADCOUNT_DATA, data/")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; 0 done, 1 the world is wrong, 2 the call is wrong."""
    args = build_parser().parse_args(argv)
    try:
        return int(args.run(args))
    except HeadcountError as error:
        print(f"headcount-train: {error}", file=sys.stderr)
        return error.exit_code
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA:
            raise
        mend = "pip install 'headcount[training]'"
        print(f"headcount-train: {error.name} is not installed; run: {mend}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of our output has gone: nobody is left to tell
        sys.stderr.close()
        return 1
    except KeyboardInterrupt:
        print(
            "headcount-train: stopped; `fit` goes on with --resume, others when called again",
            file=sys.stderr,
        )
        return 1


if __name__ == "__main__":
    sys.exit(main())
