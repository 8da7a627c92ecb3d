"""The comparison of pruning methods: one cell for each arm and seed, run once and kept.

    OUT/ARM-SEED/      the run: checkpoints, plans
    OUT/ARM-SEED.json  the cell: sizes, AP on the test pictures, the hits behind it
    OUT/latency.json   all networks on the clock
    OUT/aim.json       what all of them were to reach

A cell that is there is not run again, so a comparison that was stopped goes on. What the cells
say together is left to `training.comparison`.
"""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from edge.contract.bundle import write_file
from edge.errors import CallError, DataError, HeadcountError
from training.arms import ARMS, DENSE, SWEEPS, Arm, recipe_of
from training.checkpoint import build, restore
from training.choosing import UNITS, Job
from training.config import Prune, Recipe
from training.data.cache import SHRUNK, Picture, load_pictures
from training.data.heads import read_heads
from training.data.statistics import normalised
from training.device import open_device
from training.engine import round_to_half
from training.evaluate import Detect, torch_detector
from training.fitting import train
from training.matching import Judged, average_precision, judge
from training.materials import Materials, load_materials
from training.models.ssd import SSD
from training.profile.shapes import cost
from training.profile.table import LatencyTable
from training.prune.widths import layout
from training.pruning import run_prune

if TYPE_CHECKING:
    import openvino as ov

Say = Callable[[str], None]

_ROUNDS = 20  # inferences of each network in a sweep


@dataclass(frozen=True, slots=True)
class Contest:
    """What all arms share."""

    recipe: Recipe
    start: Path  # the dense checkpoint
    profile: Path  # of a device that is at hand
    out: Path
    materials: Materials
    test_name: str  # PATH[:SPLIT]
    test: Sequence[Picture]
    say: Say = print

    def cell(self, arm: str, seed: int) -> Path:
        """The file of one arm's result."""
        return self.out / f"{arm}-{seed}.json"


def open_contest(
    recipe: Recipe, *, start: Path, profile: Path, data: Path, cache: Path, out: Path, test: str,
) -> Contest:  # fmt: skip
    """Read what all arms share.

    Raises:
        CallError: the folder has cells of another aim.
        DataError: pictures are missing or wrong.
    """
    folder, _, split = test.partition(":")
    pictures = load_pictures(read_heads(data / folder, split), cache=cache / SHRUNK)
    out.mkdir(parents=True, exist_ok=True)
    _claim(out, recipe.prune)
    materials = load_materials(recipe, data, cache)
    return Contest(recipe, start, profile, out, materials, test, pictures)


def _claim(out: Path, rule: Prune) -> None:
    """Say in a folder what its cells have to reach: those of two aims are not to be compared."""
    file, aim = out / "aim.json", {"target": rule.target, "share": rule.latency}
    if file.exists() and (found := json.loads(file.read_text())) != aim:
        raise CallError(
            f"{out}: its cells were to reach {found['share']:.0%} of the dense network's "
            f"{UNITS[found['target']]}; give another --out"
        )
    write_file(file, json.dumps(aim).encode())


def run_cells(
    contest: Contest, *, arms: Sequence[str], seeds: Sequence[int], minutes: float = math.inf,
    clock: Callable[[], float] = time.monotonic,
) -> None:  # fmt: skip
    """Run the cells that are not there yet, seed by seed; none is begun after so many minutes.

    An arm that fails, as one that cannot reach the latency, says why and leaves its cell empty.
    """
    begin = clock()
    for seed in seeds:
        for arm in ARMS:
            if arm.name not in arms or contest.cell(arm.name, seed).exists():
                continue
            if clock() - begin > minutes * 60:
                contest.say(f"{arm.name} {seed}: not begun, the time is up")
                return
            contest.say(f"{arm.name} {seed}: begins")
            try:
                cell = run_cell(contest, arm, seed)
            except HeadcountError as error:
                contest.say(f"{arm.name} {seed}: not run: {error}")
                continue
            write_file(contest.cell(arm.name, seed), json.dumps(cell).encode())
            contest.say(f"{arm.name} {seed}: AP50 {cell['ap50']:.4f}")


def run_cell(contest: Contest, arm: Arm, seed: int) -> dict[str, Any]:
    """One arm with one seed, from the dense network to its figures on the test pictures.

    Raises:
        DataError: the arm cannot reach the latency, or quantises one that was not run.
    """
    if arm.int8:
        return _int8_cell(contest, arm, seed)
    dense = restore(contest.start)
    recipe = recipe_of(arm, contest.recipe, dense.recipe, seed)
    torch.manual_seed(seed)
    out = contest.out / f"{arm.name}-{seed}"
    found = layout(dense.net)
    device = open_device(dense.net, found, str(contest.profile), recipe.prune.target)
    teacher = restore(contest.start).net.requires_grad_(False) if arm.distil.on else None
    if arm.scratch:
        if (out / "last.pt").exists():
            recipe = restore(out / "last.pt").recipe  # the clock is asked once for a width
        else:
            recipe = _narrow(recipe, device.measure, contest.say)
        state = train(build(recipe), recipe, contest.materials, plan=None, out=out)
    elif not arm.prune:
        state = train(dense.net, recipe, contest.materials, plan=None, out=out, teacher=teacher)
    else:
        job = Job(
            dense=dense.net, layout=found, recipe=recipe, materials=contest.materials,
            device=device, out=out, responses=contest.out / "responses.json", teacher=teacher,
            say=contest.say,
        )  # fmt: skip
        state = run_prune(job)
    net = state.ema
    size = cost(net)
    figures = {"macs": size.macs, "parameters": size.parameters}
    return {**figures, **judged(torch_detector(net), contest.test)}


def _narrow(recipe: Recipe, measure: Callable[[SSD], float], say: Say) -> Recipe:
    """The recipe with the width multiplier that gives the wanted latency.

    Raises:
        DataError: none does within the tolerance, as widths go in steps of 8 channels.
    """
    rule, low, high = recipe.prune, 0.1, 1.0
    unit = UNITS[rule.target]
    for _ in range(9):
        width = (low + high) / 2
        narrow = dataclasses.replace(recipe, model=dataclasses.replace(recipe.model, width=width))
        got = measure(build(narrow).eval())
        say(f"width {width:.3f}: measured {got:.3f} of the dense {unit}")
        if abs(got / rule.latency - 1) <= rule.tolerance:
            return narrow
        low, high = (width, high) if got < rule.latency else (low, width)
    raise DataError(f"no width multiplier gives {rule.latency:.3f} of the dense {unit}")


def _int8_cell(contest: Contest, arm: Arm, seed: int) -> dict[str, Any]:
    from training.export import export  # noqa: PLC0415 - the optional arms alone
    from training.int8 import calibration_pictures, quantise  # noqa: PLC0415
    from training.judging import ir_detector  # noqa: PLC0415

    parent = contest.out / f"{arm.int8}-{seed}" / "last.pt"
    if not parent.exists():
        raise DataError(f"{parent}: is missing; run the arm {arm.int8} first")
    trained = restore(parent)
    round_to_half(trained.net)  # as the end of a fit for a bundle does; its file has FP16 weights
    pictures = calibration_pictures(contest.materials.pools, trained.recipe, seed=seed)
    int8 = quantise(export(trained.net), pictures)
    folder = contest.out / f"{arm.name}-{seed}"
    folder.mkdir(exist_ok=True)
    write_file(folder / "model.xml", int8.xml)
    write_file(folder / "model.bin", int8.bin)
    size = cost(trained.net)
    detect = ir_detector(folder / "model.xml", trained.recipe.spec)
    figures = {"macs": size.macs, "parameters": size.parameters}
    return {**figures, **judged(detect, contest.test)}


def measure_cells(contest: Contest, sweeps: int = SWEEPS) -> dict[str, dict[str, float]]:
    """Each network of the comparison on the clock beside the dense one, as it was chosen.

    In pairs, since a network among thirty others finds the caches as cold as no door's are; and in
    several sweeps over all pairs, since minutes of a shared machine differ.

    Returns:
        Cell ("ARM-SEED") to its median over the sweeps: `ms`, and `share` of the dense network's
        in the same sweep, with the least and the greatest of them, `low` and `high`.
    """
    from training.models.graph import convert  # noqa: PLC0415 - cells run without OpenVINO
    from training.profile.latency import cpu_clock, measure  # noqa: PLC0415

    origin = LatencyTable.read(contest.profile).origin
    models = {f.stem: _model(contest.out / f.stem) for f in sorted(contest.out.glob("*-*.json"))}
    dense = convert(restore(contest.start).net)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in models}
    for _ in range(sweeps):
        for name, model in models.items():
            pair = measure(
                {DENSE: dense, name: model},
                device=origin.device, precision=origin.precision, threads=origin.threads,
                rounds=_ROUNDS, compilations=2, clock=cpu_clock(origin.threads),
            )  # fmt: skip
            times[name].append((pair[name].median, pair[name].median / pair[DENSE].median))
    found = {name: _summary(np.array(rows)) for name, rows in times.items()}
    write_file(contest.out / "latency.json", json.dumps(found, indent=1).encode())
    return found


def _summary(rows: NDArray[np.float64]) -> dict[str, float]:
    ms, share = np.median(rows, axis=0)
    low, high = rows[:, 1].min(), rows[:, 1].max()
    return {"ms": float(ms), "share": float(share), "low": float(low), "high": float(high)}


def _model(folder: Path) -> ov.Model:
    from edge.openvino_core import core  # noqa: PLC0415
    from training.models.graph import convert  # noqa: PLC0415

    int8 = folder / "model.xml"
    return core().read_model(int8) if int8.exists() else convert(restore(folder / "last.pt").net)


def setting(contest: Contest, seeds: Sequence[int]) -> dict[str, str]:
    """What a reader of the comparison must know, in words."""
    recipe, rule = contest.recipe, contest.recipe.prune
    short = rule.round_steps * (rule.rounds - 1)
    origin = LatencyTable.read(contest.profile).origin
    return {
        "network": f"SSD with {recipe.model.backbone}, {recipe.input.width}x{recipe.input.height}",
        "device": f"{origin.model}, OpenVINO {origin.openvino.split('-')[0]}, "
        f"{origin.precision}, {origin.threads} thread(s)",
        f"{UNITS[rule.target]} to reach": f"{rule.latency:.0%} of the dense network, within "
        f"{rule.tolerance:.0%}",
        "steps of each arm": f"{recipe.fit.steps + short} of {recipe.fit.batch} pictures; with "
        f"rounds, {short} of them in short fits between {rule.rounds} cuts",
        "training pictures": ", ".join(f"{s.name} ({s.share:.0%})" for s in recipe.source),
        "test pictures": f"{contest.test_name}, {len(contest.test)} pictures",
        "seeds": ", ".join(map(str, seeds)),
    }


def judged(detect: Detect, pictures: Sequence[Picture]) -> dict[str, Any]:
    """AP50 on the pictures, and each picture's hits, for a bootstrap in pairs."""
    rows = [judge(detect(p.image), normalised(p), p.ignore) for p in pictures]
    return {
        "ap50": average_precision(rows),
        "pictures": [
            {
                "scores": [round(float(score), 5) for score in row.scores],
                "hit": np.flatnonzero(row.hit).tolist(),
                "heads": row.heads,
            }
            for row in rows
        ],
    }


def read_judged(cell: dict[str, Any]) -> list[Judged]:
    """What `judged` wrote, as it was."""
    rows = []
    for picture in cell["pictures"]:
        hit = np.zeros(len(picture["scores"]), bool)
        hit[picture["hit"]] = True
        rows.append(Judged(np.array(picture["scores"], np.float32), hit, picture["heads"]))
    return rows
